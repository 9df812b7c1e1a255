"""`cl sweep`: every λ × α × seed."""

from contextlib import nullcontext
from typing import Annotated, Any

import typer

from .options import Alpha, ConfigFile, Device, DryRun, Lambda, Quiet, Resume, RunDir, Seed, Settings


def sweep(  # noqa: PLR0915
    config: ConfigFile = None,
    lambda_: Lambda = None,
    alpha: Alpha = None,
    seed: Seed = None,
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
        str | None,
        typer.Option(
            "--launcher", metavar="local|ray|slurm", help="What starts the runs. Default: sweep.launcher."
        ),
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
    """Train every combination of λ, α and seed, each an ordinary run in one sweep directory."""
    from centerloss_core.config import load_document, parse_list, sweep_section
    from centerloss_core.datasets import load_dataset
    from centerloss_core.run_directory.directories import refuse_existing
    from centerloss_core.sweeps import (
        Launch,
        launch_keys,
        plan,
        points_with,
        ray_address_of,
        read_sweep,
        resume_command,
        resume_sweep,
        run_sweep,
    )

    from . import places
    from .results import show_plan, show_sweep_result
    from .streams import error, warn
    from .sweep_view import sweep_progress

    given: dict[str, Any] = {
        "lambdas": None if lambda_ is None else parse_list(lambda_, "lambda"),
        "alphas": None if alpha is None else parse_list(alpha, "alpha"),
        "seeds": None if seed is None else parse_list(seed, "seed"),
        "device": device,
        "settings": settings,
    }
    given = {key: value for key, value in given.items() if value is not None}
    section_given = {key: value for key, value in given.items() if key != "device"}
    launch = Launch(
        launcher=places.one_of("--launcher", launcher, ("local", "ray", "slurm")),
        jobs=jobs,
        ray_address=ray_address,
    )
    if resume is not None:
        places.refuse_a_new_place(run_dir=run_dir, dry_run=dry_run)
        directory = resume
        points = read_sweep(directory)
        asked = None
        if config is not None:
            document = load_document(config, may_be_a_pipe=True)
            launch = launch.completed_by(sweep_section(document, **section_given))
            asked = plan(document, **given)
        elif given:
            # What the flags of the beginning said stands, but for what is said now.
            asked = points_with(directory, points, **given)
            document = load_document(directory / "points" / f"{points[0].name}.yaml")
            section = sweep_section(document, settings=settings or ())
            launch = launch.completed_by(section, launch_keys(settings or ()))
    else:
        config = places.required(config)
        document = load_document(config, may_be_a_pipe=True)
        directory = places.sweep_directory(config, run_dir=run_dir)
        points = plan(document, **given)
        launch = launch.completed_by(sweep_section(document, **section_given)).for_points(len(points))
    if dry_run:
        refuse_existing(directory)
        show_plan([(directory / point.name, point.config) for point in points], launch.in_words())
        return
    address = launch.ray_address if resume is None else ray_address_of(directory, launch)
    if not (address or "").startswith("ray://"):  # another machine's data are its own affair
        data = points[0].config.data
        # Once before all: a missing data set is one clear error here, and a download happens once.
        load_dataset(data.name, dir=data.dir, validation=data.validation)
    how: dict[str, Any] = {"launch": launch, "retries": retries, "fail_fast": fail_fast}
    with nullcontext() if quiet else sweep_progress(directory) as show:
        if resume is not None:
            hear = None if quiet else warn
            states = resume_sweep(directory, asked=asked, **how, show=show, warn=hear)
        else:
            states = run_sweep(points, directory, document.text, **how, show=show)
    if not quiet:
        show_sweep_result(directory, [state.summary() for state in states])
    failed = [state for state in states if state.status != "completed"]
    if failed:
        error(
            f"{len(failed)} of {len(states)} points did not complete: "
            + "; ".join(f"{state.point.name}: {state.reason or state.status}" for state in failed)
            + f"\nresume them: {resume_command(directory, address)}"
        )
        raise typer.Exit(1)
