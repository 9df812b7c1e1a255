"""Tables of plain text. A thousand rows take a few milliseconds; Rich takes a second for them."""

from __future__ import annotations

import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence

from .streams import printable, say

_GAP = "   "


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1, spare: Sequence[str] = ()
) -> None:
    """Print `table_lines`, for the terminal where the output is one."""
    say("\n".join(table_lines(columns, rows, left=left, spare=spare)))


def table_lines(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: int = 1,
    spare: Sequence[str] = (),
    width: int | None = None,
) -> list[str]:
    """Return a head, a rule and a line per row, in columns as wide as what is in them.

    Args:
        columns: their names.
        rows: a text per column each.
        left: so many columns are flush left, the first ones; the others, figures, flush right.
        spare: columns that may be left out where there is no room for all, the least important first. If that is not
            enough, the lines are longer than the terminal is wide.
        width: of a line, in columns of a terminal. Default: that of the terminal; a file has room for all.
    """
    if width is None and sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
    cells = [[printable(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(map(cell_width, column)) for column in zip(*cells, strict=True)]
    absent = _left_out(dict(zip(columns, widths, strict=True)), spare, width)
    shown = [index for index, column in enumerate(columns) if column not in absent]
    widths = [widths[index] for index in shown]
    left = sum(index < left for index in shown)
    lines = [_GAP.join(_pad([row[index] for index in shown], widths, left)).rstrip() for row in cells]
    rule = "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    below = f"no room for these columns: {', '.join(absent)}" if absent else ""
    return [lines[0], rule, *lines[1:], *textwrap.wrap(below, width or 80, break_on_hyphens=False)]


def _left_out(widths: Mapping[str, int], spare: Sequence[str], room: int | None) -> list[str]:
    if room is None:
        return []
    absent: list[str] = []
    too_wide = sum(widths.values()) + len(_GAP) * (len(widths) - 1) - room
    for name in spare:
        if too_wide > 0 and name in widths:
            absent.append(name)
            too_wide -= widths[name] + len(_GAP)
    return absent


def _pad(row: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    padded = []
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        blanks = " " * (width - cell_width(cell))
        padded.append(cell + blanks if index < left else blanks + cell)
    return padded


def cell_width(text: str) -> int:
    """Return the columns of a terminal that a text takes: Chinese takes two a sign, a combining accent none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "FW" else 1
        for sign in text
    )
