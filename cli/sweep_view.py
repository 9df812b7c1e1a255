"""A sweep while it runs: one live table in a terminal, a line per start and end elsewhere, whatever launches it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from centerloss_core.written import duration, percent
from cli.console import new_table, say, say_nothing

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from centerloss_core.sweeps import PointState

_MOST_ROWS = 20  # beyond that, those that say most: running, failed, and the last that were completed
_REDRAWS_PER_SECOND = 4


@contextmanager
def progress(directory: Path, *, quiet: bool) -> Iterator[Callable[[Sequence[PointState]], None]]:
    """Show all points of a sweep."""
    if quiet:
        yield say_nothing
        return
    say(f"sweep → {directory}")
    if not sys.stdout.isatty():
        yield _plain_lines()
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(markup=False), refresh_per_second=_REDRAWS_PER_SECOND, transient=True) as live:
        view = View()
        yield lambda states: live.update(view.drawn(states))


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
        return f"goes on later: {state.reason}"
    if state.status == "running":
        again = " again, its machine was lost" if state.losses else ""
        return f"running{again}" + ("" if state.place in (None, "here") else f": {state.place}")
    accuracy = state.summary()["accuracy"]
    return state.status if accuracy is None else f"{state.status}: softmax {percent(accuracy)}"


class View:
    """The live table, and since when it has been shown."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._completed_before: int | None = None

    def drawn(self, states: Sequence[PointState]) -> Group:
        """The table, and a line about all points."""
        from rich.console import Group

        shown = _worth_showing(states)
        return Group(_table(shown), self._summary_line(states, len(states) - len(shown)))

    def _summary_line(self, states: Sequence[PointState], hidden: int) -> str:
        counts = Counter(state.status for state in states)
        words = [f"{counts[status]} {status}" for status in _ORDER if counts[status]]
        if self._completed_before is None:
            self._completed_before = counts["completed"]
        completed = counts["completed"] - self._completed_before
        left = counts["waiting"] + counts["running"]
        if completed and left:
            rate = (time.monotonic() - self._begun) / completed
            words.append(f"about {duration(rate * left)} left")
        rest = f" (the {hidden} others are in summary.csv)" if hidden else ""
        return ", ".join(words) + rest


_ORDER = ("waiting", "running", "completed", "failed", "interrupted")


def _worth_showing(states: Sequence[PointState]) -> list[PointState]:
    """All, or those that say most, in their order."""
    if len(states) <= _MOST_ROWS:
        return list(states)
    found = [
        state
        for status in ("running", "failed", "interrupted", "completed", "waiting")
        for state in (reversed(states) if status == "completed" else states)
        if state.status == status
    ][:_MOST_ROWS]
    chosen = {id(state) for state in found}
    return [state for state in states if id(state) in chosen]


def _table(states: Sequence[PointState]) -> Table:
    elsewhere = any(state.place not in (None, "here") for state in states)
    columns = ("run", "status", "epoch", "softmax loss", "accuracy", "images/s", "left")
    table = new_table(*columns, *(("where",) if elsewhere else ()))
    for state in states:
        figures = _running_figures(state) if state.status == "running" else ("",) * 5
        where = ((state.place or "") if state.status == "running" else "",) if elsewhere else ()
        table.add_row(state.point.name, state.status, *figures, *where)
    return table


def _running_figures(state: PointState) -> tuple[str, ...]:
    row = state.latest
    if row is None:
        return ("",) * 5
    return (
        f"{row['epoch']:.2f}",
        f"{row['softmax_loss']:.4f}",
        percent(row["accuracy"]),
        f"{row['images_per_second']:.0f}",
        duration(state.seconds_left),
    )
