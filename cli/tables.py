"""Tables of plain text, and their columns that show settings.

A thousand rows take a few milliseconds; Rich takes a second for them.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from centerloss_core.config.axes import (
    ALPHA,
    LAMBDA,
    LOSS,
    SEED,
    VARIANT,
    Settings,
    short,
    sign,
    value_of,
    varying,
)
from centerloss_core.config.problems import printable, shortened
from centerloss_core.formatting import exact, finite
from centerloss_core.run_directory.manifest import SHORT_KEYS

from .fitting import Layout
from .streams import say

PAGE = 100  # columns of a table in a file
_LONGEST_SETTING = 40  # characters of a cell


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: int = 1,
    spare: Sequence[str] = (),
    names: Collection[str] = (),
    page: int | None = None,
) -> list[str]:
    """Print `table_lines`, for the terminal where the output is one, and return them."""
    lines = table_lines(columns, rows, left=left, spare=spare, names=names, page=page)
    say("\n".join(lines))
    return lines


def table_lines(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: int = 1,
    spare: Sequence[str] = (),
    names: Collection[str] = (),
    width: int | None = None,
    page: int | None = None,
) -> list[str]:
    """Return a head, a rule and a line per row, in columns as wide as what is in them.

    Args:
        columns: their names.
        rows: a text per column each.
        left: so many columns are flush left, the first ones; the others, figures, flush right.
        spare: columns that may be left out where there is no room for all, the least important first, and `MARGIN`
            for the uncertainties in the cells. If that is not enough, the lines are longer than the terminal is wide.
        names: columns whose texts lose their middle before any column is left out.
        width: of a line, in columns of a terminal. Default: that of the terminal; a file has room for all.
        page: how wide a line of a file may be if that can be had without leaving out a column; see `Layout`.
    """
    width = terminal_width() if width is None else width
    cells = [[printable(cell) for cell in row] for row in (columns, *rows)]
    layout = Layout(list(zip(columns, zip(*cells, strict=True), strict=True)), spare, names, width, page)
    left = sum(name in columns[:left] for name, _ in layout.columns)
    gap, widths = " " * layout.gap, layout.widths
    shown = zip(*(cells for _, cells in layout.columns), strict=True)
    over = [[layout.over.get(name, "") for name, _ in layout.columns]] if layout.over else []
    head, *body = [gap.join(_pad(row, widths, left)).rstrip() for row in shown]
    below = f"no room for these columns: {', '.join(layout.absent)}" if layout.absent else ""
    heads = [*(gap.join(_pad(row, widths, left)).rstrip() for row in over), head]
    return [*heads, "─" * layout.width, *body, *wrapped(below, width)]


def terminal_width() -> int | None:
    """Columns of the terminal; None for a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def wrapped(text: str, width: int | None) -> list[str]:
    """A sentence below a table, in as many lines as it takes."""
    return textwrap.wrap(text, width or 10_000, break_on_hyphens=False)


def _pad(row: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    padded = []
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        blanks = " " * (width - cell_len(cell))
        padded.append(cell + blanks if index < left else blanks + cell)
    return padded


def settings_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what varies in a sweep, of a row of its `summary.json` or of an evaluation."""
    settings = row.get("settings")
    return {
        **dict.fromkeys(SHORT_KEYS.values()),
        **{key: value for key, value in row.items() if "." in key or key == VARIANT},
        **(settings if isinstance(settings, dict) else {}),
        **{key: row[name] for name, key in SHORT_KEYS.items() if name in row},  # null without a term
    }


def ordered_keys(runs: Sequence[Settings]) -> list[str]:
    """Return the keys of all runs: λ and α first, the seed last; before them the loss, where that stands for them."""
    others = dict.fromkeys(key for run in runs for key in run if key not in (LAMBDA, ALPHA, SEED))
    first = [LAMBDA, ALPHA]
    if LOSS in others:
        first = [LOSS, *(key for key in first if any(key in run for run in runs))]
    return list(dict.fromkeys([*first, *others, SEED]))


def setting_columns(
    runs: Sequence[Settings], keys: Iterable[str], *, always: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Return a cell per run of each key that varies or is always shown, by the head of the column."""
    keys = list(dict.fromkeys(keys))
    shown = {*always, *varying(runs, keys)}
    return {sign(key, keys): [_setting_cell(run, key) for run in runs] for key in keys if key in shown}


def _setting_cell(run: Settings, key: str) -> str:
    """Return a setting of a run, or a dash where the run does not have it."""
    value = value_of(run, key)
    text = "–" if value is None else short(value, key) if finite(value) is None else exact(value)
    return shortened(text, _LONGEST_SETTING)
