"""Whole commands, as a person would start them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sections import ROOT

PYTHON = (sys.executable, "-P")
CL = (*PYTHON, "-m", "cli")
_POLL_SECONDS = 0.002


@dataclass(frozen=True)
class Finished:
    """How a command ended.

    Attributes:
        seconds: from its start to its end.
        peak_mib: the most memory that it held itself, without its children; None where the system does not tell.
    """

    seconds: float
    peak_mib: float | None


def run(command: Sequence[str], directory: Path, *, expected: int = 0) -> Finished:
    """Run a command to its end in `directory`; raise RuntimeError with its output if its exit code is another."""
    log = directory / "command.log"
    with log.open("wb") as output:
        began = time.perf_counter()
        process = _start(command, directory, output.fileno())
        peak = _wait(process)
        seconds = time.perf_counter() - began
    if process.returncode != expected:
        raise RuntimeError(
            f"{' '.join(command)} ended with {process.returncode}:\n{log.read_text(errors='replace')[-2000:]}"
        )
    return Finished(seconds, peak)


def seconds_until_written(command: Sequence[str], directory: Path, file: Path) -> float:
    """Start a command, return when there is something in `file`, and kill it."""
    began = time.perf_counter()
    process = _start(command, directory, subprocess.DEVNULL)
    try:
        while not (file.exists() and file.stat().st_size):
            if process.poll() is not None:
                raise RuntimeError(f"{' '.join(command)} ended before it wrote {file}")
            time.sleep(_POLL_SECONDS)
        return time.perf_counter() - began
    finally:
        process.kill()
        process.wait()


def _start(command: Sequence[str], directory: Path, output: int) -> subprocess.Popen[bytes]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]  # this checkout, whatever is installed
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.Popen(
        command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
    )


def _wait(process: subprocess.Popen[bytes]) -> float | None:
    """Wait for the end and return the peak of its memory in MiB."""
    if not hasattr(os, "wait4"):  # Windows
        process.wait()
        return None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
