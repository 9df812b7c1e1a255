"""`cl train`: one run."""

from contextlib import nullcontext
from typing import Annotated, Any

import typer

from .options import Alpha, ConfigFile, Device, DryRun, Lambda, Quiet, Resume, RunDir, Seed, Settings


def train(
    config: ConfigFile = None,
    lambda_: Lambda = None,
    alpha: Alpha = None,
    seed: Seed = None,
    settings: Settings = None,
    run_dir: RunDir = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the run's directory in runs/.")] = None,
    device: Device = None,
    resume: Resume = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Train one run: checkpoints, metrics and feature dumps go into a new directory."""
    from centerloss_core.config import load_config
    from centerloss_core.devices.imports import unused_imports_skipped
    from centerloss_core.interrupts import stop_with_parent
    from centerloss_core.run_directory.directories import refuse_existing
    from centerloss_core.run_directory.manifest import is_completed
    from centerloss_core.run_directory.names import last_saved_step
    from centerloss_core.run_directory.resume_check import begun_config, refuse_another_config

    from . import places
    from .progress import training_progress
    from .results import show_completed, show_plan, show_result
    from .streams import warn

    stop_with_parent()
    given: dict[str, Any] = {
        "lambda_": places.one_value("lambda", lambda_),
        "alpha": places.one_value("alpha", alpha),
        "seed": places.one_value("seed", seed),
        "device": device,
        "settings": settings,
    }
    given = {key: value for key, value in given.items() if value is not None}
    resumed_after = None
    if resume is not None:
        places.refuse_a_new_place(run_dir=run_dir, name=name, dry_run=dry_run)
        path, resolved = resume, begun_config(resume)
        if config is not None or given:
            asked = load_config(config or resume / "config.yaml", **given, may_be_a_pipe=config is not None)
            refuse_another_config(resume, resolved, asked)
        if is_completed(resume):
            if not quiet:
                show_completed(resume)
            return
        resumed_after = last_saved_step(resume)
    else:
        config = places.required(config)
        resolved = load_config(config, **given, may_be_a_pipe=True)
        path = places.run_directory(config, resolved, run_dir=run_dir, name=name)
    if dry_run:
        refuse_existing(path)
        show_plan([(path, resolved)])
        return
    progress = nullcontext() if quiet else training_progress(resolved, path, resumed_after=resumed_after)
    with progress as show, unused_imports_skipped():
        from centerloss_core.training import run as training

        hear = None if quiet else warn
        if resume is not None:
            result = training.resume(path, show=show, warn=hear)
        else:
            result = training.train(resolved, path, show=show, warn=hear)
    if not quiet:
        show_result(result.path, result.metrics)
