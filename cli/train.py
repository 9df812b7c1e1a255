"""`cl train`: one run."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from .options import (
    Alpha,
    ConfigFile,
    Device,
    DryRun,
    Lambda,
    Quiet,
    Resume,
    RunDir,
    Seed,
    Settings,
    Words,
)


def train(
    words: Words = None,
    config: ConfigFile = None,
    lambda_: Lambda = None,
    alpha: Alpha = None,
    seed: Seed = None,
    settings: Settings = None,
    run_dir: RunDir = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the run's directory in runs/.")] = None,
    device: Device = None,
    resume: Resume = None,
    init: Annotated[
        Path | None,
        typer.Option(
            "--init",
            metavar="RUN",
            help="Begin with the weights and centers of this run; without --config, with its config too.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Train one run: checkpoints, metrics and feature dumps go into a new directory."""
    from centerloss_core.config import load_config
    from centerloss_core.devices.imports import unused_imports_skipped
    from centerloss_core.run_directory.directories import refuse_existing
    from centerloss_core.run_directory.names import CONFIG
    from centerloss_core.training.initial import find_initial
    from centerloss_core.training.run import Start, prepare_resume

    from . import places
    from .progress import Display, training_progress
    from .results import show_completed, show_plan, show_result
    from .streams import warn

    flags = {"loss.lambda": lambda_, "loss.alpha": alpha, "train.seed": seed}
    values = {key: places.one_value(key, text) for key, text in flags.items() if text is not None}
    if device is not None:
        values["train.device"] = device
    config, settings = places.asked(words, config, settings)
    if resume is not None:
        places.refuse_a_new_place(run_dir=run_dir, name=name, init=init, dry_run=dry_run)
        start = prepare_resume(resume, config, values, settings)
    else:
        initial = None if init is None else find_initial(init)
        config = places.required(config if initial is None else config or initial.run / CONFIG)
        resolved = load_config(config, values, settings=settings, may_be_a_pipe=True)
        path = places.run_directory(config, resolved, run_dir=run_dir, name=name, init=init)
        start = Start(path, resolved, init=init)
        if initial is not None:
            initial.refuse_another_network(resolved)
        refuse_existing(start.path)
    if dry_run:
        show_plan([(start.path, start.config)])
    elif start.is_completed:
        if not quiet:
            show_completed(start.path)
    else:
        with (
            nullcontext(Display()) if quiet else training_progress(start) as display,
            unused_imports_skipped(),
        ):
            result = start.train(**display._asdict(), warn=None if quiet else warn)
        if not quiet:
            show_result(result.path, result.metrics)
