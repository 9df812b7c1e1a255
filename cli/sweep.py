"""`cl sweep`: every λ × α × seed."""

from contextlib import nullcontext
from enum import StrEnum
from typing import Annotated

import typer

from .options import Alpha, ConfigFile, Device, DryRun, Lambda, Quiet, Resume, RunDir, Seed, Settings, Words

Launcher = StrEnum("Launcher", ["LOCAL", "RAY", "SLURM"])


def sweep(
    words: Words = None,
    config: ConfigFile = None,
    lambda_: Lambda = None,
    alpha: Alpha = None,
    seed: Seed = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            "--grid",
            metavar="SECTION.KEY=V1,V2",
            help="Values of any setting; may be repeated. A list is written [a, b].",
        ),
    ] = None,
    settings: Settings = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", min=1, help="Runs at a time. Default: 1 here, all that there is room for on a cluster."
        ),
    ] = None,
    retries: Annotated[
        int, typer.Option("--retries", min=0, help="How often a point that failed is resumed.")
    ] = 0,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop all other points when one has failed.")
    ] = False,
    launcher: Annotated[
        Launcher | None,
        typer.Option("--launcher", help="What starts the runs. Default: sweep.launcher."),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address",
            metavar="auto|ray://…|local",
            help="The Ray cluster. Default: one of its own, here.",
        ),
    ] = None,
    run_dir: RunDir = None,
    device: Device = None,
    resume: Resume = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Train every combination of λ, α, seed and other settings, each an ordinary run in one sweep directory."""
    from centerloss_core.config import load_document, parse_flags
    from centerloss_core.run_directory.directories import refuse_existing
    from centerloss_core.sweeps import Launch, conduct, plan_resume, plan_sweep

    from . import places
    from .results import show_plan, show_sweep_result
    from .streams import error, note, warn
    from .sweep_view import sweep_progress

    lists = {"loss.lambda": lambda_, "loss.alpha": alpha, "train.seed": seed}
    config, settings = places.asked(words, config, settings)
    flags = parse_flags(lists, grid or (), device, settings)
    launch = Launch(
        launcher=None if launcher is None else launcher.value,
        jobs=jobs,
        ray_address=ray_address,
    )
    if resume is not None:
        places.refuse_a_new_place(run_dir=run_dir, dry_run=dry_run)
        document = None if config is None else load_document(config, may_be_a_pipe=True)
        plan = plan_resume(resume, flags, launch, document)
    else:
        config = places.required(config)
        document = load_document(config, may_be_a_pipe=True)
        plan = plan_sweep(document, run_dir or places.free_directory(f"{config.stem}-sweep"), flags, launch)
        refuse_existing(plan.directory)
    if dry_run:
        runs = [(plan.directory / point.name, point.config) for point in plan.points]
        show_plan(runs, [point.settings for point in plan.points], plan.launch.in_words())
        return
    if plan.added and not quiet:
        note(f"{len(plan.added)} new: {', '.join(plan.added)}")
    with nullcontext() if quiet else sweep_progress(plan.directory) as show:
        states = conduct(plan, retries=retries, fail_fast=fail_fast, show=show, warn=None if quiet else warn)
    if not quiet:
        show_sweep_result(plan.directory, [state.summary() for state in states])
    failed = [state for state in states if state.status != "completed"]
    if failed:
        alike: dict[str, list[str]] = {}
        for state in failed:
            alike.setdefault(state.reason or state.status, []).append(state.point.name)
        error(
            f"{len(failed)} of {len(states)} points did not complete: "
            + "; ".join(f"{', '.join(names)}: {reason}" for reason, names in alike.items())
            + f"\nresume them: {plan.resume_command}"
        )
        raise typer.Exit(1)
