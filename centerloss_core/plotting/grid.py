"""Where each run of a sweep goes in a panel."""

import math
from dataclasses import dataclass

from centerloss_core.plotting.records import Snapshot, SweepPoint
from centerloss_core.plotting.titles import epoch_title, setting_title, weight_title

MAX_ROWS, MAX_COLUMNS = 6, 12


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
            parts.append(setting_title(*_setting(self.places[0][2])))
        return " · ".join([*parts, self.note] if self.note else parts)

    def scale_note(self, *, shared: bool) -> str:
        """Return what a title adds on the axes, so that nobody compares lengths that cannot be compared."""
        if sum(1 for _, _, cell in self.places if cell.snapshot) < 2:
            return ""
        return " · all at one scale" if shared else " · each at its own scale"

    def cell_title(self, cell: Cell) -> str:
        """Return what tells a cell from the others, like `λ = 0.01 (λ_eq = 1)`."""
        # What the run itself says comes first: an old summary has no λ_eq.
        run = cell.snapshot.run if cell.snapshot else cell.point
        weight = weight_title(run.weight, run.weight_eq)
        setting = "" if self.one_setting else f" · {setting_title(*_setting(cell))}"
        return weight + setting + (epoch_title(cell.snapshot) if cell.snapshot else "")


def arrange(cells: list[Cell]) -> Grid:
    """Put runs that differ in λ alone on a near-square grid; else a row per (α, seed) and a column per λ.

    A panel of more than `MAX_ROWS` rows is not legible: then the first seed stands for the others. Nor is one of more
    than `MAX_COLUMNS` columns: then λ are left out evenly, and the smallest and the largest stay.
    """
    at = {(cell.point.alpha, cell.point.seed, cell.point.weight): cell for cell in cells}
    settings, few_settings = _limit_settings(cells)
    in_rows = [cell for cell in cells if _setting(cell) in settings]
    if len({_setting(cell) for cell in cells}) == 1:
        weights, note = _limit_weights(in_rows, MAX_COLUMNS**2)
        return Grid(_wrap([at[(*settings[0], weight)] for weight in weights]), one_setting=True, note=note)
    weights, few_weights = _limit_weights(in_rows, MAX_COLUMNS)
    rows = [[at.get((*setting, weight)) for weight in weights] for setting in settings]
    return Grid(
        rows, one_setting=False, note=" · ".join(note for note in (few_settings, few_weights) if note)
    )


def _wrap(cells: list[Cell]) -> list[list[Cell | None]]:
    # Four in a row are too small to read on a page; two rows of two are twice as large.
    columns = len(cells) if len(cells) <= 3 else math.ceil(math.sqrt(len(cells)))
    padded: list[Cell | None] = [*cells, *[None] * (-len(cells) % columns)]
    return [padded[start : start + columns] for start in range(0, len(padded), columns)]


def _limit_settings(cells: list[Cell]) -> tuple[list[tuple[float, int]], str]:
    """Return the (α, seed) that get a row, and a note on what was left out."""
    settings = sorted({_setting(cell) for cell in cells})
    if len(settings) <= MAX_ROWS:
        return settings, ""
    drawn = sorted({_setting(cell) for cell in cells if cell.snapshot})  # what there is to see comes first
    first_seeds = [
        pair for pair in drawn if pair[1] == min(seed for alpha, seed in drawn if alpha == pair[0])
    ]
    kept = first_seeds[:MAX_ROWS]
    return kept, f"{len(kept)} of {len(settings)} combinations of α and seed"


def _limit_weights(cells: list[Cell], most: int) -> tuple[list[float], str]:
    """Return the λ that get a place, ascending, and a note on what was left out."""
    weights = sorted({cell.point.weight for cell in cells})
    if len(weights) <= most:
        return weights, ""
    drawn = sorted({cell.point.weight for cell in cells if cell.snapshot})
    if len(drawn) > most:
        drawn = [drawn[round(place * (len(drawn) - 1) / (most - 1))] for place in range(most)]
    return drawn, f"{len(drawn)} of {len(weights)} λ"


def _setting(cell: Cell) -> tuple[float, int]:
    return cell.point.alpha, cell.point.seed
