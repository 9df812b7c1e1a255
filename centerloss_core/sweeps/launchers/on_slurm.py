"""Points as jobs of a Slurm cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from centerloss_core.config import Slurm
from centerloss_core.devices import usable_cores
from centerloss_core.run_directory.lock import holder
from centerloss_core.run_directory.reader import look_at
from centerloss_core.sweeps.launchers import child, slurm_notes
from centerloss_core.sweeps.launchers.launcher import Ending, LauncherError, Task
from centerloss_core.sweeps.launchers.slurm_job import PointJob
from centerloss_core.sweeps.launchers.slurm_submission import ENDS, LocalCluster, SlurmCluster

_BETWEEN_LOOKS = 0.25  # seconds, at the notes
_IN_A_HURRY = 3.0  # seconds between two questions to Slurm once its jobs are to stop
_LONGEST_DELAY = 60.0  # seconds that a file system may take to show what another machine wrote
_LONGEST_KILL = 10.0  # seconds, for all points together
_MOMENT = 0.05
_CANCELLED = Ending(None, "cancelled before it began")


class SlurmLauncher:
    """Jobs of a Slurm cluster. All machines must see this Python and the sweep directory under the same path.

    The jobs do not need the sweep's process: when that is killed they continue, also where `cluster` is local.
    `cl sweep --resume` then has them save and stop, and resumes them in new jobs.

    Args:
        slurm: the options of the jobs.
        jobs: at a time. None: as Slurm likes; where `cluster` is local, as many as the cores allow.
        threads: of each point.
        gpus, memory: of each point; `memory` in GiB.

    Raises:
        LauncherError: submitit or Slurm is not installed, or cannot give so many GPUs.
    """

    def __init__(
        self,
        slurm: Slurm,
        jobs: int | None,
        threads: int = 1,
        gpus: float | None = None,
        memory: float | None = None,
    ) -> None:
        if gpus and gpus != int(gpus):
            raise LauncherError(
                f"Slurm gives whole GPUs, and sweep.resources.gpus is {gpus:g}: set it to 1 or leave it out"
            )
        local = slurm.cluster == "local"
        self.cluster = (LocalCluster if local else SlurmCluster)(slurm, jobs, gpus, memory)
        # A job sees no GPU that it did not ask for, also where the cluster does not hide the others.
        self._variables = {} if gpus else {"CUDA_VISIBLE_DEVICES": ""}
        self.jobs: int | None = jobs or max(1, usable_cores() // threads) if local else None
        self._chained = jobs is not None and not local
        self._points: list[SlurmPoint] = []
        self._notes: set[str] = set()
        self._states: dict[str, str] = {}
        self._next_look = self._next_question = 0.0
        self.stopping_since: float | None = None

    def __enter__(self) -> SlurmLauncher:
        return self

    def __exit__(self, *_: object) -> None:
        self._next_look = 0.0
        if left := self._running():
            for point in left:
                point.ticket.give(slurm_notes.TERM)
            self.cluster.cancel([point.job for point in left], only_waiting=False)
        self.cluster.close()

    def start(self, tasks: Sequence[Task]) -> list[SlurmPoint]:
        """Submit them as one array; where `jobs` bounds all, it waits for an earlier one that has not ended."""
        earlier = self._running()
        if not earlier:
            self._next_question = time.monotonic() + self.cluster.pause
        folder = slurm_notes.notes_folder(tasks[0].directory)
        folder.mkdir(parents=True, exist_ok=True)
        tickets = slurm_notes.new_tickets(folder, [task.name for task in tasks])
        variables = child.passed_variables() | self._variables
        jobs = [PointJob(task, ticket, variables) for task, ticket in zip(tasks, tickets, strict=True)]
        try:
            names = self.cluster.submit(jobs, earlier[-1].job if earlier and self._chained else None)
        except BaseException:
            for ticket in tickets:  # Slurm may have accepted some of the jobs
                ticket.give(slurm_notes.TERM)
            raise
        started = [SlurmPoint(self, *each) for each in zip(tasks, tickets, names, strict=True)]
        self._points = earlier + started
        return started

    def interrupt(self, signal_number: int) -> None:
        """Order all to save and stop, which a job reads within a second, and take those that wait out of the queue."""
        self._stop(slurm_notes.TERM)
        if waiting := [point.job for point in self._running() if point.place is None]:
            self.cluster.cancel(waiting, only_waiting=True)

    def kill(self) -> None:
        """Order all to stop now, and cancel the jobs; give up those that have not ended within some seconds."""
        if not (running := self._running()):
            return
        self._stop(slurm_notes.KILL)
        self.cluster.cancel([point.job for point in running], only_waiting=False)
        deadline = time.monotonic() + _LONGEST_KILL
        while (running := self._running()) and time.monotonic() < deadline:
            time.sleep(_MOMENT)
        for point in running:
            point.ending = Ending(None, "its job was cancelled, and its end was not seen")

    def _running(self) -> list[SlurmPoint]:
        return [point for point in self._points if point.ended() is None]

    def _stop(self, order: str) -> None:
        for point in self._running():
            point.ticket.give(order)
        self.stopping_since = self.stopping_since or time.monotonic()
        self._next_question = min(self._next_question, time.monotonic() + _IN_A_HURRY)

    # ---- For its points ----------------------------------------------------------------------------------------

    def has_note(self, note: Path) -> bool:
        """Whether a note exists; their folder is read a few times a second, for all points at once."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _BETWEEN_LOOKS
            self._notes = slurm_notes.written(note.parent)
        return note.name in self._notes

    def state(self, job: str) -> str | None:
        """The state of a job. Slurm is asked for all jobs at once, and more often at the end."""
        if time.monotonic() >= self._next_question:
            self._states = self.cluster.ask([point.job for point in self._points if point.ending is None])
            pause = (
                self.cluster.pause if self.stopping_since is None else min(self.cluster.pause, _IN_A_HURRY)
            )
            self._next_question = time.monotonic() + pause
        return self._states.get(job)


@dataclass
class SlurmPoint:
    """A point as a job.

    Attributes:
        ticket: of this start.
        job: its name in Slurm, such as 1234_5.
        ending: once it has been seen.
    """

    _launcher: SlurmLauncher
    _task: Task
    ticket: slurm_notes.Ticket
    job: str
    ending: Ending | None = None
    _noted_since: float | None = None
    _over_since: float | None = None

    @property
    def place(self) -> str | None:
        """The job and its node; None while it waits in the queue."""
        if not self._launcher.has_note(self.ticket.note("began")):
            return None
        node = self.ticket.host()
        return f"job {self.job}" + (f" on {node}" if node else "")

    def ended(self) -> Ending | None:
        """As its job noted; else, where the job was lost, as Slurm reports."""
        self.ending = self.ending or self._noted_end() or self._lost_end()
        return self.ending

    def _noted_end(self) -> Ending | None:
        if not self._launcher.has_note(self.ticket.note("ended")):
            return None
        code, reason = self.ticket.ending()
        self._noted_since = self._noted_since or time.monotonic()
        completed = code != 0 or look_at(self._task.path).manifest.get("status") == "completed"
        if not completed and time.monotonic() < self._noted_since + _LONGEST_DELAY:
            return None  # the file system does not show it yet
        return Ending(code, reason)

    def _lost_end(self) -> Ending | None:
        now = time.monotonic()
        state = self._launcher.state(self.job)
        since = self._launcher.stopping_since
        if state is None or state not in ENDS:
            self._over_since = None
            # Slurm does not know the job, and it has not begun: it would find its order and not begin.
            given_up = state is None and since is not None and now > since + _LONGEST_DELAY
            return _CANCELLED if given_up and self.place is None else None
        if since is not None and state == "CANCELLED" and self.place is None:
            return _CANCELLED
        self._over_since = self._over_since or now
        over = now - self._over_since
        saves = over < _LONGEST_DELAY and holder(self._task.path) is not None
        if over < self._launcher.cluster.grace or saves:
            return None
        return self._launcher.cluster.ending(state, self._task.directory, self.job)
