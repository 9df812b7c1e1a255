"""A sweep while it runs: one live table in a terminal, a line per start and end elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from centerloss_core.formatting import duration, number, percent

from .progress import PrecisionNote, live_display
from .streams import plain, say
from .tables import table_lines

if TYPE_CHECKING:
    from rich.text import Text

    from centerloss_core.sweeps import PointState

_MOST_ROWS = 20  # beyond that, those that say most: running, failed, and the last that were completed
# Of a terminal: the command, the head of the table, the line about all points, which may wrap.
_OTHER_LINES = 8
_REDRAWS_PER_SECOND = 4
_SPARE = ("images/s", "softmax loss", "where", "left", "accuracy", "epoch")
_TELLING = ("running", "failed", "interrupted", "completed", "waiting")
_STATUSES = ("waiting", "running", "completed", "failed", "interrupted")


@contextmanager
def sweep_progress(directory: Path) -> Iterator[Callable[[Sequence[PointState]], None]]:
    """Show all points of a sweep."""
    say(f"sweep → {directory}")
    precision = PrecisionNote()
    with _display() as draw:

        def show(states: Sequence[PointState]) -> None:
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

    def show(states: Sequence[PointState]) -> None:
        for index, state in enumerate(states, start=1):
            name = state.point.name
            now = (state.status, state.starts)
            if known.get(name, ("waiting", 0)) == now or (state.status == "waiting" and not state.reason):
                continue
            known[name] = now
            say(f"[{index}/{len(states)}] {name} {_in_words(state)}")

    return show


def _in_words(state: PointState) -> str:
    if state.status == "waiting":  # it was started before
        return f"waiting to be resumed: {state.reason}"
    if state.status == "running":
        again = " again, its machine was lost" if state.losses else ""
        return f"running{again}" + ("" if state.place in (None, "here") else f": {state.place}")
    accuracy = state.summary()["accuracy"]
    return state.status if accuracy is None else f"{state.status}: softmax {percent(accuracy)}"


class View:
    """The live table; it also remembers since when it has been shown, to say how long the rest will take."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._completed_before: int | None = None

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
        if self._completed_before is None:
            self._completed_before = counts["completed"]
        completed = counts["completed"] - self._completed_before
        left = counts["waiting"] + counts["running"]
        if completed and left:
            rate = (time.monotonic() - self._begun) / completed
            words.append(f"about {duration(rate * left)} left")
        rest = f" ({hidden} more in summary.csv)" if hidden else ""
        return ", ".join(words) + rest


def _worth_showing(states: Sequence[PointState], most: int) -> list[PointState]:
    """Return all, or those that say most, in their order."""
    if len(states) <= most:
        return list(states)

    def worth(place: int) -> tuple[int, int]:
        status = states[place].status
        return _TELLING.index(status), -place if status == "completed" else place

    return [states[place] for place in sorted(sorted(range(len(states)), key=worth)[:most])]


def _table(states: Sequence[PointState], width: int) -> list[str]:
    figures = ("epoch", "accuracy", "left", "softmax loss", "images/s")
    elsewhere = any(state.place not in (None, "here") for state in states)
    rows = []
    for state in states:
        running = state.status == "running"
        known = _running_figures(state) if running else {}
        where = [state.place or "" if running else ""] if elsewhere else []
        rows.append([state.point.name, state.status, *(known.get(each, "") for each in figures), *where])
    columns = ("run", "status", *figures, *(["where"] if elsewhere else []))
    lines = table_lines(columns, rows, spare=_SPARE, width=width)
    return lines[: len(rows) + 2]  # without the note about columns: they change from one moment to the next


def _running_figures(state: PointState) -> dict[str, str]:
    row = state.latest
    if row is None:
        return {}
    return {
        "epoch": number(row.get("epoch"), ".2f"),
        "accuracy": percent(row.get("accuracy")),
        "left": duration(state.seconds_left),
        "softmax loss": number(row.get("softmax_loss"), ".4f"),
        "images/s": number(row.get("images_per_second"), ".0f"),
    }
