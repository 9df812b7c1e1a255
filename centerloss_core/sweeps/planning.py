"""A sweep, new or resumed, from a config file and flags: its points, how they are launched, and where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from centerloss_core.config import Document, Flags, Point, load_document, resolve_sweep
from centerloss_core.config.sweep import LAUNCH_KEYS
from centerloss_core.devices import backend_name
from centerloss_core.errors import Warn
from centerloss_core.run_directory.resume_check import naming_the_way_to_moved_data
from centerloss_core.sweeps.asked import compare, points_with
from centerloss_core.sweeps.conductor import How
from centerloss_core.sweeps.launchers import Launch, refuse_path, resume_command
from centerloss_core.sweeps.layout import config_path
from centerloss_core.sweeps.states import PointState
from centerloss_core.sweeps.sweep import begun_points, ray_address_of, resume_sweep, run_sweep


@dataclass(frozen=True)
class SweepPlan:
    """A sweep that can be started.

    Attributes:
        directory: of the sweep.
        points: those of a new sweep, or of the one that is resumed.
        launch: how they are launched.
        document_text: the config file of a new sweep; None where one is resumed.
        asked: the points that are asked of a sweep that is resumed; None for its own.
        by_file: `asked` is what a config file says.
        added: the names of those points of a sweep that is resumed that are new.
    """

    directory: Path
    points: Sequence[Point]
    launch: Launch
    document_text: str | None = None
    asked: Sequence[Point] | None = None
    by_file: bool = False
    added: Sequence[str] = ()

    @property
    def ray_address(self) -> str | None:
        """The Ray cluster that it runs on."""
        if self.document_text is not None:
            return self.launch.ray_address
        return ray_address_of(self.directory, self.launch)

    @property
    def resume_command(self) -> str:
        """The command that resumes it."""
        return resume_command(self.directory, self.ray_address)


def plan_sweep(document: Document, directory: Path, flags: Flags, launch: Launch) -> SweepPlan:
    """Plan a new sweep.

    Raises:
        ConfigError: with the problems of all points.
        LauncherError: the launcher cannot work in this directory.
    """
    grid = resolve_sweep(document, flags)
    launch = launch.completed_by(grid.launch).for_points(len(grid.points))
    refuse_path(launch, directory)
    return SweepPlan(directory, grid.points, launch, document_text=document.text)


def plan_resume(
    directory: Path, flags: Flags, launch: Launch, document: Document | None = None, warn: Warn | None = None
) -> SweepPlan:
    """Plan to resume a sweep, which must be the one that the document and the flags ask for.

    They may ask for more values of its axes, and name another place of the data. Without a document, what was said
    when it was begun stands, but for what the flags say.

    Raises:
        RunError: it is not a sweep.
        ConfigError: the document or a flag is wrong.
        ChangedError: the sweep is not what it was begun as.
    """
    points = begun_points(directory, warn)
    if document is not None:
        grid = resolve_sweep(document, flags)
        launch = launch.completed_by(grid.launch)
        resumed = compare(directory, points, grid.points, by_file=True)
        return SweepPlan(
            directory, resumed.points, launch, asked=grid.points, by_file=True, added=resumed.added
        )
    if not flags:
        return SweepPlan(directory, points, launch)
    asked = points_with(directory, points, flags)
    launched = {text: key for text in flags.settings if (key := _launch_key(text))}
    grid = resolve_sweep(
        load_document(config_path(directory, points[0].name)), Flags(settings=list(launched))
    )
    launch = launch.completed_by(grid.launch, launched.values())
    resumed = compare(directory, points, asked)
    return SweepPlan(directory, resumed.points, launch, asked=asked, added=resumed.added)


def _launch_key(setting: str) -> str | None:
    """`resources` for `sweep.resources.cpus=2`: the part of the launch that a `--set` changes."""
    section, *keys = setting.partition("=")[0].strip().split(".")
    return keys[0] if section == "sweep" and keys and keys[0] in LAUNCH_KEYS else None


def conduct(plan: SweepPlan, *, warn: Warn | None = None, **how: Unpack[How]) -> list[PointState]:
    """Train the points of a plan; see `run_sweep` and `resume_sweep`.

    Raises:
        DeviceError: the backend that KERAS_BACKEND names cannot train, or is not installed.
        DataError: the data cannot be had: one clear error before all, and a download happens once.
    """
    if not (plan.ray_address or "").startswith("ray://"):  # another machine's data and packages are not here
        from centerloss_core.datasets import load_dataset

        backend_name()
        for data in dict.fromkeys(point.config.data for point in plan.points):
            resumes = (
                nullcontext()
                if plan.document_text
                else naming_the_way_to_moved_data(data, plan.resume_command)
            )
            with resumes:
                load_dataset(data)
    if plan.document_text is not None:
        return run_sweep(plan.points, plan.directory, plan.document_text, launch=plan.launch, **how)
    return resume_sweep(
        plan.directory, asked=plan.asked, by_file=plan.by_file, launch=plan.launch, warn=warn, **how
    )
