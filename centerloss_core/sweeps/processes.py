"""The process of one point: `cl train`, in a directory and with a log of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from centerloss_core.devices import thread_limits
from centerloss_core.interrupts import LEASH
from centerloss_core.locks import InUseError
from centerloss_core.runs import MANIFEST, Run, RunError, read_manifest
from centerloss_core.sweeps.grid import config_path
from centerloss_core.sweeps.states import PointState


def start(state: PointState, directory: Path, jobs: int) -> None:
    """Start the process of a point: from where it stopped, or from its beginning."""
    if (state.path / MANIFEST).is_file():
        arguments = ["--resume", str(state.path)]
    else:
        arguments = ["--config", str(config_path(directory, state.point.name)), "--run-dir", str(state.path)]
    with log_path(directory, state.point.name).open("ab") as log:
        state.process = subprocess.Popen(
            # -P: what lies in the user's folder must not be imported in place of this program.
            [sys.executable, "-P", "-m", "cli", "train", *arguments, "--quiet"],
            stdin=subprocess.PIPE,  # nothing is ever written to it: it ends when this process does
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_import_path(), **thread_limits(jobs), LEASH: "1"},
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
    try:
        manifest = read_manifest(state.path)
    except RunError:
        state.status = "interrupted" if stopping else "failed"
        state.reason = _last_words(state, directory) if code > 0 else _exit_in_words(code)
        return True
    if manifest.get("status") == "running":  # it died without a word, or another process has the directory
        try:
            with Run.open(state.path) as run:
                if stopping:
                    run.finish("interrupted", reason="killed with the sweep")
                else:
                    run.finish("failed", reason=_exit_in_words(code))
                manifest = run.manifest
        except InUseError as error:
            manifest = {"status": "failed", "reason": str(error)}
    state.status, state.reason = str(manifest["status"]), manifest.get("reason")
    return True


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


def _exit_in_words(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"its process ended with {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"


def _last_words(state: PointState, directory: Path) -> str:
    lines = log_path(directory, state.point.name).read_text(encoding="utf-8", errors="replace").split("\n")
    # The line before "go on with it: …", which is an advice and no reason.
    lines = [line.strip() for line in lines if line.strip() and not line.startswith("go on with it")]
    return lines[-1] if lines else "its process ended without a word"
