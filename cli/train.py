"""`cl train`: one run."""

from typing import Annotated

import typer

from cli.options import ConfigFile, Device, DryRun, Quiet, RunDir, Settings


def train(
    config: ConfigFile,
    lambda_: Annotated[
        float | None, typer.Option("--lambda", help="Weight λ of the center loss. Default: loss.lambda.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option("--alpha", help="Rate α of the centers. Default: loss.alpha.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Default: train.seed.")] = None,
    settings: Settings = None,
    run_dir: RunDir = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the run's directory in runs/.")] = None,
    device: Device = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Train one run: checkpoints, metrics and feature dumps go into a new directory."""
    from centerloss_core.config import load_config
    from centerloss_core.imports import unused_imports_skipped
    from cli import console, places

    resolved = load_config(
        config, lambda_=lambda_, alpha=alpha, seed=seed, device=device, settings=settings or ()
    )
    path = places.run_directory(config, resolved, run_dir=run_dir, name=name)
    if dry_run:
        console.show_plan([(path, resolved)])
        return
    with console.training_progress(resolved, path, quiet=quiet) as show, unused_imports_skipped():
        from centerloss_core.training import train as train_run

        result = train_run(resolved, path, show=show)
    if not quiet:
        console.show_result(result.path, result.metrics)
