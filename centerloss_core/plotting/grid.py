"""Where each run of a sweep goes in a panel."""

import math
from dataclasses import dataclass

from centerloss_core.plotting.records import Snapshot, SweepPoint
from centerloss_core.plotting.titles import epoch_title, number, weight_title

MAX_ROWS = 6


@dataclass(frozen=True)
class Cell:
    """A point of the sweep and its features; without features its status is written instead."""

    point: SweepPoint
    snapshot: Snapshot | None = None

    @property
    def words(self) -> str:
        """What stands where points would; a completed run without features has lost them."""
        return "features missing" if self.point.status == "completed" else self.point.status


@dataclass(frozen=True)
class Grid:
    """The cells of a panel.

    Attributes:
        rows: of equal length, λ rising from left to right; None leaves a place empty.
        one_setting: whether all cells share α and seed, so that λ alone tells them apart.
        note: which runs were left out, or empty.
    """

    rows: list[list[Cell | None]]
    one_setting: bool
    note: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.rows[0])

    @property
    def places(self) -> list[tuple[int, int, Cell]]:
        """Row, column and cell of every place that is not empty."""
        return [(i, j, cell) for i, row in enumerate(self.rows) for j, cell in enumerate(row) if cell]

    @property
    def classes(self) -> int:
        """How many classes a legend must name."""
        return max(len(cell.snapshot.dump.centers) for _, _, cell in self.places if cell.snapshot)

    def title(self) -> str:
        """Return what all cells have in common, like `MNIST test · α = 0.5, seed 0`."""
        shown = next(cell.snapshot for _, _, cell in self.places if cell.snapshot)
        parts = [f"{shown.run.data_title} {shown.split}"]
        if self.one_setting:
            parts.append(_setting(self.places[0][2].point))
        return " · ".join([*parts, self.note] if self.note else parts)

    def scale_note(self, *, shared: bool) -> str:
        """Return what a title adds on the axes, so that nobody compares lengths that cannot be compared."""
        if sum(1 for _, _, cell in self.places if cell.snapshot) < 2:
            return ""
        return " · all at one scale" if shared else " · each at its own scale"

    def cell_title(self, cell: Cell) -> str:
        """Return what tells a cell from the others, like `λ = 0.01 (λ_eq = 1)`."""
        snapshot = cell.snapshot
        weight = weight_title(snapshot.run) if snapshot else f"λ = {number(cell.point.weight)}"
        setting = "" if self.one_setting else f" · {_setting(cell.point)}"
        return weight + setting + (epoch_title(snapshot) if snapshot else "")


def arrange(cells: list[Cell]) -> Grid:
    """Put runs that differ in λ alone on a near-square grid; else a row per (α, seed) and a column per λ.

    A panel of more than `MAX_ROWS` rows is not legible: then the first seed stands for the others.
    """
    settings = sorted({(cell.point.alpha, cell.point.seed) for cell in cells})
    if len(settings) == 1:
        return Grid(_wrap(sorted(cells, key=lambda cell: cell.point.weight)), one_setting=True)
    kept, note = _limit(settings)
    weights = sorted({cell.point.weight for cell in cells})
    at = {(cell.point.alpha, cell.point.seed, cell.point.weight): cell for cell in cells}
    rows = [[at.get((*setting, weight)) for weight in weights] for setting in kept]
    return Grid(rows, one_setting=False, note=note)


def _wrap(cells: list[Cell]) -> list[list[Cell | None]]:
    # Four in a row are too small to read on a page; two rows of two are twice as large.
    columns = len(cells) if len(cells) <= 3 else math.ceil(math.sqrt(len(cells)))
    padded: list[Cell | None] = [*cells, *[None] * (-len(cells) % columns)]
    return [padded[start : start + columns] for start in range(0, len(padded), columns)]


def _limit(settings: list[tuple[float, int]]) -> tuple[list[tuple[float, int]], str]:
    """Return the (α, seed) that get a row, and a note on what was left out."""
    if len(settings) <= MAX_ROWS:
        return settings, ""
    first_seeds = [
        pair for pair in settings if pair[1] == min(seed for alpha, seed in settings if alpha == pair[0])
    ]
    kept = first_seeds[:MAX_ROWS]
    return kept, f"{len(kept)} of {len(settings)} combinations of α and seed"


def _setting(point: SweepPoint) -> str:
    return f"α = {number(point.alpha)}, seed {point.seed}"
