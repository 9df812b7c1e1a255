"""Where the points of a sweep run: processes of this machine, Ray, or Slurm, a file each.

Each starts the same `cl train` (`child.py`) with the same resolved config, and what a point reached is read from its
run directory alone. So a sweep that was begun with one launcher can be resumed with another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from centerloss_core.config import Resources, Slurm, Sweep
from centerloss_core.devices import threads_of_this_process
from centerloss_core.sweeps.launchers.launcher import Ending, Launcher, LauncherError, Started, Task, log_path

__all__ = ["Ending", "Launch", "Launcher", "LauncherError", "Started", "Task", "log_path", "open_launcher"]


@dataclass(frozen=True)
class Launch:
    """What somebody asked for; None stands for "as begun" when a sweep is resumed, else for the default.

    Attributes:
        launcher: local, ray or slurm.
        jobs: points at a time.
        resources: of each point.
        ray_address: of the Ray cluster; None: one of our own, on this machine.
        slurm: what the cluster wants to know.
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
        return (
            1
            if (self.launcher or "local") != "local"
            else max(1, threads_of_this_process() // (self.jobs or 1))
        )

    def completed_by(self, section: Sweep) -> Launch:
        """What a config file says about it, where nothing was asked for."""
        said = {
            key: getattr(section, key)
            for key in ("launcher", "resources", "slurm")
            if key in section.model_fields_set and getattr(self, key) is None
        }
        return replace(self, **said)

    def in_words(self) -> str:
        """Such as "ray, 1 core each"."""
        resources = self.resources or Resources()
        words = [self.launcher or "local", f"{self.threads} core{'s' * (self.threads > 1)} each"]
        if resources.gpus:
            words.append(f"{resources.gpus:g} GPU{'s' * (resources.gpus > 1)} each")
        return ", ".join(words) + (f", {self.jobs} at a time" if self.jobs else "")


def open_launcher(launch: Launch, threads: int) -> Launcher:
    """The launcher that was asked for.

    Raises:
        LauncherError: it is not installed, cannot be reached, or has not what a point takes.
    """
    resources = launch.resources or Resources()
    if launch.launcher == "ray":
        from centerloss_core.sweeps.launchers.on_ray import RayLauncher

        return RayLauncher(launch.ray_address, launch.jobs)
    if launch.launcher == "slurm":
        from centerloss_core.sweeps.launchers.on_slurm import SlurmLauncher

        return SlurmLauncher(launch.slurm or Slurm(), launch.jobs, threads, resources.gpus)
    from centerloss_core.sweeps.launchers.local import LocalLauncher

    return LocalLauncher(launch.jobs or max(1, threads_of_this_process() // threads), resources.gpus)
