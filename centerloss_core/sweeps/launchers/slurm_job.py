"""The work of a Slurm job: it starts the same `cl train` as every launcher, passes on orders, notes how that ended.

Submitit pickles a `PointJob` into `slurm/`, and the job unpickles it. It holds names, paths and numbers only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

from centerloss_core.sweeps.launchers import child
from centerloss_core.sweeps.launchers.launcher import Task
from centerloss_core.sweeps.launchers.slurm_notes import KILL, Ticket

_MOMENT, _BETWEEN_LOOKS = 0.05, 0.5  # seconds
_LONGEST_WAIT = 120.0  # seconds that an earlier job of the same point may take to save and end
_SLURM_DECIDES = 120.0  # seconds from its SIGTERM to what it has in mind: a requeue or the end of the job


@dataclass
class PointJob:
    """The work of one job, called by submitit on the node.

    Attributes:
        task: the point.
        ticket: of this start.
        variables: for the run, above those of the job.
    """

    task: Task
    ticket: Ticket
    variables: dict[str, str]
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _code: int | None = field(default=None, init=False, repr=False)

    def __call__(self) -> int | None:
        """Train the point; the exit code of the run, None if it never started."""
        try:
            code, reason = self._train()
        except Exception as error:  # submitit's "timed-out too many times" among them
            self.ticket.say_ended(None, f"its job ended: {error}")
            raise
        self.ticket.say_ended(code, reason)
        return code

    def checkpoint(self) -> Any:
        """Save, and resume in the next job: submitit calls this near the time limit, or when the job is preempted.

        It runs in a signal handler, anywhere in `_train`; so neither takes a lock.
        """
        from submitit.helpers import DelayedSubmission

        self._stop()
        return DelayedSubmission(replace(self))

    def _train(self) -> tuple[int | None, str | None]:
        if _under_slurm():
            self._pass_term_on()
        child.wait_until_free([self.task.path], _LONGEST_WAIT, lambda: self.ticket.order() is not None)
        if self.ticket.order() is not None:
            return None, "stopped before it began"
        child.adopt(self.variables)
        self.ticket.say_began()
        self._process = child.start(self.task)
        threading.Thread(target=self._reap, args=[self._process], daemon=True).start()
        self._watch()
        if (
            self.ticket.order() is None
            and self._code in (128 + signal.SIGTERM, -signal.SIGTERM)
            and _under_slurm()
        ):
            # Slurm's SIGTERM may be followed by USR2 and a new start (a preemption) or by SIGKILL (`scancel`). Only
            # if nothing follows has the job ended.
            deadline = time.monotonic() + _SLURM_DECIDES
            while time.monotonic() < deadline and self.ticket.order() is None:
                time.sleep(_BETWEEN_LOOKS)
        return self._code, None

    def _watch(self) -> None:
        """Wait for the run, and pass on each order once."""
        passed_on = None
        next_look = 0.0
        while self._code is None:
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + _BETWEEN_LOOKS
                if (order := self.ticket.order()) != passed_on and order is not None:
                    passed_on = order
                    self._signal(signal.SIGKILL if order == KILL else signal.SIGTERM)
            time.sleep(_MOMENT)

    def _stop(self) -> None:
        """Have the run save, and wait for its end."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        while self._code is None:
            time.sleep(_MOMENT)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._code is None:
            self._process.send_signal(number)

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        """Runs in its own thread, because a signal handler must not wait where the main thread waits."""
        self._code = process.wait()

    def _pass_term_on(self) -> None:
        """Have the run save at Slurm's SIGTERM.

        Whether that also reaches the run itself depends on how the cluster tracks processes. A run ignores the second.
        """

        def pass_on(number: int, frame: FrameType | None) -> None:
            self._signal(signal.SIGTERM)
            if callable(earlier):
                earlier(number, frame)

        earlier = signal.signal(signal.SIGTERM, pass_on)


def _under_slurm() -> bool:
    return os.environ.get("SUBMITIT_EXECUTOR") == "slurm"
