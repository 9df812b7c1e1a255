"""A Slurm cluster, or processes of this machine that behave like its jobs; both by way of submitit."""

from __future__ import annotations

import logging
import math
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from centerloss_core.config import Slurm
from centerloss_core.interrupts import signals_blocked
from centerloss_core.sweeps.launchers.child import environment, import_path
from centerloss_core.sweeps.launchers.launcher import Ending, LauncherError, lines_of
from centerloss_core.sweeps.launchers.slurm_job import PointJob
from centerloss_core.sweeps.launchers.slurm_notes import FOLDER

_REQUEUES = 100  # at the time limit; a run saves each time, and so makes progress
_TIME_TO_SAVE = 90  # seconds before the time limit
_LONGEST_NAME = 64
_OF_A_JOB, _OF_THE_CLUSTER = ("SLURM_", "SLURMD_", "SRUN_"), ("SLURM_CONF", "SLURM_CLUSTERS")
_LAST_MOMENTS, _MOMENT = 5.0, 0.02  # seconds
GONE = "GONE"  # our own state of a job that Slurm no longer knows
_COMMAND_SECONDS = 30  # that a command may take; a busy controller answers late
# What a job has come to that has ended, unless Slurm is about to requeue it.
ENDS = {
    "COMPLETED": "its job ended without a message",
    "FAILED": "its job failed",
    "CANCELLED": "its job was cancelled",
    "REVOKED": "its job was cancelled",
    "OUT_OF_MEMORY": "its job ran out of memory: raise sweep.resources.memory",
    "TIMEOUT": "its job was over its time limit: raise sweep.slurm.minutes",
    "DEADLINE": "its job was over its deadline",
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node did not start",
    "LAUNCH_FAILED": "its job could not be launched",
    "PREEMPTED": "its job was preempted",
    GONE: "its job ended without a message",
}
_LOST = ("NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "LAUNCH_FAILED")


class SlurmCluster:
    """Takes jobs, tells their state and cancels them.

    Args:
        slurm: the options of the jobs.
        jobs: at a time; None: no limit.
        gpus, memory: of each, in GiB; None: as the cluster likes.

    Attributes:
        pause: seconds between two questions for the states of jobs.
        grace: seconds in which a job that has ended may yet be requeued, or its note yet appear; longer than `pause`.

    Raises:
        LauncherError: submitit or Slurm is not installed here.
    """

    pause = 30.0
    grace = 45.0
    _kind = "jobs"
    _commands: tuple[str, ...] = ("sbatch", "srun")

    def __init__(self, slurm: Slurm, jobs: int | None, gpus: float | None, memory: float | None) -> None:
        try:
            import submitit  # noqa: F401
        except ImportError:
            raise LauncherError(
                "the launcher slurm needs submitit: pip install 'centerloss[slurm]'"
            ) from None
        logging.getLogger("submitit").setLevel(logging.CRITICAL + 1)
        for command in self._commands:
            if shutil.which(command) is None:
                raise LauncherError(
                    f"there is no {command} on this machine: run this where Slurm is, "
                    "or set sweep.slurm.cluster to local to try it out here"
                )
        self._slurm = slurm
        self._jobs = jobs
        self._gpus, self._memory = gpus, memory
        # A job unpickles what lies in the folder under its number, and Slurm follows a link where it logs: other
        # people could put such files into a folder with a known name. On one machine, numbers of processes come again.
        self._folder = f"{self._kind}-{secrets.token_hex(4)}"
        self._submitted: dict[str, Any] = {}

    def submit(self, jobs: Sequence[PointJob], after: str | None) -> list[str]:
        """Submit jobs of one sweep; return their names. None starts before `after` ended.

        Ctrl-C and a closed terminal take effect after it, so that every accepted job is known. They do not reach the
        processes that it starts: the sweep passes them on.

        Raises:
            LauncherError: Slurm refused the jobs.
        """
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        directory = jobs[0].task.directory
        # Of the job that the sweep itself may run in, whose memory and cores are not those of its points.
        own = [name for name in os.environ if name.startswith(_OF_A_JOB) and name not in _OF_THE_CLUSTER]
        # PYTHONSAFEPATH: nothing in the user's folder may be imported.
        variables = dict.fromkeys(own) | {"PYTHONSAFEPATH": "1"}
        try:
            with signals_blocked(signal.SIGINT, signal.SIGHUP), environment(variables):
                executor = self._executor(directory / FOLDER / self._folder, jobs, after)
                new = {str(job.job_id): job for job in executor.submit_array(jobs)}
        except (FailedJobError, FailedSubmissionError) as error:
            said = lines_of(error)[-1].removeprefix("sbatch: error: ")
            raise LauncherError(
                f"Slurm did not take the jobs: {said}; check sweep.slurm and sweep.resources"
            ) from None
        self._submitted |= new
        return list(new)

    def _executor(self, folder: Path, jobs: Sequence[PointJob], after: str | None) -> Any:
        from submitit import SlurmExecutor

        slurm, task = self._slurm, jobs[0].task
        given = {
            **slurm.model_dump(include={"partition", "account", "qos", "constraint"}),
            "gpus_per_node": int(self._gpus) if self._gpus else None,
            "mem": f"{math.ceil(self._memory * 1024)}M" if self._memory is not None else None,
            # Of the whole array. A job at its time limit requeues itself, and ends only when its run is done.
            "dependency": f"afterany:{after.partition('_')[0]}" if after is not None else None,
        }
        executor = SlurmExecutor(folder, max_num_timeout=_REQUEUES, python=_python())
        executor.update_parameters(
            job_name=re.sub(r"[^A-Za-z0-9_.-]", "_", task.directory.name)[:_LONGEST_NAME] or "sweep",
            time=slurm.minutes,
            signal_delay_s=_time_to_save(slurm.minutes),
            cpus_per_task=task.threads,
            srun_args=[f"--cpus-per-task={task.threads}"],  # newer versions do not take it from the job
            array_parallelism=self._jobs or len(jobs),
            wckey=None,  # submitit would name itself, which a cluster that checks such keys refuses
            additional_parameters={"requeue": True},
            **{name: value for name, value in given.items() if value is not None},
        )
        return executor

    def ask(self, jobs: Sequence[str]) -> dict[str, str]:
        """The state of each job, in Slurm's words, as far as it tells.

        `sacct` knows why a job ended, but not every cluster keeps accounts; `squeue` forgets a job some minutes after
        its end. Where neither answers, the result is empty.
        """
        arrays = ",".join(sorted({job.partition("_")[0] for job in jobs}))
        if (text := _output("sacct", "-o", "JobID,State", "--parsable2", "-j", arrays)) is not None:
            return _states(text)
        text = _output(
            "squeue", "--noheader", "--array", "--states=all", "--format=%i|%T", f"--jobs={arrays}"
        )
        return {} if text is None else dict.fromkeys(jobs, GONE) | _states(f"JobID|State\n{text}")

    def cancel(self, jobs: Sequence[str], *, only_waiting: bool) -> None:
        """Cancel jobs, or those of them that have not started."""
        _output("scancel", *(["--state=PENDING"] if only_waiting else []), *jobs)

    def ending(self, state: str, directory: Path, job: str) -> Ending:
        """The ending of a job that left no note, from its final state; what the job itself printed may say more."""
        log = directory / FOLDER / self._folder / f"{job}_0_log.err"
        hint = f", see {log}" if state in ("FAILED", "COMPLETED", GONE) else ""
        return Ending(None, ENDS[state] + hint, lost=state in _LOST)

    def close(self) -> None:
        """All jobs have ended, or were given up."""


class LocalCluster(SlurmCluster):
    """Processes of this machine, one beside each run, which keep the time limit and requeue it as Slurm would.

    They are not cancelled: each reads its order, and a signal of submitit's would kill it before its run has saved.
    """

    pause = 0.5
    grace = 1.0
    _kind = "local"
    _commands = ()

    def _executor(self, folder: Path, jobs: Sequence[PointJob], after: str | None) -> Any:
        from submitit import LocalExecutor

        minutes = self._slurm.minutes
        executor = LocalExecutor(folder, max_num_timeout=_REQUEUES, python=_python())
        executor.update_parameters(timeout_min=minutes, signal_delay_s=_time_to_save(minutes))
        return executor

    def ask(self, jobs: Sequence[str]) -> dict[str, str]:
        return {job: GONE if self._submitted[job].done() else "RUNNING" for job in jobs}

    def cancel(self, jobs: Sequence[str], *, only_waiting: bool) -> None:
        pass

    def close(self) -> None:
        """Wait for the processes beside the runs, which take a moment to notice the end."""
        deadline = time.monotonic() + _LAST_MOMENTS
        while not all(job.done() for job in self._submitted.values()) and time.monotonic() < deadline:
            time.sleep(_MOMENT)


def _python() -> str:
    """The command of a job: this interpreter and this code, also from a checkout that is not installed."""
    return shlex.join(
        ["env", *(f"{name}={value}" for name, value in import_path().items()), sys.executable, "-P"]
    )


def _time_to_save(minutes: int) -> int:
    """Seconds before the time limit at which a run is told to save."""
    return min(_TIME_TO_SAVE, 30 * minutes)


def _states(text: str) -> dict[str, str]:
    from submitit.slurm.slurm import SlurmInfoWatcher

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a name that it cannot read
        try:
            said = SlurmInfoWatcher().read_info(text)
        except (KeyError, ValueError):  # an error message instead of a table
            return {}
    # Such as "CANCELLED by 1000".
    return {job: row["State"].split()[0] for job, row in said.items() if row.get("State")}


def _output(*command: str) -> str | None:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_COMMAND_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
