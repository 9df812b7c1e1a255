"""Has the points of a sweep launched, watches them and collects what they leave."""

from __future__ import annotations

import contextlib
import shlex
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from centerloss_core.atomic import clear_temporaries, new_file
from centerloss_core.config import Resources, Slurm
from centerloss_core.devices import threads_of_this_process
from centerloss_core.diagnosis import Warn
from centerloss_core.interrupts import InterruptedRunError, StopRequest
from centerloss_core.locks import DirectoryLock
from centerloss_core.provenance import provenance
from centerloss_core.runs import (
    MANIFEST,
    RunError,
    new_directory,
    read_json,
    refuse_another_format,
    take_over,
)
from centerloss_core.sweeps.endings import take_note
from centerloss_core.sweeps.grid import Point, fingerprint, read_points, refuse_other_points, write_points
from centerloss_core.sweeps.launchers import Launch, Launcher, Task, log_path, open_launcher
from centerloss_core.sweeps.states import PointState
from centerloss_core.sweeps.summary import SUMMARY, write_summary

_POLL_SECONDS = 0.25
# A point that starts or ends is noted at once, but the summary of a thousand points is not written for each of them.
_BETWEEN_SUMMARIES = 1.0

ShowStates = Callable[[Sequence[PointState]], None]


def run_sweep(
    points: Sequence[Point],
    directory: Path,
    document_text: str,
    *,
    launch: Launch = Launch(),
    retries: int = 0,
    fail_fast: bool = False,
    show: ShowStates = lambda _: None,
) -> list[PointState]:
    """Train every point; one that fails does not stop the others.

    Args:
        points: from `plan`.
        directory: the sweep directory, which must not exist yet.
        document_text: the config file, kept as `sweep.yaml`.
        launch: by what, how many at a time, and with which resources. Default: one at a time, on this machine.
        retries: how often a point that failed is taken up again; one that diverged would diverge again and is not.
        fail_fast: stop all others, as Ctrl-C would, when a point has failed for good.
        show: called a few times a second with the state of all points.

    Raises:
        RunError: the directory exists or cannot be made.
        LauncherError: the launcher is not there; nothing was made.
        InterruptedRunError: Ctrl-C or SIGTERM; running points have saved their state.
    """
    launch = replace(launch, launcher=launch.launcher or "local")
    if launch.launcher == "local":
        launch = replace(launch, jobs=min(launch.jobs or 1, len(points)))
    states = [PointState(point, directory / point.name) for point in points]
    origin = {**provenance(), **_record(launch, launch.threads), "points": fingerprint(points)}
    launcher = open_launcher(launch, launch.threads)
    with new_directory(directory) as folder:
        log_path(folder, "").parent.mkdir()
        with new_file(folder / "sweep.yaml") as file:
            file.write(document_text.encode())
        write_points(folder, points)
        write_summary(folder, states, origin)
        lock = DirectoryLock(folder)
    with lock.moved_to(directory):
        return _Conductor(states, directory, origin, launch, launcher, retries, fail_fast, show).conduct()


def resume_sweep(
    directory: Path,
    *,
    asked: Sequence[Point] | None = None,
    launch: Launch = Launch(),
    retries: int = 0,
    fail_fast: bool = False,
    show: ShowStates = lambda _: None,
    warn: Warn = lambda _: None,
) -> list[PointState]:
    """Train the points that are missing, interrupted or failed, from where they stopped; leave the others untouched.

    Args:
        directory: the sweep directory.
        asked: the points that somebody thinks it has.
        launch: what differs from how it was begun. Each point has the threads that it would have had, whatever
            launches it, because the last bits of a result depend on their number.
        retries, fail_fast, show: as for `run_sweep`.
        warn: called with each warning.

    Raises:
        RunError: it is not a sweep, or cannot be written.
        InUseError: its process has not ended.
        ChangedError: `asked` are not its points.
        LauncherError, InterruptedRunError: as for `run_sweep`.
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
        states = [PointState(point, directory / point.name) for point in points]
        launch, threads = _as_begun(origin, launch, states)
        origin |= {**_record(launch, threads), "points": origin.get("points", fingerprint(points))}
        log_path(directory, "").parent.mkdir(exist_ok=True)
        for state in states:
            if state.manifest().get("status") == "completed":
                state.status = "completed"
            elif (state.path / MANIFEST).is_file() and not state.manifest():
                state.status, state.reason = (
                    "failed",
                    f"{state.path / MANIFEST} is damaged: remove {state.path}",
                )
        launcher = open_launcher(launch, threads)
        return _Conductor(states, directory, origin, launch, launcher, retries, fail_fast, show).conduct()


def _record(launch: Launch, threads: int) -> dict[str, Any]:
    """What `summary.json` keeps, so that the sweep can be resumed as it was begun."""
    return {
        "launcher": launch.launcher,
        "jobs": launch.jobs,
        "threads": threads,
        "resources": (launch.resources or Resources()).model_dump(),
        "slurm": (launch.slurm or Slurm()).model_dump(),
    }


def _as_begun(origin: Mapping[str, Any], asked: Launch, states: Sequence[PointState]) -> tuple[Launch, int]:
    """What was asked for, completed by how the sweep was begun, and the threads of a point."""
    begun = origin.get("launcher")
    begun = begun if begun in ("local", "ray", "slurm") else "local"
    jobs = origin.get("jobs")
    jobs = jobs if isinstance(jobs, int) and jobs >= 1 else None
    # Where the summary is lost, the points that were begun know it.
    known = (origin.get("threads"), *(state.manifest().get("threads") for state in states))
    threads = next((each for each in known if isinstance(each, int) and each >= 1), None)
    if threads is None:
        threads = max(1, threads_of_this_process() // (jobs or asked.jobs or 1))
    try:
        resources = Resources.model_validate(origin.get("resources", {}))
        slurm = Slurm.model_validate(origin.get("slurm", {}))
    except ValidationError:  # edited by hand: what it asked for is not known
        resources, slurm = Resources(), Slurm()
    launcher = asked.launcher or begun
    return (
        Launch(
            launcher=launcher,
            jobs=asked.jobs or (jobs if launcher == begun else None),
            resources=asked.resources or resources,
            ray_address=asked.ray_address,
            slurm=asked.slurm or slurm,
        ),
        threads,
    )


def read_sweep(directory: Path, warn: Warn = lambda _: None) -> list[Point]:
    """The points of a sweep; see `read_points`."""
    return read_points(directory, _read_summary(directory, warn))


def _read_summary(directory: Path, warn: Warn) -> dict[str, Any] | None:
    """`summary.json`, or None where it is lost: it follows from the directory, and is written anew."""
    path = directory / SUMMARY
    try:
        summary = read_json(path)
    except RunError as error:
        if directory.is_dir() and any((directory / "points").glob("*.yaml")):
            warn(f"{error}; it is written anew")
        return None
    refuse_another_format(path, summary)
    return summary


class _Conductor:
    """One pass over the points that are waiting."""

    def __init__(
        self,
        states: Sequence[PointState],
        directory: Path,
        origin: Mapping[str, Any],
        launch: Launch,
        launcher: Launcher,
        retries: int,
        fail_fast: bool,
        show: ShowStates,
    ) -> None:
        self._states = states
        self._directory = directory
        self._origin = origin
        self._resources = launch.resources or Resources()
        self._launcher = launcher
        self._retries = retries
        self._fail_fast = fail_fast
        self._show = show
        self._stopping = False
        self._changed = True
        self._next_summary = 0.0

    def conduct(self) -> list[PointState]:
        """Launch, watch and collect until nothing waits or runs."""
        try:
            return self._conduct()
        except BaseException as error:
            error.add_note(f"go on with it: cl sweep --resume {shlex.quote(str(self._directory))}")
            raise

    def _conduct(self) -> list[PointState]:
        with StopRequest() as stop:
            try:
                self._write_summary()
                if any(state.waits for state in self._states):
                    with self._launcher:
                        try:
                            self._watch(stop)
                        finally:
                            self._end_all()
            finally:
                self._write_summary()
        if stop.signal_number is not None:
            done = sum(state.status == "completed" for state in self._states)
            raise InterruptedRunError(
                stop.signal_number, f"stopped with {done} of {len(self._states)} points completed"
            )
        return list(self._states)

    def _watch(self, stop: StopRequest) -> None:
        while self._in_hand() or (not self._stopping and any(state.waits for state in self._states)):
            self._collect()
            if stop.signal_number is not None:
                self._stop(stop.signal_number)
            self._start()
            self._show(self._states)
            if self._changed and time.monotonic() >= self._next_summary:
                with contextlib.suppress(
                    OSError
                ):  # a full disk must not cost the points that train: once more later
                    self._write_summary()
            for state in self._in_hand()[:1]:  # until it ends, or it is time to look again
                assert state.started is not None
                state.started.wait(_POLL_SECONDS)

    def _in_hand(self) -> list[PointState]:
        return [state for state in self._states if state.started is not None]

    def _stop(self, signal_number: int) -> None:
        """Have all points save and end; start none from now on."""
        if self._stopping:
            return
        self._stopping = True
        for state in self._in_hand():
            assert state.started is not None
            state.started.interrupt(signal_number)

    def _start(self) -> None:
        if self._stopping:
            return
        waiting = [state for state in self._states if state.waits]
        if self._launcher.jobs is not None:
            waiting = waiting[: max(0, self._launcher.jobs - len(self._in_hand()))]
        if not waiting:
            return
        threads = int(self._origin["threads"])
        tasks = [
            Task(
                state.point.name,
                self._directory.resolve(),
                threads,
                self._resources.gpus,
                self._resources.memory,
            )
            for state in waiting
        ]
        for state in waiting:
            state.remember()
        for state, started in zip(waiting, self._launcher.start(tasks), strict=True):
            state.started, state.place, state.reason = started, None, None
            state.starts += 1
            self._note_place(state)

    def _note_place(self, state: PointState) -> None:
        if state.started is not None and state.place is None:
            state.place = state.started.place
            state.status = "waiting" if state.place is None else "running"
            self._changed = True

    def _collect(self) -> None:
        for state in self._in_hand():
            assert state.started is not None
            self._note_place(state)
            if (ending := state.started.ended()) is None:
                continue
            take_note(state, ending, stopping=self._stopping)
            self._changed = True
            if state.status != "failed" or self._stopping:
                continue
            hopeless = ending.lost or (state.reason or "").startswith("DivergedError")
            if state.starts - state.losses <= self._retries and not hopeless:
                state.status = "waiting"
            elif self._fail_fast:
                self._stop(signal.SIGTERM)

    def _end_all(self) -> None:
        """Leave nothing running behind, also when the sweep itself fails or is stopped a second time."""
        for state in self._in_hand():
            assert state.started is not None
            state.started.kill()
            if (ending := state.started.ended()) is not None:
                take_note(state, ending, stopping=True)

    def _write_summary(self) -> None:
        self._changed = False
        self._next_summary = time.monotonic() + _BETWEEN_SUMMARIES
        write_summary(self._directory, self._states, self._origin)
