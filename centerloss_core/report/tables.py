"""A table as data; `templates/macros.html` writes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from centerloss_core.config.axes import LAMBDA, sign
from centerloss_core.formatting import finite, number
from centerloss_core.metrics.names import ANGLE, ANGLE_MEANING, Name
from centerloss_core.metrics.uncertainty import MEANING, SIGN, half_width
from centerloss_core.report.reading import Record, written

Mark = Literal["", "best", "tied"]


@dataclass(frozen=True)
class Cell:
    """One cell."""

    text: str
    key: float | str | None = None  # what the column is sorted by; None is always last
    mark: Mark = ""
    ends: str = ""  # the range of a mean, in brackets
    kind: str = ""  # "name" or "words", for the style sheet


@dataclass(frozen=True)
class Row:
    cells: Sequence[Cell]  # the first one names the row
    unfinished: bool = False


@dataclass(frozen=True)
class Table:
    """A table with a caption."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Row]
    name: str = ""  # the id of a table that can be sorted by any column
    kind: str = ""  # classes of the box around it, for the style sheet
    explained: Sequence[tuple[str, str]] = ()  # columns and what they are, in one line each
    note: str = ""  # what must be known to read it right


def words(text: str, kind: str = "") -> Cell:
    """A cell of text."""
    return Cell(text, text, kind=kind)


def figure(value: object, write: Callable[[object], str]) -> Cell:
    """A cell of a number."""
    return Cell(write(value), finite(value))


def measured(name: Name, row: Mapping[str, Any]) -> Cell:
    """A cell of a figure that fits the loss of a row; a share of its `images` with its uncertainty."""
    return Cell(name.cell(row, row.get("images")), finite(name.of(row)))


def plain_row(name: str, texts: Sequence[str]) -> Row:
    """A row of a table that is not sorted."""
    return Row([Cell(name), *map(Cell, texts)])


def known_columns(names: Sequence[Name], rows: Sequence[Mapping[str, Any]]) -> list[Name]:
    """The figures that at least one row has."""
    return [name for name in names if any(finite(name.of(row)) is not None for row in rows)]


def explained(names: Sequence[Name], rows: Sequence[Sequence[Cell]]) -> list[tuple[str, str]]:
    """The columns and what they are, and what the signs ± and ∠ mean where a row has them."""
    meanings = ((SIGN, MEANING), (ANGLE, ANGLE_MEANING))
    signs = [each for each in meanings if any(each[0] in cell.text for row in rows for cell in row)]
    return [*((name.title, name.about) for name in names if name.about), *signs]


def figure_cells(
    names: Sequence[Name], rows: Sequence[Mapping[str, Any]], groups: Sequence[str | None]
) -> list[list[Cell]]:
    """The figures of each row; the best of a group is marked, also twice where two read alike.

    Accuracies that so few images cannot tell apart from the best are marked as tied with it, and none is the best.

    Args:
        names: the columns.
        rows: figures by `Name.key`, and the number of `images` where it is known.
        groups: of each row, among which it competes; None does not compete.
    """
    cells = [[measured(name, row) for name in names] for row in rows]
    for column, name in enumerate(names):
        for group in set(groups) - {None}:
            own = [row for row, its_group in enumerate(groups) if its_group == group]
            known = [value for row in own if (value := finite(name.of(rows[row]))) is not None]
            if name.best is None or len(known) < 2:
                continue
            best = max(known) if name.best == "most" else min(known)
            top = next(row for row in own if name.of(rows[row]) == best)
            near = [row for row in own if _is_near(name, rows[row], rows[top])]
            alike = [row for row in own if name.write(name.of(rows[row])) == name.write(best)]
            mark: Mark = "tied" if len(near) > 1 else "best"
            for row in near if mark == "tied" else alike:
                cells[row][column] = replace(cells[row][column], mark=mark)
    return cells


def _is_near(name: Name, row: Mapping[str, Any], best: Mapping[str, Any]) -> bool:
    """Whether the uncertainties of two accuracies meet."""
    value, top = finite(name.of(row)), finite(name.of(best))
    margins = [half_width(name.of(each), each.get("images")) for each in (row, best)]
    if not name.of_images or value is None or top is None or None in margins:
        return False
    return abs(top - value) <= sum(margin for margin in margins if margin is not None)


def setting_titles(keys: Sequence[str]) -> list[str]:
    """The heads of `setting_cells`."""
    return [title for key in keys for title in (sign(key, keys), *(["λ_eq"] if key == LAMBDA else []))]


def setting_cells(record: Record, keys: Sequence[str]) -> list[Cell]:
    """A cell per setting, and λ_eq beside λ."""
    cells = []
    for key in keys:
        text, place = written(record.value(key)), finite(record.value(key))
        cells.append(Cell(text, text if place is None else place))
        if key == LAMBDA:
            cells.append(figure(record.run.lambda_eq, partial(number, digits="g")))
    return cells
