"""Tables of plain text, for lists too long for Rich: a thousand rows take it a second, and these a few milliseconds."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_GAP = "   "


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """A head, a rule and a line per row, in columns as wide as what is in them.

    Args:
        columns: their names.
        rows: a text per column each.
        left: so many columns are flush left, the first ones; the others, figures, flush right.
    """
    cells = [[printable(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    lines = [_GAP.join(_pad(row, widths, left)).rstrip() for row in cells]
    return [lines[0], "─" * (sum(widths) + len(_GAP) * (len(widths) - 1)), *lines[1:]]


def printable(text: str) -> str:
    """The text without what could steer a terminal: names of directories are anybody's."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else "�" for sign in text)


def _pad(row: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    padded = []
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        blanks = " " * (width - _width(cell))
        padded.append(cell + blanks if index < left else blanks + cell)
    return padded


def _width(text: str) -> int:
    """Columns of a terminal: Chinese takes two a sign, an accent on its own none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "FW" else 1
        for sign in text
    )
