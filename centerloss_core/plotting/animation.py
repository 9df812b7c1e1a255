"""The features over the epochs: which frames there are, and how one looks.

The axes stand still, so that whatever moves in the picture has moved in the plane: those of each run hold all its
epochs, or one scale holds all runs. The first epochs of all λ are about equally wide, and center loss shrinks what
follows, at λ = 1 to an eighth. Axes that follow the points show the late clusters large; they move only when they
must, and the ticks tell the scale.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from centerloss_core.limits import FILM_FRAMES
from centerloss_core.plotting.classes import has_short_names, legend_handles
from centerloss_core.plotting.grid import Cell, Grid, evenly
from centerloss_core.plotting.limits import follow, limits_of
from centerloss_core.plotting.panel import write_status
from centerloss_core.plotting.plane import Plane, project
from centerloss_core.plotting.scatter import draw_features
from centerloss_core.plotting.text_fit import fit, legend_below
from centerloss_core.plotting.titles import join, numbers_title
from centerloss_core.run_directory.feature_dumps import FeatureFileError, read_features

_DPI = 100
# Inches, fixed: boxes that move from frame to frame would hide how the points do.
_LEFT, _BOTTOM, _GAP, _RIGHT, _CELL_TITLE, _TITLE, _LEGEND = 0.6, 0.3, 0.65, 0.2, 0.55, 0.45, 0.5
_BOX_OF_COLUMNS = {1: 5.2, 2: 4.0, 3: 3.0}
_SMALLEST_BOX = 2.6
_AXIS_NAME = 0.2  # more below a box whose axes have names
_HALF = 6  # names side by side, of a legend in two rows


@dataclass(frozen=True, eq=False)
class Moment:
    """A run after one epoch, ready to draw."""

    epoch: int
    plane: Plane
    labels: NDArray[np.integer]
    numbers: str  # accuracies and separation in that epoch


@dataclass(frozen=True, eq=False)
class Film:
    """All runs over all frames.

    Attributes:
        grid: where the runs stand.
        epochs: what each frame shows, ascending.
        moments: by row and column of the grid, a run's epochs, ascending; runs without any are absent.
        axes: "own", the same in all frames of a run; "shared", the same in those of all runs; or "follow" the points.
        skipped: how many epochs were left out because there are too many.
    """

    grid: Grid
    epochs: list[int]
    moments: dict[tuple[int, int], list[Moment]]
    axes: str
    skipped: int = 0

    def limits(self) -> dict[tuple[int, int], dict[int, Bbox]]:
        """Return the axes of each run by the epoch of the frame: every point of that frame is within."""
        if self.axes == "follow":
            following = {}
            for place in self.moments:
                needed = [limits_of([self.moment(place, epoch).plane]) for epoch in self.epochs]
                following[place] = dict(zip(self.epochs, follow(needed), strict=True))
            return following
        fixed = {place: limits_of([moment.plane for moment in run]) for place, run in self.moments.items()}
        if self.axes == "shared":
            fixed = dict.fromkeys(fixed, Bbox.union(list(fixed.values())))
        return {place: dict.fromkeys(self.epochs, limits) for place, limits in fixed.items()}

    def moment(self, place: tuple[int, int], epoch: int) -> Moment:
        """Return what a run shows in a frame: a shorter run stays as its last epoch left it."""
        run = self.moments[place]
        return next((moment for moment in reversed(run) if moment.epoch <= epoch), run[0])


def read_film(grid: Grid, split: str, *, axes: str, note: Callable[[str], None]) -> Film | None:
    """Read the epochs of all runs of a grid, for `Film.axes`; None where no run has two.

    A run with a damaged dump is left out, with a note, as long as there are others.

    Raises:
        FeatureFileError: a dump is damaged.
    """
    dumps = {(row, column): cell.run.epoch_dumps(split) for row, column, cell in grid.places if cell.snapshot}
    if max(map(len, dumps.values()), default=0) < 2:
        return None
    epochs = sorted({epoch for run in dumps.values() for epoch in run})
    kept = [epochs[place] for place in evenly(len(epochs), FILM_FRAMES)]
    moments = {}
    for place, run in dumps.items():
        # A run shorter than the others has its last epoch, even if no frame falls on it.
        shown = {epoch: path for epoch, path in run.items() if epoch in kept or epoch == max(run)}
        if not shown:
            continue
        try:
            moments[place] = _read_run(shown)
        except FeatureFileError as error:
            if len(dumps) == 1:
                raise
            note(f"left out of the animation: {error}")
    if not moments:
        return None
    return Film(grid, kept, moments, axes, len(epochs) - len(kept))


def _read_run(dumps: dict[int, Path]) -> list[Moment]:
    # The principal components of the last epoch serve all: axes that turn would move the points.
    last = read_features(dumps[max(dumps)])
    moments = []
    for epoch, path in sorted(dumps.items()):
        dump = read_features(path)
        moments.append(Moment(epoch, project(dump, last), dump.labels, numbers_title(dump)))
    return moments


class Screen:
    """The figure that shows one frame after the other."""

    def __init__(self, film: Film) -> None:
        self._film, self._limits = film, film.limits()
        rows, columns = film.grid.shape
        box = _BOX_OF_COLUMNS.get(columns, _SMALLEST_BOX)
        named = any(run[0].plane.axis_labels[0] for run in film.moments.values())
        bottom = _BOTTOM + (_AXIS_NAME if named else 0)
        cell_width, cell_height = box + _GAP, _CELL_TITLE + box + bottom
        # Whole, even numbers of pixels: what video codecs ask for.
        width = _even(_LEFT + columns * cell_width - _GAP + _RIGHT)
        height = _even(_TITLE + rows * cell_height + _LEGEND)
        self._box = box
        self.figure = Figure(figsize=(width, height), dpi=_DPI)
        self._title = self.figure.text(0.1 / width, 1 - 0.25 / height, "", fontsize=12, va="center")
        self._room = width - 0.2
        self._axes = {
            (row, column): self.figure.add_axes(
                (
                    (_LEFT + column * cell_width) / width,
                    (_LEGEND + (rows - 1 - row) * cell_height + bottom) / height,
                    box / width,
                    box / height,
                )
            )
            for row, column, _ in film.grid.places
        }
        self._names = film.grid.class_names
        handles = legend_handles(self._names, *film.grid.dumps)
        wide = columns > 1 and has_short_names(handles)
        legend_below(
            self.figure,
            handles,
            columns=len(handles) if wide else _HALF,
            fewest=_HALF,
            room=width - 0.2,
            columnspacing=0.9,
            handletextpad=0.1,
            fontsize=10 if wide else 8,
            borderaxespad=0.2,
        )

    def show(self, epoch: int) -> None:
        """Draw the frame of an epoch over the one before."""
        film = self._film
        for row, column, cell in film.grid.places:
            axes = self._axes[row, column]
            axes.clear()
            self._draw_cell(axes, (row, column), cell, epoch)
        note = film.grid.scale_note(shared=film.axes == "shared")
        note += " · axes follow the points" if film.axes == "follow" else " · axes fixed"
        self._title.set_fontsize(12)
        self._title.set_text(f"epoch {epoch} of {film.epochs[-1]} · {film.grid.title()}{note}")
        fit(self._title, self._room)

    def _draw_cell(self, axes: Axes, place: tuple[int, int], cell: Cell, epoch: int) -> None:
        if place not in self._film.moments or cell.snapshot is None:
            write_status(axes, cell)
            axes.set_title(self._film.grid.cell_title(cell), loc="left", fontsize=9)
            return
        moment = self._film.moment(place, epoch)
        draw_features(axes, moment.plane, moment.labels, self._names, self._limits[place][epoch])
        if self._film.grid.shape[1] > 3:  # no room between the boxes
            axes.set(xlabel="", ylabel="")
        # Only a run whose epoch is another than that over the picture says so.
        other = None if moment.epoch == epoch else moment.epoch
        shown = replace(cell, snapshot=replace(cell.snapshot, epoch=other))
        title = join(self._film.grid.cell_title(shown), moment.numbers, moment.plane.note, by="\n")
        fit(axes.set_title(title, loc="left", fontsize=9, linespacing=1.4), self._box)


def _even(inches: float) -> float:
    return 2 * round(inches * _DPI / 2) / _DPI
