"""Points as processes of this machine, some at a time; its GPUs are handed out one by one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from centerloss_core.sweeps.launchers import child
from centerloss_core.sweeps.launchers.launcher import Ending, LauncherError, Task


class LocalLauncher:
    """Processes of this machine.

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
        self._running: list[LocalProcess] = []

    def __enter__(self) -> LocalLauncher:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, tasks: Sequence[Task]) -> list[LocalProcess]:
        """Start a process each; one that the system refuses counts as ended, and the others start."""
        started = []
        self._running = [process for process in self._running if process.ended() is None]
        for task in tasks:
            started.append(LocalProcess(task, self._gpus))
            self._running.append(started[-1])
        return started

    def interrupt(self, signal_number: int) -> None:
        """Pass the signal on."""
        for process in self._running:
            process.signal(signal_number)

    def kill(self) -> None:
        """Send SIGKILL."""
        for process in self._running:
            process.kill()


class LocalProcess:
    """A point as a process of this machine."""

    def __init__(self, task: Task, gpus: Gpus | None) -> None:
        self._gpus = gpus
        self._taken = None if gpus is None else gpus.take()
        self._process: subprocess.Popen[bytes] | None = None
        self._refused: Ending | None = None
        variables = None if self._taken is None else {"CUDA_VISIBLE_DEVICES": ",".join(self._taken)}
        try:
            self._process = child.start(task, variables)
        except OSError as error:  # its log cannot be written, or there is no room for a process
            where = f"{error.filename}: " if error.filename else ""
            self._refused = Ending(
                None, f"its process could not be started: {where}{error.strerror or error}"
            )
            self._give_back()

    @property
    def place(self) -> str | None:
        """The GPUs, if it was given some."""
        if self._refused is not None:
            return None
        return f"gpu {','.join(self._taken)}" if self._taken else "here"

    def ended(self) -> Ending | None:
        """Its exit code, once there is one."""
        if self._process is None or (code := self._process.poll()) is None:
            return self._refused
        self._process.communicate()  # which closes the pipe to it
        self._give_back()
        return Ending(code)

    def signal(self, number: int) -> None:
        """Pass a signal on."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL, and wait for its end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _give_back(self) -> None:
        if self._gpus is not None and self._taken is not None:
            self._gpus.give_back(self._taken)
            self._taken = None


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
