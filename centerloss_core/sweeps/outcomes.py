"""The status of a point that has ended, from how it ended and from its run directory."""

from __future__ import annotations

import signal

from centerloss_core.errors import ExpectedError
from centerloss_core.limits import LAST_WORDS, MACHINE_LOSSES
from centerloss_core.run_directory.lock import InUseError
from centerloss_core.run_directory.writer import Run
from centerloss_core.sweeps.launchers.launcher import Ending
from centerloss_core.sweeps.layout import log_path
from centerloss_core.sweeps.states import PointState

_ENDS = ("completed", "failed", "interrupted")
_NO_MEMORY = ("cannot allocate memory", "bad_alloc", "out of memory", "memoryerror", "resource_exhausted")


def take_note(state: PointState, ending: Ending, *, stopping: bool) -> None:
    """Set the status of a point that has ended."""
    never_ran = state.place is None
    state.started = None
    state.status, state.reason = _status_after(state, ending, stopping=stopping)
    if ending.lost and state.status != "completed" and not stopping:
        state.losses += 1
        if state.losses <= MACHINE_LOSSES:
            state.status = "waiting"
    if stopping and never_ran and not state.manifest():
        state.status, state.reason = "waiting", None


def _status_after(state: PointState, ending: Ending, *, stopping: bool) -> tuple[str, str | None]:
    manifest = state.manifest()
    ended_badly = "interrupted" if stopping else "failed"
    said_why = ending.code is not None and ending.code > 0
    if not manifest or (ending.code != 0 and not state.reached_its_run):
        words = _last_words(state) if said_why else None
        return ended_badly, words or _in_words(state, ending, stopping=stopping)
    status, reason = manifest.get("status"), manifest.get("reason")
    if status == "running":  # it was killed, or another process has the directory
        words = _last_words(state) if said_why and not stopping else None
        status, reason = ended_badly, words or _in_words(state, ending, stopping=stopping)
        if ending.lost:  # it may still be saving, and is resumed in any case
            return ended_badly, reason
        try:
            with Run.open(state.path) as run:
                run.finish("interrupted" if stopping else "failed", reason=reason)
        except InUseError as error:
            return "failed", str(error)
        except (OSError, ExpectedError):  # a full disk; its lock tells that the process has ended
            pass
    elif status == "interrupted" and ending.reason is not None and not stopping:
        reason = f"{ending.reason} ({reason})"  # what stopped it
    return (
        str(status) if status in _ENDS else "failed",
        reason if reason is None or isinstance(reason, str) else str(reason),
    )


def _in_words(state: PointState, ending: Ending, *, stopping: bool) -> str:
    if stopping:
        return "stopped with the sweep"
    if ending.reason is not None or ending.code is None:
        return ending.reason or "its launcher does not know how it ended"
    if ending.code == -signal.SIGKILL:  # its log cannot say why
        return "its process ended with SIGKILL (out of memory?)"
    how = f"exit code {ending.code}" if ending.code >= 0 else _signal_name(-ending.code)
    last = (state.logged_since_start() or [""])[-1][:LAST_WORDS]
    memory = " (out of memory?)" if any(sign in last.lower() for sign in _NO_MEMORY) else ""
    return f"its process ended with {how}{memory}{'; its log.txt ends with: ' * bool(last)}{last}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time one
        return f"signal {number}"


def _last_words(state: PointState) -> str | None:
    """What the process said last: its error, or its last line; None if it said nothing."""
    lines = state.printed_since_start()
    errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if not errors:
        return lines[-1] if lines else None
    words = lines[errors[-1]].removeprefix("error: ")
    if errors[-1] + 1 < len(lines):
        words += f" … (all of it: {log_path(state.path.parent, state.path.name)})"
    return words
