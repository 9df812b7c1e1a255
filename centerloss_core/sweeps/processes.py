"""The process of one point: `cl train`, in a directory and with a log of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from centerloss_core.devices import thread_limits
from centerloss_core.errors import ExpectedError
from centerloss_core.interrupts import LEASH
from centerloss_core.locks import InUseError
from centerloss_core.runs import MANIFEST, Run
from centerloss_core.sweeps.grid import config_path
from centerloss_core.sweeps.states import PointState


def start(state: PointState, directory: Path, share: int) -> None:
    """Start the process of a point, with one of `share` shares of the cores: from where it stopped, or anew."""
    if (state.path / MANIFEST).is_file():
        arguments = ["--resume", str(state.path)]
    else:
        arguments = ["--config", str(config_path(directory, state.point.name)), "--run-dir", str(state.path)]
    state.manifest_before = state.manifest()
    with log_path(directory, state.point.name).open("ab") as log:
        state.process = subprocess.Popen(
            # -P: what lies in the user's folder must not be imported in place of this program.
            [sys.executable, "-P", "-m", "cli", "train", *arguments, "--quiet"],
            stdin=subprocess.PIPE,  # nothing is ever written to it: it ends when this process does
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_import_path(), **thread_limits(share), LEASH: "1"},
            start_new_session=True,  # Ctrl-C reaches the sweep alone, which passes it on once
        )
    state.status, state.reason = "running", None
    state.starts += 1


def collect(state: PointState, directory: Path, *, stopping: bool) -> bool:
    """Take note of a process that has ended; return whether it had."""
    if state.process is None or (code := state.process.poll()) is None:
        return False
    if state.process.stdin is not None:
        state.process.stdin.close()
    state.process = None
    manifest = state.manifest()
    if not manifest or (
        code != 0 and manifest == state.manifest_before
    ):  # it ended before it came to its run
        state.status = "interrupted" if stopping else "failed"
        state.reason = _in_words(code, stopping=stopping) if code <= 0 else _last_words(state, directory)
        return True
    status, reason = manifest.get("status"), manifest.get("reason")
    if status == "running":  # it died without a word, or another process has the directory
        status, reason = "interrupted" if stopping else "failed", _in_words(code, stopping=stopping)
        try:
            with Run.open(state.path) as run:
                run.finish("interrupted" if stopping else "failed", reason=reason)
        except InUseError as error:
            status, reason = "failed", str(error)
        except (OSError, ExpectedError):  # a full disk; that the process has ended is what its lock tells
            pass
    state.status = str(status) if status in _ENDS else "failed"
    state.reason = reason if reason is None or isinstance(reason, str) else str(reason)
    return True


_ENDS = ("completed", "failed", "interrupted")


def log_path(directory: Path, name: str) -> Path:
    """Where what the process of a point prints is kept."""
    return directory / "logs" / f"{name}.log"


def _import_path() -> dict[str, str]:
    """Let the points run the same code as the sweep, also from a checkout that is not installed."""
    home = Path(__file__).resolve().parent.parent.parent
    if home.is_relative_to(sys.prefix):
        return {}
    earlier = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(home), *([earlier] if earlier else [])])}


def _in_words(code: int, *, stopping: bool) -> str:
    if stopping:
        return "stopped with the sweep"
    if code >= 0:
        return f"its process ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"its process ended with {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"


def _last_words(state: PointState, directory: Path) -> str:
    """What the process said last: its error, or its last line."""
    text = log_path(directory, state.point.name).read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or ["its process ended without a word"])[-1]
