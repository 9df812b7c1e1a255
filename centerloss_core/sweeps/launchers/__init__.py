"""Where the points of a sweep run: processes of this machine, Ray, or Slurm, a file each.

Each starts the same `cl train` (`child.py`) with the same resolved config, and results are read from the run directory
alone. So a sweep that was begun with one launcher can be resumed with another.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from centerloss_core.config import Resources, Slurm, Sweep
from centerloss_core.config.sweep import LAUNCH_KEYS
from centerloss_core.devices import threads_of_this_process
from centerloss_core.sweeps.launchers.launcher import Ending, Launcher, LauncherError, Started, Task

__all__ = [
    "Ending",
    "Launch",
    "Launcher",
    "LauncherError",
    "Started",
    "Task",
    "open_launcher",
    "refuse_path",
    "resume_command",
]


@dataclass(frozen=True)
class Launch:
    """How points are launched; None stands for "as begun" when a sweep is resumed, else for the default.

    Attributes:
        launcher: local, ray or slurm.
        jobs: points at a time.
        resources: of each point.
        ray_address: of the Ray cluster; None: an instance of its own, on this machine.
        slurm: the options of its jobs.
    """

    launcher: str | None = None
    jobs: int | None = None
    resources: Resources | None = None
    ray_address: str | None = None
    slurm: Slurm | None = None

    @property
    def threads(self) -> int:
        """Of each point of a sweep that begins so."""
        if self.resources is not None and self.resources.cpus is not None:
            return self.resources.cpus
        if self.launcher not in (None, "local"):
            return 1
        return max(1, threads_of_this_process() // (self.jobs or 1))

    def completed_by(self, section: Sweep, keys: Collection[str] | None = None) -> Launch:
        """Fill what is None from a config file; with `keys`, these fields alone."""
        said = {
            key: getattr(section, key)
            for key in LAUNCH_KEYS
            if key in (section.model_fields_set if keys is None else keys) and getattr(self, key) is None
        }
        return replace(self, **said)

    def for_points(self, count: int) -> Launch:
        """Limit the jobs on this machine to the number of points, so that they share its cores."""
        if self.launcher not in (None, "local"):
            return self
        return replace(self, launcher="local", jobs=min(self.jobs or 1, count))

    def in_words(self) -> str:
        """Such as "ray, 1 core each"."""
        resources = self.resources or Resources()
        words = [self.launcher or "local", f"{self.threads} core{'s' * (self.threads > 1)} each"]
        if resources.gpus:
            words.append(f"{resources.gpus:g} GPU{'s' * (resources.gpus > 1)} each")
        return ", ".join(words) + (f", {self.jobs} at a time" if self.jobs else "")


def resume_command(directory: Path, ray_address: str | None = None) -> str:
    """The command that resumes a sweep; it names the Ray cluster, which no sweep joins unless asked to."""
    cluster = [] if ray_address is None else ["--ray-address", ray_address]
    return shlex.join(["cl", "sweep", "--resume", str(directory), *cluster])


def refuse_path(launch: Launch, directory: Path) -> None:
    """Refuse a sweep directory that the launcher cannot work with, before anything is made.

    Raises:
        LauncherError: it has a sign in its path that Slurm and submitit replace, or that ends a line of their script.
    """
    path = str(directory.resolve())
    if launch.launcher == "slurm" and re.search(r"[\x00-\x1f\x7f%\\]", path):
        raise LauncherError(
            "the path of a sweep under Slurm must have no %, \\ or line break in it: name another with --run-dir, or "
            f"move the sweep; received {path!r}"
        )


def open_launcher(launch: Launch, threads: int) -> Launcher:
    """The launcher that was asked for.

    Raises:
        LauncherError: it is not installed, cannot be reached, or has not what a point takes.
    """
    resources = launch.resources or Resources()
    if launch.ray_address is not None and launch.launcher != "ray":
        raise LauncherError(
            f"--ray-address is for the launcher ray, and this sweep is launched by {launch.launcher or 'local'}: "
            "add --launcher ray"
        )
    if launch.launcher == "ray":
        from centerloss_core.sweeps.launchers.on_ray import RayLauncher

        return RayLauncher(launch.ray_address, launch.jobs, threads, resources.gpus, resources.memory)
    if launch.launcher == "slurm":
        from centerloss_core.sweeps.launchers.on_slurm import SlurmLauncher

        return SlurmLauncher(launch.slurm or Slurm(), launch.jobs, threads, resources.gpus, resources.memory)
    from centerloss_core.sweeps.launchers.local import LocalLauncher

    return LocalLauncher(launch.jobs or 1, resources.gpus)
