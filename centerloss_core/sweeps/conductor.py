"""Starts the processes of a sweep, watches them and collects what they leave."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from centerloss_core.atomic import clear_temporaries, new_file
from centerloss_core.diagnosis import Warn
from centerloss_core.interrupts import InterruptedRunError, StopRequest
from centerloss_core.locks import DirectoryLock
from centerloss_core.provenance import provenance
from centerloss_core.runs import MANIFEST, RunError, new_directory, read_json, take_over
from centerloss_core.sweeps.grid import Point, fingerprint, read_points, refuse_other_points, write_points
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
    share = max(1, min(jobs, len(points)))
    origin = {**provenance(), "jobs": share, "points": fingerprint(points)}
    with new_directory(directory) as folder:
        log_path(folder, "").parent.mkdir()
        with new_file(folder / "sweep.yaml") as file:
            file.write(document_text.encode())
        write_points(folder, points)
        write_summary(folder, states, origin)
        lock = DirectoryLock(folder)
    with lock.moved_to(directory):
        return _Conductor(states, directory, origin, share, share, retries, show).conduct()


def resume_sweep(
    directory: Path,
    *,
    asked: Sequence[Point] | None = None,
    jobs: int | None = None,
    retries: int = 0,
    show: ShowStates = lambda _: None,
    warn: Warn = lambda _: None,
) -> list[PointState]:
    """Train the points that are missing, interrupted or failed, from where they stopped; leave the others untouched.

    Args:
        directory: the sweep directory.
        asked: the points that somebody thinks it has.
        jobs: at most as many processes at a time as the sweep was begun with, which is the default: each has the
            threads that it would have had, because the last bits of a result depend on their number.
        retries, show: as for `run_sweep`.
        warn: called with each warning.

    Raises:
        RunError: it is not a sweep, or cannot be written.
        InUseError: its process has not ended.
        ChangedError: `asked` are not its points.
        InterruptedRunError: as for `run_sweep`.
    """
    summary = _read_summary(directory, warn)
    points = read_points(directory, summary)
    if asked is not None:
        refuse_other_points(directory, points, asked)
    with take_over(directory):
        clear_temporaries(directory)
        origin = {
            key: value for key, value in (summary or provenance()).items() if key not in ("format", "runs")
        }
        origin["points"] = fingerprint(points)
        share = origin.get("jobs")
        if not isinstance(share, int) or share < 1:
            share = 1
        if jobs is not None and jobs > share:
            warn(
                f"{directory} was begun with --jobs {share}; more at a time would change the last bits of its results"
            )
        states = [PointState(point, directory / point.name) for point in points]
        for state in states:
            if state.manifest().get("status") == "completed":
                state.status = "completed"
            elif (state.path / MANIFEST).is_file() and not state.manifest():
                state.status, state.reason = (
                    "failed",
                    f"{state.path / MANIFEST} is damaged: remove {state.path}",
                )
        return _Conductor(
            states, directory, origin, min(jobs or share, share), share, retries, show
        ).conduct()


def read_sweep(directory: Path, warn: Warn = lambda _: None) -> list[Point]:
    """The points of a sweep; see `read_points`."""
    return read_points(directory, _read_summary(directory, warn))


def _read_summary(directory: Path, warn: Warn) -> dict[str, Any] | None:
    """`summary.json`, or None where it is lost: it follows from the directory, and is written anew."""
    try:
        return read_json(directory / SUMMARY)
    except RunError as error:
        if directory.is_dir() and any((directory / "points").glob("*.yaml")):
            warn(f"{error}; it is written anew")
        return None


class _Conductor:
    """One pass over the points that are waiting."""

    def __init__(
        self,
        states: Sequence[PointState],
        directory: Path,
        origin: Mapping[str, Any],
        jobs: int,
        share: int,
        retries: int,
        show: ShowStates,
    ) -> None:
        self._states = states
        self._directory = directory
        self._origin = origin
        self._jobs = jobs
        self._share = share
        self._retries = retries
        self._show = show
        self._stopping = False

    def conduct(self) -> list[PointState]:
        """Start, watch and collect until nothing waits or runs."""
        try:
            return self._conduct()
        except BaseException as error:
            error.add_note(f"go on with it: cl sweep --resume {shlex.quote(str(self._directory))}")
            raise

    def _conduct(self) -> list[PointState]:
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
            raise InterruptedRunError(
                stop.signal_number, f"stopped with {done} of {len(self._states)} points completed"
            )
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
            start(state, self._directory, self._share)
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
