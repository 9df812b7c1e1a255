"""Points as jobs of a Slurm cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from centerloss_core.config import Slurm
from centerloss_core.devices import THREAD_VARIABLES, usable_cores
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.lock import holder
from centerloss_core.run_directory.manifest import read_manifest
from centerloss_core.sweeps.launchers import child, slurm_notes, slurm_queue
from centerloss_core.sweeps.launchers.gpus import Gpus, visible_gpus
from centerloss_core.sweeps.launchers.launcher import Ending, LauncherError, Task
from centerloss_core.sweeps.launchers.slurm_job import PointJob
from centerloss_core.sweeps.launchers.slurm_submission import Cluster, LocalCluster, SlurmCluster

_BETWEEN_LOOKS = 0.25  # seconds, at the notes
# Seconds between two questions to Slurm. A run notes its end itself; these are for jobs that were lost.
_FIRST_QUESTION, _IN_A_HURRY = 20.0, 3.0
_LONGEST_DELAY = 60.0  # seconds that a file system may take to show what another machine wrote
_LONGEST_KILL = 10.0  # seconds for all points together
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
        gpus: of each point.

    Raises:
        LauncherError: submitit or Slurm is not installed, or cannot give so many GPUs.
    """

    def __init__(self, slurm: Slurm, jobs: int | None, threads: int = 1, gpus: float | None = None) -> None:
        if gpus and gpus != int(gpus):
            raise LauncherError(
                f"Slurm gives whole GPUs, and sweep.resources.gpus is {gpus:g}: set it to 1 or leave it out"
            )
        self.gpus: Gpus | None = None
        self.cluster: Cluster
        self.jobs: int | None = None
        if slurm.cluster == "local":
            self.cluster = LocalCluster(slurm)
            self.jobs = jobs or max(1, usable_cores() // threads)
            if gpus:
                self.gpus = Gpus(visible_gpus(), gpus)
                if not self.gpus.places:
                    raise LauncherError(
                        f"sweep.resources.gpus is {gpus:g}, more than this machine shows: lower it, or leave it out"
                    )
                self.jobs = min(self.jobs, self.gpus.places)
        else:
            self.cluster = SlurmCluster(slurm, jobs)
        self._chained = jobs is not None and self.jobs is None
        self._points: list[SlurmPoint] = []
        self._notes: set[str] = set()
        self._states: dict[str, str] = {}
        self._unneeded: list[str] = []
        self._next_look = self._next_question = 0.0
        self._hurry = False
        self._kill_deadline: float | None = None

    def __enter__(self) -> SlurmLauncher:
        return self

    def __exit__(self, *_: object) -> None:
        self._next_look = 0.0
        self._stop([point for point in self._points if point.ended() is None])
        self.cluster.close()

    def start(self, tasks: Sequence[Task]) -> list[SlurmPoint]:
        """Submit them as one array; where `jobs` bounds all, it waits for an earlier one that has not ended."""
        self._points = [point for point in self._points if not point.is_over]
        if not self._points:
            self._next_question = time.monotonic() + min(self.cluster.pause, _FIRST_QUESTION)
        after = self._points[-1].job if self._points and self._chained else None
        started = self._submit(tasks, after)
        self._points += started
        return started

    def _stop(self, points: Sequence[SlurmPoint]) -> None:
        for point in points:
            point.give(slurm_notes.TERM)
        if points:
            self.cluster.cancel([point.job for point in points], only_waiting=False)

    def _submit(self, tasks: Sequence[Task], after: str | None) -> list[SlurmPoint]:
        folder = slurm_notes.notes_folder(tasks[0].directory)
        folder.mkdir(parents=True, exist_ok=True)
        threads = {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}
        tickets = slurm_notes.new_tickets(folder, [task.name for task in tasks])
        taken = [[] if self.gpus is None else self.gpus.take() for _ in tasks]
        jobs = [
            PointJob(
                task.name,
                str(task.directory),
                task.threads,
                ticket,
                child.passed_variables() | self._visible(task, gpus),
                threads,
            )
            for task, ticket, gpus in zip(tasks, tickets, taken, strict=True)
        ]
        try:
            names = self.cluster.submit(jobs, tasks[0], after)
        except BaseException:
            for ticket in tickets:  # Slurm may have accepted some of the jobs
                slurm_notes.give_order(folder, ticket, slurm_notes.TERM)
            raise
        return [
            SlurmPoint(self, task, folder, ticket, name, gpus)
            for task, ticket, name, gpus in zip(tasks, tickets, names, taken, strict=True)
        ]

    def _visible(self, task: Task, given: Sequence[str]) -> dict[str, str]:
        """The GPUs that a job sees: none that it did not ask for, also where the cluster does not hide the others."""
        if self.cluster.assigns_gpus:
            return {} if task.gpus else {"CUDA_VISIBLE_DEVICES": ""}
        return {"CUDA_VISIBLE_DEVICES": ",".join(given)} if given else {}

    # ---- For its points ----------------------------------------------------------------------------------------

    def has_note(self, folder: Path, name: str) -> bool:
        """Whether a note exists; the folder is read a few times a second, for all points at once."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _BETWEEN_LOOKS
            self._notes = slurm_notes.written(folder)
            if self._unneeded:
                self.cluster.cancel(self._unneeded, only_waiting=True)
                self._unneeded.clear()
        return name in self._notes

    def state(self, job: str) -> str | None:
        """The state of a job. Slurm is asked once a minute, for all jobs at once, and more often at the end."""
        now = time.monotonic()
        if now >= self._next_question:
            self._states = self.cluster.ask([point.job for point in self._points if not point.is_over])
            pause = self.cluster.pause
            self._next_question = time.monotonic() + (min(pause, _IN_A_HURRY) if self._hurry else pause)
            self._hurry = False
        return self._states.get(job)

    def hurry(self) -> None:
        """Ask again soon."""
        if not self._hurry:
            self._hurry = True
            self._next_question = min(self._next_question, time.monotonic() + _IN_A_HURRY)

    def drop(self, job: str) -> None:
        """Cancel a job if it has not started, together with others."""
        self._unneeded.append(job)

    @property
    def kill_deadline(self) -> float:
        """When to give up jobs that were killed: some seconds after the first of them."""
        if self._kill_deadline is None:
            self._kill_deadline = time.monotonic() + _LONGEST_KILL
        return self._kill_deadline


class SlurmPoint:
    """A point as a job.

    Attributes:
        job: its name in Slurm, such as 1234_5.
    """

    def __init__(
        self, launcher: SlurmLauncher, task: Task, folder: Path, ticket: str, job: str, gpus: Sequence[str]
    ) -> None:
        self.job = job
        self._launcher = launcher
        self._task = task
        self._folder = folder
        self._ticket = ticket
        self._gpus = gpus
        self._ending: Ending | None = None
        self._stopped_since: float | None = None
        self._noted_since: float | None = None
        self._over_since: float | None = None

    @property
    def place(self) -> str | None:
        """The job and its node; None while it waits in the queue."""
        if not self._launcher.has_note(self._folder, f"{self._ticket}.began"):
            return None
        node = slurm_notes.host(self._folder, self._ticket)
        return f"job {self.job}" + (f" on {node}" if node else "")

    @property
    def is_over(self) -> bool:
        """Whether its end has been seen."""
        return self._ending is not None

    def ended(self) -> Ending | None:
        """As its job noted; else, where the job was lost, as Slurm reports."""
        if self._ending is None:
            self._ending = self._noted_end() or self._lost_end()
            if self._ending is not None and self._launcher.gpus is not None:
                self._launcher.gpus.give_back(self._gpus)
        return self._ending

    def interrupt(self, signal_number: int) -> None:
        """Order it to save and stop, which it reads within a second, and take it out of the queue."""
        self._stop()
        self.give(slurm_notes.TERM)
        if self.place is None:
            self._launcher.drop(self.job)

    def kill(self) -> None:
        """Order it to stop now, and cancel the job; give it up if it has not ended within some seconds."""
        if self.ended() is not None:
            return
        self._stop()
        self.give(slurm_notes.KILL)
        self._launcher.cluster.cancel([self.job], only_waiting=False)
        while self.ended() is None and time.monotonic() < self._launcher.kill_deadline:
            time.sleep(_MOMENT)
        if self._ending is None:
            self._launcher.cluster.abandon([self.job])
            self._ending = Ending(None, "its job was cancelled, and its end was not seen")

    def wait(self, seconds: float) -> None:
        """Return when it has ended, and after this time at the latest."""
        deadline = time.monotonic() + seconds
        while self.ended() is None and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(_MOMENT, left))

    def give(self, order: str) -> None:
        """Write an order for its job."""
        slurm_notes.give_order(self._folder, self._ticket, order)

    def _noted_end(self) -> Ending | None:
        if not self._launcher.has_note(self._folder, f"{self._ticket}.ended"):
            return None
        code, reason = slurm_notes.ending(self._folder, self._ticket)
        self._noted_since = self._noted_since or time.monotonic()
        if code == 0 and not self._completed() and time.monotonic() < self._noted_since + _LONGEST_DELAY:
            return None  # the file system does not show it yet
        return Ending(code, reason)

    def _lost_end(self) -> Ending | None:
        state = self._launcher.state(self.job)
        if state is None or not slurm_queue.is_final(state):
            self._over_since = None
            if self._stopped_since is None:
                return None
            self._launcher.hurry()
            # Slurm does not know the job, and it has not begun: it would find its order and not begin.
            waited = state is None and self.place is None
            return _CANCELLED if waited and time.monotonic() > self._stopped_since + _LONGEST_DELAY else None
        self._launcher.hurry()
        self._over_since = self._over_since or time.monotonic()
        over = time.monotonic() - self._over_since
        if self._stopped_since is not None and state == "CANCELLED" and self.place is None:
            return _CANCELLED
        if over < self._launcher.cluster.grace or (
            over < _LONGEST_DELAY and holder(self._task.path) is not None
        ):
            return None
        return slurm_queue.ending_in(state, self._launcher.cluster.log(self._task.directory, self.job))

    def _stop(self) -> None:
        if self._stopped_since is None:
            self._stopped_since = time.monotonic()

    def _completed(self) -> bool:
        try:
            return read_manifest(self._task.path).get("status") == "completed"
        except RunError:
            return False
