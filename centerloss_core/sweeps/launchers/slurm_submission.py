"""Hands jobs to Slurm, or to processes of this machine that behave like its jobs; both by way of submitit."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import secrets
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from centerloss_core.config import Slurm
from centerloss_core.sweeps.launchers import slurm_queue
from centerloss_core.sweeps.launchers.child import import_path
from centerloss_core.sweeps.launchers.launcher import LauncherError, Task
from centerloss_core.sweeps.launchers.slurm_job import PointJob
from centerloss_core.sweeps.launchers.slurm_notes import FOLDER

_REQUEUES = 100  # for want of time. A run gets on each time, because it saves when it is told to stop
_TIME_TO_SAVE = 90  # seconds before the time limit
_LONGEST_NAME = 64
_OF_A_JOB, _OF_THE_CLUSTER = ("SLURM_", "SLURMD_", "SRUN_"), ("SLURM_CONF", "SLURM_CLUSTERS")
_LAST_MOMENTS, _MOMENT = 5.0, 0.02  # seconds


class Cluster(Protocol):
    """Takes jobs, tells their state and cancels them.

    Attributes:
        grace: seconds in which a job that has ended may yet be requeued, or its note yet appear.
        pause: seconds between two questions for the states of jobs.
        assigns_gpus: whether it tells a job which GPUs it has.
    """

    grace: float
    pause: float
    assigns_gpus: bool

    def submit(self, jobs: Sequence[PointJob], task: Task, after: str | None) -> list[str]:
        """Hand these over, all with the needs of `task`, and return their names; none starts before `after` ended."""

    def ask(self, jobs: Sequence[str]) -> dict[str, str]:
        """The states of jobs, in Slurm's words, as far as they are known."""

    def cancel(self, jobs: Sequence[str], *, only_waiting: bool) -> None:
        """Cancel jobs, or those of them that have not started."""

    def log(self, directory: Path, job: str) -> Path:
        """What a job itself printed, which is nothing of interest unless it failed."""

    def abandon(self, jobs: Sequence[str]) -> None:
        """Give up jobs that did not end when they were told to."""

    def close(self) -> None:
        """All have ended, or were given up."""


class SlurmCluster:
    """The real thing.

    Args:
        slurm: what it wants to know.
        jobs: at a time; None: as Slurm likes.

    Raises:
        LauncherError: submitit or Slurm is not installed here.
    """

    grace = 30.0
    pause = 60.0
    assigns_gpus = True

    def __init__(self, slurm: Slurm, jobs: int | None) -> None:
        require_submitit()
        for command in ("sbatch", "srun"):
            if shutil.which(command) is None:
                raise LauncherError(
                    f"there is no {command} on this machine: run this where Slurm is, "
                    "or set sweep.slurm.cluster to local to try it out here"
                )
        self._slurm = slurm
        self._jobs = jobs
        # A job unpickles what lies there under its number, and Slurm follows a link where it logs. Whoever made the
        # sweep's directory can have put a file for every number into a folder whose name is known.
        self._folder = f"jobs-{secrets.token_hex(4)}"

    def submit(self, jobs: Sequence[PointJob], task: Task, after: str | None) -> list[str]:
        """One array, or a plain job where there is but one."""
        from submitit import SlurmExecutor

        slurm = self._slurm
        given = {
            "partition": slurm.partition,
            "account": slurm.account,
            "qos": slurm.qos,
            "constraint": slurm.constraint,
            "gpus_per_node": int(task.gpus) if task.gpus else None,
            "mem": f"{math.ceil(task.memory * 1024)}M" if task.memory is not None else None,
            # Of all elements of the array. What is over its time limit requeues itself, and ends only when it is done.
            "dependency": f"afterany:{after.partition('_')[0]}" if after is not None else None,
        }
        with _orderly(task.directory) as folder:
            executor = SlurmExecutor(folder / self._folder, max_num_timeout=_REQUEUES, python=_python())
            executor.update_parameters(
                job_name=_job_name(task.directory),
                time=slurm.minutes,
                signal_delay_s=_time_to_save(slurm.minutes),
                cpus_per_task=task.threads,
                # Newer versions of srun do not take this from the job.
                srun_args=[f"--cpus-per-task={task.threads}"],
                array_parallelism=self._jobs or len(jobs),
                wckey=None,  # submitit would name itself, and a cluster that checks such keys refuse it
                additional_parameters={"requeue": True},
                **{name: value for name, value in given.items() if value is not None},
            )
            return [str(job.job_id) for job in executor.submit_array(jobs)]

    def ask(self, jobs: Sequence[str]) -> dict[str, str]:
        """By sacct or squeue."""
        return slurm_queue.ask(jobs)

    def cancel(self, jobs: Sequence[str], *, only_waiting: bool) -> None:
        """By scancel."""
        slurm_queue.cancel(jobs, only_waiting=only_waiting)

    def log(self, directory: Path, job: str) -> Path:
        """In the folder of this sweep's process."""
        return directory / FOLDER / self._folder / f"{job}_0_log.err"

    def abandon(self, jobs: Sequence[str]) -> None:
        """They are cancelled, and Slurm sees to it."""

    def close(self) -> None:
        """Nothing is left to do."""


class LocalCluster:
    """Processes of this machine, one beside each run, which keep the time limit and requeue it as Slurm would.

    Raises:
        LauncherError: submitit is not installed.
    """

    grace = 1.0
    pause = 0.5
    assigns_gpus = False

    def __init__(self, slurm: Slurm) -> None:
        require_submitit()
        self._slurm = slurm
        self._known: dict[str, Any] = {}
        # A job is called by its process's number here, and after a restart of the machine that may come again.
        self._folder = f"local-{secrets.token_hex(4)}"

    def submit(self, jobs: Sequence[PointJob], task: Task, after: str | None) -> list[str]:
        """Start a process each."""
        from submitit import LocalExecutor

        with _orderly(task.directory) as folder:
            executor = LocalExecutor(folder / self._folder, max_num_timeout=_REQUEUES, python=_python())
            # No GPUs are asked for: submitit would give the same ones to all, so the launcher hands them out.
            executor.update_parameters(
                timeout_min=self._slurm.minutes, signal_delay_s=_time_to_save(self._slurm.minutes)
            )
            new = {str(job.job_id): job for job in executor.submit_array(jobs)}
        self._known |= new
        return list(new)

    def ask(self, jobs: Sequence[str]) -> dict[str, str]:
        """Whether the process lives."""
        return {job: slurm_queue.GONE if self._known[job].done() else "RUNNING" for job in jobs}

    def cancel(self, jobs: Sequence[str], *, only_waiting: bool) -> None:
        """Each reads its order, and a signal of submitit's would kill it before its run has saved."""

    def log(self, directory: Path, job: str) -> Path:
        """In the folder of this sweep's process."""
        return directory / FOLDER / self._folder / f"{job}_0_log.err"

    def abandon(self, jobs: Sequence[str]) -> None:
        """Kill the process beside the run, whose order stands."""
        for job in jobs:
            if not self._known[job].done():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(job), signal.SIGKILL)

    def close(self) -> None:
        """Wait for the processes beside the runs, which take a moment to notice the end."""
        deadline = time.monotonic() + _LAST_MOMENTS
        while not all(job.done() for job in self._known.values()) and time.monotonic() < deadline:
            time.sleep(_MOMENT)


def require_submitit() -> None:
    """Import it, and keep its log off the terminal.

    Raises:
        LauncherError: it is not installed.
    """
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise LauncherError("the launcher slurm needs submitit: pip install 'centerloss[slurm]'") from None
    logging.getLogger("submitit").setLevel(logging.CRITICAL + 1)


@contextlib.contextmanager
def _orderly(directory: Path) -> Iterator[Path]:
    """Submit in this block, with submitit's files in the folder that it yields.

    Ctrl-C and a closed terminal wait until it is over, so that every job that was taken is known. The processes
    that it starts do not hear of them at all: the sweep does, and tells them.

    Raises:
        LauncherError: the jobs were refused.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    folder = directory / FOLDER
    # Slurm and submitit would put numbers in the place of some, and a line break would end a line of the script.
    if re.search(r"[\x00-\x1f\x7f%\\]", str(directory)):
        raise LauncherError(
            f"the path of a sweep under Slurm must have no %, \\ or line break in it; received {str(directory)!r}"
        )
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        with _environment_of_a_job():
            yield folder
    except (FailedJobError, FailedSubmissionError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = (lines or ["it did not say why"])[-1].removeprefix("sbatch: error: ")
        raise LauncherError(
            f"Slurm did not take the jobs: {said}; check sweep.slurm and sweep.resources"
        ) from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@contextlib.contextmanager
def _environment_of_a_job() -> Iterator[None]:
    """Let what is started in this block inherit an environment that is fit for a job."""
    # Of the job that the sweep itself may run in: it must not decide on the memory and cores of others.
    own = [name for name in os.environ if name.startswith(_OF_A_JOB) and name not in _OF_THE_CLUSTER]
    # What lies in the user's folder must not be imported.
    earlier = {name: os.environ.pop(name, None) for name in [*own, "PYTHONSAFEPATH"]}
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTHONSAFEPATH"]
        os.environ.update({name: value for name, value in earlier.items() if value is not None})


def _python() -> str:
    """The command of a job: this interpreter and this code, also from a checkout that is not installed."""
    return shlex.join(
        ["env", *(f"{name}={value}" for name, value in import_path().items()), sys.executable, "-P"]
    )


def _time_to_save(minutes: int) -> int:
    """Seconds before the time limit at which a run is told to save."""
    return min(_TIME_TO_SAVE, 30 * minutes)


def _job_name(directory: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", directory.name)[:_LONGEST_NAME] or "sweep"
