"""Tables of plain text, for lists too long for Rich: a thousand rows take it a second, and these a few milliseconds.

Also which columns a table of either kind does without in a narrow terminal.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence

_GAP = "   "  # as wide as Rich's

# By what a table has a row for. The names of a sweep's runs are long, and say λ, α and seed themselves.
_SPARE = {"run": ("time", "age", "data", "α", "seed", "nearest center", "λ")}


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """A head, a rule and a line per row, in columns as wide as what is in them.

    Args:
        columns: their names.
        rows: a text per column each.
        left: so many columns are flush left, the first ones; the others, figures, flush right.
    """
    cells = [[printable(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(map(cell_width, column)) for column in zip(*cells, strict=True)]
    spare = _SPARE.get(columns[0], ())
    absent = left_out(dict(zip(columns, widths, strict=True)), spare) if spare else []
    shown = [index for index, column in enumerate(columns) if column not in absent]
    widths = [widths[index] for index in shown]
    left = sum(index < left for index in shown)
    lines = [_GAP.join(_pad([row[index] for index in shown], widths, left)).rstrip() for row in cells]
    rule = "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    return [lines[0], rule, *lines[1:], *left_out_lines(absent)]


def left_out(widths: Mapping[str, int], spare: Sequence[str], *, edges: int = 0) -> list[str]:
    """The columns that a terminal has no room for; none where the output is no terminal, for a file has room for all.

    Args:
        widths: of all columns of the table, by their names.
        spare: those that may be left out, the least important first. If that is not enough, the lines will wrap.
        edges: what a line has beside the columns and the gaps between them.
    """
    if not sys.stdout.isatty():
        return []
    absent: list[str] = []
    too_wide = edges + sum(widths.values()) + len(_GAP) * (len(widths) - 1) - _room()
    for name in spare:
        if too_wide > 0 and name in widths:
            absent.append(name)
            too_wide -= widths[name] + len(_GAP)
    return absent


def left_out_lines(absent: Sequence[str]) -> list[str]:
    """What is said below a table of the columns that are not in it."""
    if not absent:
        return []
    return textwrap.wrap(f"not shown for want of width: {', '.join(absent)}", _room(), break_on_hyphens=False)


def _room() -> int:
    return shutil.get_terminal_size().columns


def printable(text: str) -> str:
    """The text without what could steer a terminal: names of directories are anybody's."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else "�" for sign in text)


def _pad(row: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    padded = []
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        blanks = " " * (width - cell_width(cell))
        padded.append(cell + blanks if index < left else blanks + cell)
    return padded


def cell_width(text: str) -> int:
    """Columns of a terminal: Chinese takes two a sign, an accent on its own none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "FW" else 1
        for sign in text
    )
