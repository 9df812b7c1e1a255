"""A table as data; `templates/macros.html` writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Literal

from centerloss_core.config.axes import LAMBDA, sign
from centerloss_core.formatting import finite, number
from centerloss_core.metrics.names import Name
from centerloss_core.report.reading import Record, written

Mark = Literal["", "best", "tied"]


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        key: what the column is sorted by; None is always last.
        mark: "best" of its column, or "tied" with the best.
        ends: the range of a mean, in brackets.
        kind: "name" or "words", for the style sheet.
    """

    text: str
    key: float | str | None = None
    mark: Mark = ""
    ends: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Row:
    cells: Sequence[Cell]  # the first one names the row
    unfinished: bool = False


@dataclass(frozen=True)
class Table:
    """A table with a caption.

    Attributes:
        head: a title per column; columns named like `cosine: AUC` stand below one head `cosine`.
        name: the id of a table that can be sorted by any column.
        kind: classes of the box around it, for the style sheet.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Row]
    name: str = ""
    kind: str = ""

    @property
    def groups(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """The head: (group, (whole title, title below the group) of its columns); the group may be empty."""
        pairs = [(title, title.rpartition(": ")) for title in self.head]
        return [
            (group, [(title, parts[2]) for title, parts in members])
            for group, members in groupby(pairs, lambda pair: pair[1][0])
        ]


def words(text: str, kind: str = "") -> Cell:
    """A cell of text."""
    return Cell(text, text, kind=kind)


def figure(value: object, write: Callable[[object], str], *, best: bool = False) -> Cell:
    """A cell of a number."""
    return Cell(write(value), finite(value), "best" if best else "")


def plain_row(name: str, texts: Sequence[str]) -> Row:
    """A row of a table that is not sorted."""
    return Row([Cell(name), *map(Cell, texts)])


def best_of(name: Name, rows: Sequence[Mapping[str, Any]], competes: Sequence[bool]) -> str | None:
    """The best value as it is written: two runs that read alike are both the best. None where nothing competes."""
    figures = [
        value
        for row, can in zip(rows, competes, strict=True)
        if can and (value := finite(row.get(name.key))) is not None
    ]
    if name.best is None or len(figures) < 2:
        return None
    return name.write(max(figures) if name.best == "most" else min(figures))


def known_columns(names: Sequence[Name], rows: Sequence[Mapping[str, Any]]) -> list[Name]:
    """The figures that at least one row has."""
    return [name for name in names if any(finite(row.get(name.key)) is not None for row in rows)]


def setting_titles(keys: Sequence[str]) -> list[str]:
    """The heads of `setting_cells`."""
    return [title for key in keys for title in (sign(key, keys), *(["λ_eq"] if key == LAMBDA else []))]


def setting_cells(record: Record, keys: Sequence[str]) -> list[Cell]:
    """A cell per setting, and λ_eq beside λ."""
    cells = []
    for key in keys:
        value = record.value(key)
        text = written(value)
        cells.append(Cell(text, text if finite(value) is None else finite(value)))
        if key == LAMBDA:
            cells.append(figure(record.run.lambda_eq, partial(number, digits="g")))
    return cells
