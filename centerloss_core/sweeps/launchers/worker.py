"""A process that trains one point after another, as the launcher `local` sees it; `cli/worker.py` is its other side."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from centerloss_core.installation import COMMAND
from centerloss_core.sweeps.launchers import child
from centerloss_core.sweeps.launchers.launcher import Ending, Task

# What a framework compiled for a network it never frees entirely: 20 to 50 MiB each.
_PROGRAMS = 4


class Worker:
    """A process for the points of a few programs. It ends with the first that fails, and with the sweep.

    Args:
        task: its first point, which it does not begin yet.
        gpus: those that it sees; None: all that this process sees.

    Raises:
        OSError: the log of the point cannot be written, or the system refuses.
    """

    def __init__(self, task: Task, gpus: Sequence[str] | None) -> None:
        self.gpus = gpus
        self._kind = task.threads, task.platform
        self._programs: list[str] = []  # the last is compiled
        self._orders = self._answers = 0
        variables = None if gpus is None else {"CUDA_VISIBLE_DEVICES": ",".join(gpus)}
        with child.open_log(task) as log:
            self._process = child.start_module(
                [f"{COMMAND}.worker"], task.threads, variables, stdout=subprocess.PIPE, stderr=log
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def take(self, task: Task) -> LocalPoint:
        """Begin a point.

        Raises:
            OSError: its log cannot be written.
        """
        child.open_log(task).close()
        order = json.dumps({"words": child.words(task), "log": str(task.log)})
        self._orders += 1
        if not self.has_compiled(task):
            self._programs.append(task.program)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):  # it has ended, and the point with it
            self._process.stdin.write(f"{order}\n".encode())
        return LocalPoint(self, self._orders)

    def has_compiled(self, task: Task) -> bool:
        """Whether a point needs no new program here."""
        return self._programs[-1:] == [task.program]

    def fits(self, task: Task) -> bool:
        """Whether a point may follow those before."""
        has_room = self.has_compiled(task) or len(self._programs) < _PROGRAMS
        return (task.threads, task.platform) == self._kind and has_room

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a point."""
        return not self.has_ended and self._answers == self._orders

    @property
    def has_ended(self) -> bool:
        """Whether its process has ended."""
        return self._process.poll() is not None

    def code(self, number: int) -> int | None:
        """How its point of this number, from 1, ended: the exit code of its `cl train`; None while it runs."""
        if self.has_ended:
            self._listener.join()  # what it said last
        return 0 if self._answers >= number else self._process.returncode

    def signal(self, number: int) -> None:
        """Pass a signal on to its point, which saves and ends; without one it ends at once."""
        if self.is_idle:
            self.kill()
        else:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL, and wait for its end."""
        self._process.kill()
        self._process.wait()
        self._listener.join()

    def _listen(self) -> None:
        with self._process as process:  # which closes its pipes, and waits for its end
            assert process.stdout is not None
            for _ in process.stdout:
                self._answers += 1


@dataclass(frozen=True)
class LocalPoint:
    """A point of a worker."""

    worker: Worker
    number: int

    @property
    def place(self) -> str:
        """The GPUs, if it was given some."""
        return f"gpu {','.join(self.worker.gpus)}" if self.worker.gpus else "here"

    def ended(self) -> Ending | None:
        """Its exit code, once there is one."""
        code = self.worker.code(self.number)
        return None if code is None else Ending(code)


@dataclass(frozen=True)
class Refused:
    """A point whose process the system did not start."""

    ending: Ending
    place: None = None

    def ended(self) -> Ending:
        """Why."""
        return self.ending
