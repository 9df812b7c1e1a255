"""Launches the points of a sweep, watches them and records how they end."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from centerloss_core.interrupts import StopRequest
from centerloss_core.run_directory.lock import DirectoryLock
from centerloss_core.sweeps.launchers import Ending, Launcher, Started, Task
from centerloss_core.sweeps.states import PointState
from centerloss_core.sweeps.summary import write_summary

_POLL_SECONDS, _MOMENT = 0.25, 0.05
# A point that starts or ends is noted at once, but the summary of a thousand points is not written for each of them.
_BETWEEN_SUMMARIES = 1.0
_LONGEST_SAVE = 10.0  # when the sweep itself has failed

ShowStates = Callable[[Sequence[PointState]], None]


class How(TypedDict, total=False):
    """How the points of a sweep are watched.

    Attributes:
        retries: how often a point that failed is resumed; one that diverged is not, it would diverge again.
        fail_fast: stop all others, as Ctrl-C would, when a point has failed for good.
        show: called a few times a second with the state of all points.
    """

    retries: int
    fail_fast: bool
    show: ShowStates | None


@dataclass
class Conductor:
    """One pass over the points that are waiting; `launcher` has been entered. For the last three see `How`."""

    states: Sequence[PointState]
    directory: Path
    lock: DirectoryLock
    origin: Mapping[str, Any]
    launcher: Launcher
    retries: int = 0
    fail_fast: bool = False
    show: ShowStates | None = None
    _in_order: list[PointState] = field(init=False)
    _stopping: bool = field(default=False, init=False)
    _changed: bool = field(default=True, init=False)
    _next_summary: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        # Those of one program one after the other: a launcher may keep a process for them.
        programs = list(dict.fromkeys(state.program for state in self.states))
        self._in_order = sorted(self.states, key=lambda state: programs.index(state.program))

    def conduct(self, stop: StopRequest) -> list[PointState]:
        """Launch, watch and collect until nothing waits or runs, or `stop` says to stop."""
        try:
            self._write_summary()
            try:
                self._watch(stop)
            except Exception:  # of the sweep itself: the points may save
                self._let_points_save()
                raise
            finally:  # leave nothing running behind, also after a second signal
                self.launcher.kill()
                for state, started in self._started():
                    if (ending := started.ended()) is not None:
                        state.take_note(ending, stopping=True)
        finally:
            for state, _ in self._started():  # a second signal did not wait for them
                state.take_note(Ending(None, lost=True), stopping=True)
            self._write_summary()
        done = sum(state.status == "completed" for state in self.states)
        stop.obey(f"stopped with {done} of {len(self.states)} points completed")
        return list(self.states)

    def _watch(self, stop: StopRequest) -> None:
        while self._started() or (not self._stopping and any(state.waits for state in self.states)):
            self._collect()
            if stop.signal_number is not None:
                self._stop(stop.signal_number)
            self._start()
            if self.show is not None:
                with contextlib.suppress(Exception):  # a table that cannot be drawn must not end what trains
                    self.show(self.states)
            if self._changed and time.monotonic() >= self._next_summary:
                # A full disk must not stop the points: the summary is written later.
                with contextlib.suppress(OSError):
                    self._write_summary()
            self._wait()

    def _wait(self) -> None:
        """Return when a point has ended, and after a quarter of a second at the latest."""
        deadline = time.monotonic() + _POLL_SECONDS
        started = [started for _, started in self._started()]
        while started and time.monotonic() < deadline and all(point.ended() is None for point in started):
            time.sleep(_MOMENT)

    def _started(self) -> list[tuple[PointState, Started]]:
        return [(state, state.started) for state in self.states if state.started is not None]

    def _stop(self, signal_number: int) -> None:
        """Have all points save and end; start none from now on."""
        if self._stopping:
            return
        self._stopping = True
        self.launcher.interrupt(signal_number)

    def _start(self) -> None:
        if self._stopping:
            return
        waiting = [state for state in self._in_order if state.waits]
        if self.launcher.jobs is not None:
            waiting = waiting[: max(0, self.launcher.jobs - len(self._started()))]
        if not waiting:
            return
        directory, threads = self.directory.resolve(), int(self.origin["threads"])
        tasks = [
            Task(state.point.name, directory, threads, state.program, state.point.config.platform)
            for state in waiting
        ]
        for state in waiting:
            state.remember()
        for state, started in zip(waiting, self.launcher.start(tasks), strict=True):
            state.started, state.place, state.reason = started, None, None
            state.starts += 1
            self._note_place(state)

    def _note_place(self, state: PointState) -> None:
        if state.started is not None and state.place is None:
            state.place = state.started.place
            state.status = "waiting" if state.place is None else "running"
            state.running_since = None if state.place is None else time.monotonic()
            self._changed = True

    def _collect(self) -> None:
        for state, started in self._started():
            self._note_place(state)
            if (ending := started.ended()) is None:
                continue
            state.take_note(ending, stopping=self._stopping)
            self._changed = True
            # Interrupted, and not by this sweep.
            if state.status not in ("failed", "interrupted") or self._stopping:
                continue
            hopeless = ending.lost or ending.for_all or (state.reason or "").startswith("DivergedError")
            if state.starts - state.losses <= self.retries and not hopeless:
                state.status = "waiting"
            elif self.fail_fast or ending.for_all:
                self._stop(signal.SIGTERM)

    def _let_points_save(self) -> None:
        """Give the points that run some seconds to save and end."""
        deadline = time.monotonic() + _LONGEST_SAVE
        with contextlib.suppress(Exception):  # the first error is the one to report
            self._stop(signal.SIGTERM)
            while self._started() and time.monotonic() < deadline:
                self._wait()
                self._collect()

    def _write_summary(self) -> None:
        self._next_summary = time.monotonic() + _BETWEEN_SUMMARIES
        self.lock.refuse_if_replaced()
        write_summary(self.directory, self.states, self.origin)
        self._changed = False  # only now: after an error it is to be written again
