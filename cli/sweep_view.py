"""A sweep while it runs: one live table in a terminal, at most a dozen lines a point elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from centerloss_core.formatting import duration, number, percent
from centerloss_core.metrics.names import accuracy_of
from centerloss_core.run_directory.names import MANIFEST
from centerloss_core.sweeps.estimate import seconds_left

from .progress import PrecisionNote, live_display, tenths, training_line
from .streams import plain, say
from .tables import table_lines

if TYPE_CHECKING:
    from rich.text import Text

    from centerloss_core.sweeps import PointState

_MOST_ROWS = 20  # beyond that, those that say most: running, failed, and the last that were completed
# Of a terminal: the command, the head of the table, the line about all points, which may wrap.
_OTHER_LINES = 8
_REDRAWS_PER_SECOND = 4
_PAUSE_A_POINT = 0.01  # seconds
_SPARE = ("images/s", "softmax loss", "where", "accuracy", "left", "test", "epoch")
_TELLING = ("running", "failed", "interrupted", "completed", "waiting")
_STATUSES = ("waiting", "running", "completed", "failed", "interrupted")


@contextmanager
def sweep_progress(directory: Path) -> Iterator[Callable[[Sequence[PointState]], None]]:
    """Show all points of a sweep; nothing before there are any, because a sweep may be refused."""
    precision = PrecisionNote()
    draw: Callable[[Sequence[PointState]], None] | None = None
    with ExitStack() as display:

        def show(states: Sequence[PointState]) -> None:
            nonlocal draw
            if draw is None:
                say(f"sweep → {directory}")
                draw = display.enter_context(_display())
            for state in states:
                if state.starts:
                    precision.tell_of(state.path)
            draw(states)

        yield show


@contextmanager
def _display() -> Iterator[Callable[[Sequence[PointState]], None]]:
    if not sys.stdout.isatty():
        yield _plain_lines()
        return
    from rich.console import Console

    console = Console(markup=False)
    with live_display(console, _REDRAWS_PER_SECOND) as live:
        view = View()
        yield lambda states: live.update(view.drawn(states, *console.size))


def _plain_lines() -> Callable[[Sequence[PointState]], None]:
    known: dict[str, tuple[str, int]] = {}
    told: dict[str, int] = {}  # tenths of the run of each point
    pause = Pause()

    def show(states: Sequence[PointState]) -> None:
        for index, state in enumerate(states, start=1):
            name, now = state.point.name, (state.status, state.starts)
            if known.get(name, ("waiting", 0)) != now and (state.status != "waiting" or state.reason):
                known[name] = now
                say(f"[{index}/{len(states)}] {name} {_in_words(state, states)}")
        running = {index: state for index, state in enumerate(states, start=1) if state.status == "running"}
        if not pause.is_over(len(running)):
            return
        for index, state in running.items():
            name, progress = state.point.name, state.progress
            if progress is None or (tenth := tenths(progress)) <= told.get(name, -1):
                continue
            if not told and (images := _images_left(states)) and (left := _time_left(states)):
                say(f"{left}: {images:,} images in {_left(states)} of {len(states)} points")
            if tenth:
                say(f"[{index}/{len(states)}] {name}  {training_line(progress)}")
            told[name] = tenth

    return show


def _in_words(state: PointState, states: Sequence[PointState]) -> str:
    if state.status == "waiting":  # it was started before
        return f"waiting to be resumed: {state.reason}"
    if state.status == "running":
        again = " again, its machine was lost" if state.losses else ""
        return f"running{again}" + ("" if state.place in (None, "here") else f": {state.place}")
    row = state.summary()
    name = accuracy_of(row)
    reached = state.status + ("" if name is None else f": {name.title} {name.cell(row, row['test_images'])}")
    left = _time_left(states) if _left(states) else None
    return f"{reached}; {left}, {_left(states)} to go" if left else reached


def _time_left(states: Sequence[PointState]) -> str | None:
    left = seconds_left(states)
    return None if left is None else f"about {duration(left)} left"


def _left(states: Sequence[PointState]) -> int:
    return sum(state.status in ("waiting", "running") for state in states)


def _images_left(states: Sequence[PointState]) -> int:
    images = 0
    for state in states:
        if state.status in ("waiting", "running"):
            progress = state.progress if state.status == "running" else None
            steps = state.total_steps - (0 if progress is None else progress.step)
            images += steps * state.point.config.train.batch_size
    return images


class View:
    """The live table."""

    def __init__(self) -> None:
        self._time_left: str | None = None
        self._pause = Pause()

    def drawn(self, states: Sequence[PointState], width: int, height: int) -> Text:
        """Return a line about all points, and the table, as much of it as a terminal of this size holds."""
        from rich.text import Text

        shown = _worth_showing(states, max(1, min(_MOST_ROWS, height - _OTHER_LINES)))
        line = plain(self._summary_line(states, len(states) - len(shown)))
        table = [row[:width] for row in _table(shown, width)]
        return Text("\n".join([line, *table]))

    def _summary_line(self, states: Sequence[PointState], hidden: int) -> str:
        counts = Counter(state.status for state in states)
        words = [f"{counts[status]} {status}" for status in _STATUSES if counts[status]]
        if self._pause.is_over(counts["running"]):
            self._time_left = _time_left(states)
        if self._time_left and _left(states):
            words.append(self._time_left)
        rest = f" ({hidden} more in summary.csv)" if hidden else ""
        return ", ".join(words) + rest


class Pause:
    """Between two looks at the rows of all points that run: a thousand on a network disk take a while."""

    def __init__(self) -> None:
        self._end = 0.0

    def is_over(self, running: int) -> bool:
        """Whether it is time to look at so many again; if so, the next pause begins."""
        now = time.monotonic()
        if now < self._end:
            return False
        self._end = now + running * _PAUSE_A_POINT
        return True


def _worth_showing(states: Sequence[PointState], most: int) -> list[PointState]:
    """Return all, or those that say most, in their order."""
    if len(states) <= most:
        return list(states)

    def worth(place: int) -> tuple[int, int]:
        status = states[place].status
        return _TELLING.index(status), -place if status == "completed" else place

    return [states[place] for place in sorted(sorted(range(len(states)), key=worth)[:most])]


def _table(states: Sequence[PointState], width: int) -> list[str]:
    figures = ("epoch", "accuracy", "test", "left", "softmax loss", "images/s")
    elsewhere = any(state.place not in (None, "here") for state in states)
    rows = []
    for state in states:
        known = _figures(state)
        where = [state.place or "" if state.status == "running" else ""] if elsewhere else []
        rows.append(
            [state.point.name, _stage(state, known), *(known.get(each, "") for each in figures), *where]
        )
    columns = ("run", "status", *figures, *(["where"] if elsewhere else []))
    lines = table_lines(columns, rows, spare=_SPARE, names=("run",), width=width)
    return lines[: len(rows) + 2]  # without the note about columns: they change from one moment to the next


def _stage(state: PointState, known: Mapping[str, str]) -> str:
    """Its status; of one that runs and has no row yet, how far it has come."""
    if state.status != "running" or known:
        return state.status
    return "first steps" if (state.path / MANIFEST).exists() else "starting"


def _figures(state: PointState) -> dict[str, str]:
    progress = None if state.status == "waiting" else state.progress
    if progress is None:
        return {}
    figures = {
        "epoch": number(progress.epoch, ".2f"),
        "accuracy": percent(progress.figures.get("accuracy")),
        "softmax loss": number(progress.figures.get("softmax_loss"), ".4f"),
    }
    if state.status == "running":
        speed = number(progress.images_per_second, ".0f")
        return {**figures, "left": duration(progress.seconds_left), "images/s": speed}
    if state.status == "completed":
        row = state.summary()
        name = accuracy_of(row)
        return {**figures, "test": percent(None if name is None else name.of(row))}
    return figures
