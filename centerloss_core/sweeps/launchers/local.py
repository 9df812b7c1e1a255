"""Points in processes of this machine, some at a time; its GPUs are handed out one by one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from centerloss_core.sweeps.launchers.launcher import Ending, LauncherError, Started, Task
from centerloss_core.sweeps.launchers.worker import Refused, Worker


class LocalLauncher:
    """Processes of this machine, each of which trains one point after another.

    Args:
        jobs: at a time.
        gpus: that each takes: whole ones, or a fraction of one. None: one each where several run at a time and there
            are enough; otherwise each point sees what this process sees.

    Raises:
        LauncherError: there are fewer GPUs than one point takes.
    """

    def __init__(self, jobs: int, gpus: float | None) -> None:
        visible = visible_gpus() if gpus or (gpus is None and jobs > 1) else []
        if gpus and gpus > len(visible):
            raise LauncherError(
                f"sweep.resources.gpus is {gpus:g}, and this machine shows {len(visible)}: lower it, leave it out, "
                "or check `nvidia-smi` and CUDA_VISIBLE_DEVICES"
            )
        if gpus is None and 1 < jobs <= len(visible):
            gpus = 1
        self._gpus = None if gpus is None else Gpus(visible, gpus)
        self.jobs: int | None = jobs if not gpus or self._gpus is None else min(jobs, self._gpus.places)
        self._workers: list[Worker] = []

    def __enter__(self) -> LocalLauncher:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, tasks: Sequence[Task]) -> list[Started]:
        """Give each to a process; a point whose process the system refuses counts as ended, and the others start."""
        started: list[Started] = []
        for task in tasks:
            try:
                started.append(self._worker_for(task).take(task))
            except OSError as error:  # its log cannot be written, or there is no room for a process
                where = f"{error.filename}: " if error.filename else ""
                reason = f"its process could not be started: {where}{error.strerror or error}"
                started.append(Refused(Ending(None, reason)))
        return started

    def interrupt(self, signal_number: int) -> None:
        """Pass the signal on."""
        for worker in self._workers:
            worker.signal(signal_number)

    def kill(self) -> None:
        """Send SIGKILL."""
        for worker in self._workers:
            worker.kill()

    def _worker_for(self, task: Task) -> Worker:
        """One that waits, of the same program if there is one; else a new one, for which one that waits may end."""
        idle = [worker for worker in self._workers if worker.is_idle]
        fitting = [worker for worker in idle if worker.fits(task)]
        if fitting:
            return max(fitting, key=lambda worker: worker.has_compiled(task))
        if idle and len(self._workers) >= (self.jobs or 1):
            idle[0].kill()
        for worker in [worker for worker in self._workers if worker.has_ended]:
            self._workers.remove(worker)
            if self._gpus is not None:
                self._gpus.give_back(worker.gpus or [])
        gpus = None if self._gpus is None else self._gpus.take()
        try:
            self._workers.append(Worker(task, gpus))
        except OSError:
            if self._gpus is not None:
                self._gpus.give_back(gpus or [])
            raise
        return self._workers[-1]


def visible_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES would name each GPU that this process may use; no framework is imported for it."""
    asked = os.environ.get("CUDA_VISIBLE_DEVICES")
    if asked is not None:
        names = [name.strip() for name in asked.split(",")]
        # CUDA itself stops at the first name that is not one of a GPU.
        end = next((index for index, name in enumerate(names) if name in ("", "-1")), len(names))
        return names[:end]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [
        str(index) for index, _ in enumerate(line for line in listed.splitlines() if line.startswith("GPU "))
    ]


class Gpus:
    """Which point has which GPU.

    Args:
        names: all GPUs.
        each: what one point takes: whole ones, a fraction of one, or 0.
    """

    def __init__(self, names: Sequence[str], each: float) -> None:
        self._whole = max(1, int(each)) if each else 0
        self._points_per_gpu = int(1 / each) if 0 < each < 1 else 1
        self._users = dict.fromkeys(names, 0)

    @property
    def places(self) -> int:
        """How many points fit at a time."""
        return len(self._users) * self._points_per_gpu // max(1, self._whole)

    def take(self) -> list[str]:
        """The GPUs with the fewest points on them."""
        taken = sorted(self._users, key=lambda name: self._users[name])[: self._whole]
        for name in taken:
            self._users[name] += 1
        return taken

    def give_back(self, taken: Sequence[str]) -> None:
        """Note that a point has ended."""
        for name in taken:
            self._users[name] -= 1
