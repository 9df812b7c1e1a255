"""`cl compare`: runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.cells import cell_len

from centerloss_core.config.problems import printable
from centerloss_core.formatting import duration, number, percent, plain_setting
from centerloss_core.metrics.names import FIGURES, SPEED, Name, in_order, with_points
from centerloss_core.metrics.open_set_names import OF_SCORES
from centerloss_core.metrics.uncertainty import MEANING

from .fitting import MARGIN, middle_left_out, without_margin
from .streams import say, say_json
from .tables import PAGE, table_lines, terminal_width

if TYPE_CHECKING:
    from centerloss_core.run_directory.comparison import Comparison, Twins


_MOST_WARNINGS = 10  # of a run
_SHORTEST = 12  # columns of a run's name
_LONGEST = 40  # of a setting, in a file
_GAP = 2  # between the columns of a table that is as wide as the terminal
_NAMES = {name.key: name for name in (*SPEED, *FIGURES, *OF_SCORES)}
_NAMES["training_seconds"] = Name("training_seconds", "training time", duration)


def compare(
    directories: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN…", help="Two or more runs, or a sweep or folder of runs.", show_default=False
        ),
    ],
    json_: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print an object with the keys runs, config, provenance, results, evaluation, same_config; values "
            "are in the order of the runs.",
        ),
    ] = False,
) -> None:
    """Show what differs between runs in config, origin and result; differences in brackets are to the first.

    Also what `cl evaluate` has measured of them, and their warnings.
    """
    from centerloss_core.run_directory.comparison import compare_runs

    comparison = compare_runs(directories)
    if json_:
        say_json(comparison.as_dict())
    else:
        say("\n".join(_lines(comparison)))


def _lines(comparison: Comparison) -> list[str]:
    runs = comparison.runs
    sections: dict[str, list[list[str]]] = {
        "Settings that differ": [
            [key, *map(plain_setting, values)] for key, values in comparison.config.items()
        ],
        "Origins that differ": [
            [key, *("–" if value is None else plain_setting(value) for value in values)]
            for key, values in comparison.provenance.items()
        ],
        "Results": [
            ["status", *(run.status for run in runs)],
            ["warnings", *(str(len(run.warnings)) for run in runs)],
            *(_result_cells(comparison, key, comparison.results[key]) for key in _noted(comparison)),
        ],
        "Evaluation": [
            _result_cells(comparison, key, comparison.evaluation[key]) for key in _evaluated(comparison)
        ],
    }
    lines: list[str] = []
    for title, rows in sections.items():
        if rows:
            figures = title in ("Results", "Evaluation")
            lines += [*_side_by_side(title, comparison.names, rows, figures=figures), ""]
    if any(MARGIN in line for line in lines):
        lines += [f"{MARGIN}: {MEANING}", ""]
    for run, name in zip(runs, comparison.names, strict=True):
        lines += [f"warning: {name}: {each}" for each in run.warnings[:_MOST_WARNINGS]]
        if len(run.warnings) > _MOST_WARNINGS:
            lines.append(f"{len(run.warnings) - _MOST_WARNINGS} more are in {run.path / 'run.json'}")
    lines += [_sentence(comparison.names, each) for each in comparison.twins]
    if not comparison.twins:
        lines.append("No two of them have the same config.")
    return [printable(line) for line in lines]


def _side_by_side(
    title: str, runs: Sequence[str], rows: Sequence[Sequence[str]], *, figures: bool
) -> list[str]:
    """A table with a column for each run; where a terminal or a page has no room for all of them, several tables.

    Figures are shown whole, without their uncertainty where that saves a table. Names of runs, and texts such as
    checksums, lose their middle.
    """
    room = terminal_width() or PAGE
    tables = _fitted(title, runs, rows, room, figures=figures)
    if figures and len(tables) > 1:
        bare = [[*map(without_margin, row)] for row in rows]
        if len(fewer := _fitted(title, runs, bare, room, figures=True)) < len(tables):
            rows, tables = bare, fewer
    lines: list[str] = []
    for table in tables:
        head, *body = zip(*table, strict=True)
        cells_of_rows = [[row[0], *cells] for row, cells in zip(rows, body, strict=True)]
        lines += [*([""] if lines else []), *table_lines([title, *head], cells_of_rows)]
    return lines


def _fitted(
    title: str, runs: Sequence[str], rows: Sequence[Sequence[str]], room: int, *, figures: bool
) -> list[list[list[str]]]:
    """The columns of each table that is needed, every column with the name of its run as its head."""
    room -= max(cell_len(text) for text in (title, *(row[0] for row in rows)))
    share = max(_SHORTEST, room // len(runs) - _GAP) if terminal_width() else _LONGEST
    columns = list(zip(*(row[1:] for row in rows), strict=True))
    longest = [max(map(cell_len, cells)) for cells in columns]
    widths = [max(_SHORTEST, each) if figures else min(share, each) for each in longest]
    if not terminal_width():
        widths = [max(each, min(cell_len(run), _LONGEST)) for run, each in zip(runs, widths, strict=True)]
    tables: list[list[list[str]]] = []
    left = 0
    for run, cells, width in zip(_heads(runs, widths), columns, widths, strict=True):
        needed = max(width, cell_len(run)) + _GAP
        if left < needed:
            tables.append([])
            left = room
        left -= needed
        tables[-1].append([run, *(middle_left_out(cell, width) for cell in cells)])
    return tables


def _heads(runs: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Short names that differ: without their end or else without their middle, if need be with a number."""
    room = [max(_SHORTEST, width) for width in widths]
    middle = [middle_left_out(run, width) for run, width in zip(runs, room, strict=True)]
    end = [
        run if cell_len(run) <= width else f"{run[: width - 1]}…"
        for run, width in zip(runs, room, strict=True)
    ]
    for heads in (end, middle):
        if len(set(heads)) == len(runs):
            return heads
    return [f"{place} {middle_left_out(run, room[place - 1] - 3)}" for place, run in enumerate(runs, start=1)]


def _sentence(names: Sequence[str], twins: Twins) -> str:
    *others, last = (names[index] for index in twins.runs)
    dumps = {
        True: "are equal byte for byte",
        False: "are NOT equal",
        None: "cannot be compared: not every run has them",
    }[twins.dumps_equal]
    return f"{', '.join(others)} and {last} have the same config; their final feature dumps {dumps}."


def _evaluated(comparison: Comparison) -> list[str]:
    """The figures of `cl evaluate`, those that fit first, without those that the runs have noted themselves."""
    keys = [
        f"{split}.{key}" for split in ("test", "train") for key in _fitting(comparison) if key != "images"
    ]
    keys += [f"unknown.{name.key}" for name in OF_SCORES]
    return [key for key in keys if key in comparison.evaluation and key not in comparison.results]


def _noted(comparison: Comparison) -> list[str]:
    """The figures that the runs have noted, those of each split in the same order, and others behind them."""
    places = {key: place for place, key in enumerate(_fitting(comparison))}
    splits = list(dict.fromkeys(key.rpartition(".")[0] for key in comparison.results))

    def place(key: str) -> tuple[int, int]:
        split, _, figure = key.rpartition(".")
        return splits.index(split), places.get(figure, len(places))

    return sorted(comparison.results, key=place)


def _fitting(comparison: Comparison) -> list[str]:
    is_angular = any(run.is_angular for run in comparison.runs)
    return [name.key for name in in_order(FIGURES, is_angular=is_angular)]


def _title(comparison: Comparison, key: str) -> str:
    """A figure in the words of the other tables: `test nearest center`."""
    split, _, figure = key.rpartition(".")
    if figure not in _NAMES:
        return key
    (name,) = with_points([_NAMES[figure]], (run.class_points for run in comparison.runs))
    return f"{split} {name.title}".strip()


def _result_cells(comparison: Comparison, key: str, values: Sequence[float | None]) -> list[str]:
    from centerloss_core.run_directory.comparison import to_first

    split = key.rpartition(".")[0]
    cells = [
        _figure(key, value, run.images(split)) for run, value in zip(comparison.runs, values, strict=True)
    ]
    for index, difference in enumerate(to_first(values)):
        if index and difference is not None:
            cells[index] += f" ({_signed(key, difference)})"
    return [_title(comparison, key), *cells]


def _figure(key: str, value: float | None, images: int | None) -> str:
    name = _NAMES.get(key.rpartition(".")[2])
    if name is None or name.write is number:
        return number(value, ".4g")  # to compare, one more digit says more
    return name.measured_on(images, value)


def _signed(key: str, difference: float) -> str:
    """A difference in the digits of its figure: accuracies in points, the rest to two places that count."""
    if difference == 0:
        return "="
    name = _NAMES.get(key.rpartition(".")[2])
    if name is not None and name.write is percent:
        return f"{100 * difference:+.2f}"
    if key.endswith("images_per_second"):
        return f"{difference:+.0f}"
    return f"{difference:+.1f} s" if key.endswith("seconds") else f"{difference:+.2g}"
