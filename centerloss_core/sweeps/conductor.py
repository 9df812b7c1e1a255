"""Starts the processes of a sweep, watches them and collects what they leave."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from centerloss_core.atomic import clear_temporaries, new_file
from centerloss_core.interrupts import InterruptedRunError, StopRequest
from centerloss_core.locks import DirectoryLock
from centerloss_core.provenance import provenance
from centerloss_core.runs import is_completed, new_directory, read_json, take_over
from centerloss_core.sweeps.grid import Point, read_points, refuse_other_points, write_points
from centerloss_core.sweeps.processes import collect, log_path, start
from centerloss_core.sweeps.states import PointState
from centerloss_core.sweeps.summary import SUMMARY, write_summary

_POLL_SECONDS = 0.25

ShowStates = Callable[[Sequence[PointState]], None]


def run_sweep(
    points: Sequence[Point],
    directory: Path,
    document_text: str,
    *,
    jobs: int = 1,
    retries: int = 0,
    show: ShowStates = lambda _: None,
) -> list[PointState]:
    """Train every point, `jobs` at a time; one that fails does not stop the others.

    Args:
        points: from `plan`.
        directory: the sweep directory, which must not exist yet.
        document_text: the config file, kept as `sweep.yaml`.
        jobs: processes at a time; they share the cores.
        retries: how often a point that failed is taken up again; one that diverged would diverge again and is not.
        show: called a few times a second with the state of all points.

    Raises:
        RunError: the directory exists or cannot be made.
        InterruptedRunError: Ctrl-C or SIGTERM; running points have saved their state.
    """
    states = [PointState(point, directory / point.name) for point in points]
    origin = provenance()
    with new_directory(directory) as folder:
        log_path(folder, "").parent.mkdir()
        with new_file(folder / "sweep.yaml") as file:
            file.write(document_text.encode())
        write_points(folder, points)
        write_summary(folder, states, origin)
        lock = DirectoryLock(folder)
    with lock.moved_to(directory):
        return _Conductor(states, directory, origin, jobs, retries, show).conduct()


def resume_sweep(
    directory: Path,
    *,
    asked: Sequence[Point] | None = None,
    jobs: int = 1,
    retries: int = 0,
    show: ShowStates = lambda _: None,
) -> list[PointState]:
    """Train the points that are missing, interrupted or failed, from where they stopped; leave the others untouched.

    Args:
        directory: the sweep directory.
        asked: the points that somebody thinks it has.
        jobs, retries, show: as for `run_sweep`.

    Raises:
        RunError: it is not a sweep, or cannot be written.
        InUseError: its process has not ended.
        ChangedError: `asked` are not its points.
        InterruptedRunError: as for `run_sweep`.
    """
    points = read_points(directory)
    if asked is not None:
        refuse_other_points(directory, points, asked)
    with take_over(directory):
        clear_temporaries(directory)
        summary = read_json(directory / SUMMARY)
        origin = {key: value for key, value in summary.items() if key not in ("format", "runs")}
        states = [PointState(point, directory / point.name) for point in points]
        for state in states:
            if is_completed(state.path):
                state.status = "completed"
        return _Conductor(states, directory, origin, jobs, retries, show).conduct()


class _Conductor:
    """One pass over the points that are waiting."""

    def __init__(
        self,
        states: Sequence[PointState],
        directory: Path,
        origin: Mapping[str, Any],
        jobs: int,
        retries: int,
        show: ShowStates,
    ) -> None:
        self._states = states
        self._directory = directory
        self._origin = origin
        self._retries = retries
        self._show = show
        self._jobs = max(1, min(jobs, len(self._in_status("waiting"))))
        self._stopping = False

    def conduct(self) -> list[PointState]:
        """Start, watch and collect until nothing waits or runs."""
        with StopRequest() as stop:
            try:
                self._write_summary()
                while self._in_status("waiting", "running") and not (self._stopping and not self._running()):
                    self._collect()
                    if stop.signal_number is not None and not self._stopping:
                        self._stopping = True
                        for state in self._running():
                            assert state.process is not None
                            state.process.send_signal(stop.signal_number)
                    self._start()
                    self._show(self._states)
                    self._wait_a_moment()
            finally:
                self._end_children()
                self._write_summary()
        if stop.signal_number is not None:
            done = len(self._in_status("completed"))
            error = InterruptedRunError(
                stop.signal_number, f"stopped with {done} of {len(self._states)} points completed"
            )
            error.add_note(f"go on with it: cl sweep --resume {shlex.quote(str(self._directory))}")
            raise error
        return list(self._states)

    def _wait_a_moment(self) -> None:
        """Until the first process ends, or it is time to show how things stand."""
        for state in self._running()[:1]:
            assert state.process is not None
            with contextlib.suppress(subprocess.TimeoutExpired):
                state.process.wait(_POLL_SECONDS)

    def _running(self) -> list[PointState]:
        return [state for state in self._states if state.process is not None]

    def _in_status(self, *statuses: str) -> list[PointState]:
        return [state for state in self._states if state.status in statuses]

    def _start(self) -> None:
        if self._stopping:
            return
        for state in self._in_status("waiting")[: self._jobs - len(self._running())]:
            start(state, self._directory, self._jobs)
            self._write_summary()

    def _collect(self) -> None:
        for state in self._running():
            if not collect(state, self._directory, stopping=self._stopping):
                continue
            may_try_again = state.starts <= self._retries and not (state.reason or "").startswith(
                "DivergedError"
            )
            if state.status == "failed" and may_try_again and not self._stopping:
                state.status = "waiting"
            self._write_summary()

    def _end_children(self) -> None:
        """Leave no process behind, also when the sweep itself fails or is stopped a second time."""
        for state in self._running():
            assert state.process is not None
            state.process.kill()
            state.process.wait()
            collect(state, self._directory, stopping=True)

    def _write_summary(self) -> None:
        write_summary(self._directory, self._states, self._origin)
