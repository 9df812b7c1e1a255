"""A table made to fit a terminal, where names become shorter before columns are left out; or the page of a file."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from rich.cells import cell_len

from centerloss_core.metrics.uncertainty import SIGN

MARGIN = SIGN  # among the columns that may be left out: the uncertainties behind the figures
_GAP, _NARROW_GAP = 3, 2
_SHORTEST_NAME = 20


class Layout:
    """The columns that are shown, how wide each is, and how far apart.

    Args:
        columns: names, and the cells of each from its head on.
        spare, names: see `table_lines`.
        room: columns of the terminal; None: as many as it takes.
        page: columns of a page, for a file: all columns of the table, closer together, in heads of two lines, without
            uncertainties, as far as it takes. None: as wide as it is.

    Attributes:
        columns: what is shown.
        over: the first lines of heads of two lines, by the names of their columns.
        absent: the names of what is not, for want of room.
        gap: blanks between two columns.
    """

    def __init__(
        self,
        columns: Sequence[tuple[str, Sequence[str]]],
        spare: Sequence[str],
        names: Collection[str],
        room: int | None,
        page: int | None = None,
    ) -> None:
        self.columns = list(columns)
        self.over: dict[str, str] = {}
        self.absent: list[str] = []
        self.gap = _GAP
        self._names = names
        if room is not None and self.width > room:
            self.gap = _NARROW_GAP
            self._leave_out(spare, room)
            self._shorten(room)
        elif room is None and page is not None and self.width > page:
            self.gap = _NARROW_GAP
            self._fold(page)
            if self.width > page:
                self.columns = [(title, [*map(without_margin, cells)]) for title, cells in self.columns]
                self._fold(page)

    @property
    def widths(self) -> list[int]:
        """Of the columns that are shown."""
        return [max(_width(cells), cell_len(self.over.get(name, ""))) for name, cells in self.columns]

    @property
    def width(self) -> int:
        """Of a line."""
        return sum(self.widths) + self.gap * (len(self.columns) - 1)

    def _fold(self, page: int) -> None:
        """Fold heads that are wider than their columns, those first that save most."""
        folds = []
        for index, (name, (head, *cells)) in enumerate(self.columns):
            first, last = _two_lines(head)
            folded = max(map(cell_len, (first, last, *cells)))
            if name not in self.over and first and folded < cell_len(head):
                folds.append((cell_len(head) - folded, index, name, first, [last, *cells]))
        for _, index, name, first, cells in sorted(folds, key=lambda fold: -fold[0]):
            if self.width > page:
                self.over[name] = first
                self.columns[index] = name, cells

    def _leave_out(self, spare: Sequence[str], room: int) -> None:
        saved = sum(
            max(0, _width(cells) - _SHORTEST_NAME) for name, cells in self.columns if name in self._names
        )
        for name in spare:
            if self.width - saved <= room:
                return
            if name == MARGIN:
                self.columns = [(title, [*map(without_margin, cells)]) for title, cells in self.columns]
            elif any(title == name for title, _ in self.columns):
                self.columns = [(title, cells) for title, cells in self.columns if title != name]
                self.absent.append(name)

    def _shorten(self, room: int) -> None:
        for index, (name, cells) in enumerate(self.columns):
            if name in self._names and self.width > room:
                width = max(_SHORTEST_NAME, _width(cells) - (self.width - room))
                self.columns[index] = name, [middle_left_out(cell, width) for cell in cells]


def _width(cells: Sequence[str]) -> int:
    return max(map(cell_len, cells))


def _two_lines(head: str) -> tuple[str, str]:
    """A head cut after a blank, a stroke or an underscore, as near its middle as may be; without one, "" and all."""
    cuts = [found.end() for found in re.finditer(r"(?<=.{3})[ _/](?=.)", head)]
    if not cuts:
        return "", head
    cut = min(cuts, key=lambda place: max(place, len(head) - place))
    return head[:cut].rstrip(), head[cut:]


def without_margin(cell: str) -> str:
    """A figure without its uncertainty: `97.60 %` for `97.60 ± 0.48 %`."""
    return re.sub(r" ± [0-9.e+-]+", "", cell)


def middle_left_out(text: str, width: int) -> str:
    """A name in so many columns: what it begins with and what it ends with tell it from others."""
    if cell_len(text) <= width:
        return text
    kept = width - 1
    while cell_len(short := f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}") > width:
        kept -= 1
    return short
