"""Where each run of a sweep goes in a panel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from centerloss_core.config.axes import LAMBDA, LOSS, SEED, label, sign, value_of, varying
from centerloss_core.formatting import finite
from centerloss_core.plotting.classes import class_names, color_places, common_names
from centerloss_core.plotting.logged import evenly
from centerloss_core.plotting.titles import (
    compared_title,
    data_title,
    epoch_title,
    join,
    numbers_title,
    settings_title,
    title_keys,
)
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.reader import RunRecord, Snapshot

MAX_ROWS, MAX_COLUMNS = 6, 12
_NARROWEST = 1.6  # inches of a column, with room for its heading


@dataclass(frozen=True, eq=False)
class Cell:
    """A point of the sweep and its features; without features its status is written instead."""

    run: RunRecord
    snapshot: Snapshot | None = None


@dataclass(frozen=True, eq=False)
class Grid:
    """The cells of a panel."""

    rows: list[list[Cell | None]]  # of equal length; None leaves a place empty
    common: tuple[str, ...]  # the settings that all cells share and the panel's title names
    own: tuple[str, ...]  # those that tell the cells apart, or that of a single one
    note: str = ""  # which runs were left out

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.rows[0])

    @property
    def places(self) -> list[tuple[int, int, Cell]]:
        """Row, column and cell of every place that is not empty."""
        return [(i, j, cell) for i, row in enumerate(self.rows) for j, cell in enumerate(row) if cell]

    @property
    def snapshots(self) -> list[Snapshot]:
        """Of the runs that have features."""
        return [cell.snapshot for _, _, cell in self.places if cell.snapshot]

    @property
    def dumps(self) -> list[FeatureDump]:
        return [snapshot.dump for snapshot in self.snapshots]

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Those of all runs, which a legend must name."""
        return common_names(self.snapshots)

    def naming(self, snapshot: Snapshot) -> tuple[tuple[str, ...], list[int] | None]:
        """Return the names of the classes of a run, and which of the colours each has, if not those in order.

        A class has the same colour in every panel, whatever its number in the run.
        """
        names = class_names(snapshot)
        if self.color_places is not None:
            return names, color_places(snapshot)
        if names == self.class_names[: len(names)]:
            return self.class_names, None
        return names, [self.class_names.index(name) for name in names]

    @cached_property
    def color_places(self) -> list[int] | None:
        """Which colour each of `class_names` has, if not those in order."""
        each = [color_places(snapshot) for snapshot in self.snapshots]
        if any(places is None for places in each):
            return None
        named = zip(map(class_names, self.snapshots), each, strict=True)
        by_name = {
            name: place for names, places in named for name, place in zip(names, places or (), strict=True)
        }
        return [by_name[name] for name in self.class_names]

    def title(self) -> str:
        """Return what all cells have in common, like `MNIST test · α = 0.5, seed 0`."""
        shown = self.snapshots[0]
        settings = settings_title(shown.run, self.common)
        titles = {data_title(snapshot.run) for snapshot in self.snapshots}
        data = titles.pop() if len(titles) == 1 else ""  # runs of several data sets say it themselves
        return join(f"{data} {shown.split}".strip(), settings, self.note)

    @property
    def is_over_losses(self) -> bool:
        return LOSS in self.own

    def numbers(self, run: RunRecord, dump: FeatureDump) -> str:
        """Return what a title says of the features of a run: what all losses have, where runs differ in them."""
        return compared_title(dump, by_angle=run.is_angular) if self.is_over_losses else numbers_title(dump)

    def scale_note(self, *, shared: bool) -> str:
        """Return what a title adds on the axes, so that lengths that cannot be compared are not."""
        if len(self.snapshots) < 2:
            return ""
        return " · all at one scale" if shared else " · each at its own scale"

    def cell_title(self, cell: Cell) -> str:
        """Return what tells a cell from the others, like `λ = 0.01 (λ_eq = 1), seed 1`."""
        return settings_title(cell.run, self.own) + (epoch_title(cell.snapshot) if cell.snapshot else "")


def arrange(
    cells: Sequence[Cell], axes: Sequence[str] = (), *, row: bool = False, width: float | None = None
) -> Grid:
    """Put runs that differ in one setting on a near-square grid, or in one row; else that in columns, others in rows.

    A grid has no more columns than can be read in `width` inches, if a figure is to have that.

    The columns are λ if it varies, else the setting with the most values; seeds come last. What has more than
    `MAX_ROWS` rows or `MAX_COLUMNS` columns is not legible: the first seed stands for the others, then values are left
    out evenly. Of a sweep over losses, the columns are the losses, and each has the first of its seeds with features.
    Runs of few of the combinations follow one another as those that differ in one setting do.
    """
    runs = [cell.run for cell in cells]
    keys = title_keys(axes)
    vary = varying([run.settings for run in runs], keys)
    column, note = main_axis(runs, vary), ""
    if column == LOSS and SEED in vary:
        note = f"one of {len(values_of(runs, SEED))} seeds"
        vary.remove(SEED)
        cells = _first_of_each(cells, vary)
        runs = [cell.run for cell in cells]
    rows = [key for key in vary if key != column]
    same = [key for key in keys if key not in varying([run.settings for run in runs], keys)]
    common = tuple(key for key in same if key != column)
    own = tuple(key for key in keys if key not in common)
    columns = [column]
    if 3 * len(cells) <= 2 * len(combinations(runs, rows)) * len(values_of(runs, column)):
        rows, columns = [], vary  # as of runs made by hand: most of the grid would be empty
    at = {(combination(cell.run, rows), combination(cell.run, columns)): cell for cell in cells}
    kept_rows, few_rows = _legible(cells, rows, MAX_ROWS)
    most = MAX_COLUMNS if rows or row else MAX_COLUMNS**2
    in_rows = [cell for cell in cells if combination(cell.run, rows) in kept_rows]
    values, few_columns = _legible(in_rows, columns, most)
    places = [[at.get((combined, value)) for value in values] for combined in kept_rows]
    if not rows and not row:
        # Four in a row are too small to read on a page; two rows of two are twice as large.
        across = len(values) if len(values) <= 3 else math.ceil(math.sqrt(len(values)))
        if width is not None:
            across = max(1, min(across, int(width / _NARROWEST)))
        padded = [*places[0], *[None] * (-len(values) % across)]
        places = [padded[start : start + across] for start in range(0, len(padded), across)]
    return Grid(places, common, own, join(note, few_rows, few_columns))


# ---- The values of a setting --------------------------------------------------------------------------------


def main_axis(runs: Sequence[RunRecord], vary: Sequence[str]) -> str:
    """Return the loss or λ if it varies, λ if nothing does, else the setting with the most values; seeds come last."""
    if LOSS in vary:
        return LOSS
    if not vary or LAMBDA in vary:
        return LAMBDA
    return max(vary, key=lambda key: (key != SEED, len(values_of(runs, key))))


def values_of(runs: Sequence[RunRecord], key: str) -> dict[str, Any]:
    """Return the values of a setting by their labels: numbers ascending, others in the order of the runs."""
    found = {label_of(run, key): value_of(run.settings, key) for run in runs}
    if all(finite(value) is not None for value in found.values()):
        return dict(sorted(found.items(), key=lambda item: float(item[1])))
    return found


def label_of(run: RunRecord, key: str) -> str:
    return label(key, value_of(run.settings, key))


def combination(run: RunRecord, keys: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of several settings."""
    return tuple(label_of(run, key) for key in keys)


def combinations(runs: Sequence[RunRecord], keys: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the combinations of several settings that there are, in the order of their values."""
    ranks = [{name: rank for rank, name in enumerate(values_of(runs, key))} for key in keys]
    found = {combination(run, keys) for run in runs}
    return sorted(found, key=lambda names: [rank[name] for rank, name in zip(ranks, names, strict=True)])


def _first_of_each(cells: Sequence[Cell], keys: Sequence[str]) -> list[Cell]:
    """Return one cell of each combination, in their order: the first with features, if one has any."""
    found: dict[tuple[str, ...], Cell] = {}
    for cell in cells:
        names = combination(cell.run, keys)
        if names not in found or (cell.snapshot and not found[names].snapshot):
            found[names] = cell
    return list(found.values())


def _legible(cells: Sequence[Cell], keys: Sequence[str], most: int) -> tuple[list[tuple[str, ...]], str]:
    """Return the combinations that get a place, and a note on what was left out."""
    everything = combinations([cell.run for cell in cells], keys)
    if len(everything) <= most:
        return everything, ""
    # What there is to see comes first.
    kept = combinations([cell.run for cell in cells if cell.snapshot], keys)
    if SEED in keys:
        seed = keys.index(SEED)
        first = {names[:seed] + names[seed + 1 :]: names for names in reversed(kept)}
        kept = [names for names in kept if names in first.values()]
    kept = evenly(kept, most)
    what = "values" if len(keys) == 1 else "combinations"
    signs = " and ".join(sign(key, keys) for key in keys)
    return kept, f"{len(kept)} of {len(everything)} {what} of {signs}"
