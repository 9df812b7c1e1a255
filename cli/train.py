"""`cl train`: one run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import ConfigFile, Device, DryRun, Quiet, RunDir, Settings


def train(
    config: ConfigFile = None,
    lambda_: Annotated[
        str | None,
        typer.Option("--lambda", metavar="NUMBER", help="Weight λ of the center loss. Default: loss.lambda."),
    ] = None,
    alpha: Annotated[
        str | None,
        typer.Option("--alpha", metavar="NUMBER", help="Rate α of the centers. Default: loss.alpha."),
    ] = None,
    seed: Annotated[
        str | None, typer.Option("--seed", metavar="INTEGER", help="Default: train.seed.")
    ] = None,
    settings: Settings = None,
    run_dir: RunDir = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the run's directory in runs/.")] = None,
    device: Device = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume", metavar="RUN", help="Go on with the run in this directory where it stopped."
        ),
    ] = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Train one run: checkpoints, metrics and feature dumps go into a new directory."""
    from centerloss_core.config import load_config
    from centerloss_core.devices.imports import unused_imports_skipped
    from centerloss_core.interrupts import stop_with_parent
    from centerloss_core.run_directory.manifest import is_completed
    from centerloss_core.run_directory.names import last_saved_step
    from centerloss_core.run_directory.resume_check import begun_config, refuse_another_config
    from centerloss_core.run_directory.writer import refuse_existing
    from cli import console, places

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
                console.show_completed(resume)
            return
        resumed_after = last_saved_step(resume)
    else:
        config = places.required(config)
        resolved = load_config(config, **given, may_be_a_pipe=True)
        path = places.run_directory(config, resolved, run_dir=run_dir, name=name)
    if dry_run:
        refuse_existing(path)
        console.show_plan([(path, resolved)])
        return
    progress = console.training_progress(resolved, path, resumed_after=resumed_after, quiet=quiet)
    with progress as show, unused_imports_skipped():
        from centerloss_core.training import run as training

        warn = console.say_nothing if quiet else console.warn
        if resume is not None:
            result = training.resume(path, show=show, warn=warn)
        else:
            result = training.train(resolved, path, show=show, warn=warn)
    if not quiet:
        console.show_result(result.path, result.metrics)
