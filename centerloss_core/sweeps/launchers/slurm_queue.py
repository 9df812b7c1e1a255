"""Slurm's own commands: the states of jobs, and how jobs are cancelled."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path

from centerloss_core.sweeps.launchers.launcher import Ending

GONE = "GONE"  # our own state of a job that Slurm no longer knows
_SECONDS = 30  # that a command may take; a busy controller answers late
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


def ending_in(state: str, log: Path) -> Ending:
    """The ending of a job that left no note.

    Args:
        state: a final one.
        log: of the job, which may say more.
    """
    hint = f", see {log}" if state in ("FAILED", "COMPLETED", GONE) else ""
    return Ending(None, ENDS[state] + hint, lost=state in _LOST)


def ask(jobs: Sequence[str]) -> dict[str, str]:
    """The state of each job, as far as Slurm tells.

    `sacct` knows why a job ended, but not every cluster keeps accounts; `squeue` forgets a job some minutes after its
    end. Where neither answers, the result is empty.
    """
    arrays = ",".join(sorted({job.partition("_")[0] for job in jobs}))
    text = _output("sacct", "-o", "JobID,State", "--parsable2", "-j", arrays)
    if text is not None:
        return _states(text)
    text = _output("squeue", "--noheader", "--array", "--states=all", "--format=%i|%T", f"--jobs={arrays}")
    return {} if text is None else dict.fromkeys(jobs, GONE) | _states(f"JobID|State\n{text}")


def cancel(jobs: Sequence[str], *, only_waiting: bool) -> None:
    """Cancel jobs, or those of them that have not started."""
    _output("scancel", *(["--state=PENDING"] if only_waiting else []), *jobs)


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
            command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
