"""The runs of a sweep side by side, with one legend."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from centerloss_core.plotting.classes import legend_handles
from centerloss_core.plotting.grid import Cell, Grid
from centerloss_core.plotting.limits import limits_of
from centerloss_core.plotting.plane import Plane, project
from centerloss_core.plotting.scatter import draw_features
from centerloss_core.plotting.style import DPI, FAINT
from centerloss_core.plotting.text_fit import fit, legend_below
from centerloss_core.plotting.titles import join, numbers_title
from centerloss_core.run_directory.feature_dumps import FeatureDump

_CELL = (4.5, 4.75)  # inches
_NOTE = 0.4  # inches higher, with a third line over a box and the names of axes
_PADDING = 0.08  # inches
_ROOM = 3.9  # inches, about the width of a box: a longer title would run into the next


@dataclass(frozen=True, eq=False)
class Moment:
    """A run after one epoch, or at its end (None), ready to draw."""

    epoch: int | None
    plane: Plane
    labels: NDArray[np.integer]
    numbers: str  # accuracies and separation


def moment_of(dump: FeatureDump, epoch: int | None = None, reference: FeatureDump | None = None) -> Moment:
    """Put the features in the plane of a reference, or in their own, and measure them."""
    return Moment(epoch, project(dump, reference), dump.labels, numbers_title(dump))


def panel_figure(grid: Grid, *, shared: bool = False) -> Figure:
    """Draw all runs in boxes of one size, each at a scale of its own, which its ticks and the title tell, or at one.

    Center loss shrinks the plane, so at one scale most λ are dots; that is what can be seen of it.
    """
    moments = {(i, j): moment_of(cell.snapshot.dump) for i, j, cell in grid.places if cell.snapshot}
    planes = [moment.plane for moment in moments.values()]
    limits = limits_of(planes) if shared else None
    rows, columns = grid.shape
    height = _CELL[1] + (_NOTE if any(plane.note for plane in planes) else 0)
    figure = Figure(
        figsize=(_CELL[0] * columns, height * rows + 0.8),
        dpi=DPI,
        layout=ConstrainedLayoutEngine(h_pad=_PADDING, w_pad=_PADDING),
    )
    for row, column, cell in grid.places:
        axes = figure.add_subplot(rows, columns, row * columns + column + 1)
        draw_cell(axes, grid, cell, moments.get((row, column)), limits, _ROOM, spacing=1.5)
    room = figure.get_figwidth() - 2 * _PADDING
    fit(figure.suptitle(f"{grid.title()}{grid.scale_note(shared=shared)}", fontsize=13), room)
    handles = legend_handles(grid.class_names, *grid.dumps)
    legend_below(
        figure,
        handles,
        columns=4 if columns == 1 else len(handles),
        fewest=4,
        room=room,
        loc="outside lower center",
        columnspacing=1.2,
        handletextpad=0.2,
        fontsize=11,
    )
    return figure


def draw_cell(
    axes: Axes, grid: Grid, cell: Cell, shown: Moment | None, limits: Bbox | None, room: float, spacing: float
) -> None:
    """Draw a run, or its status, under a title that is at most `room` inches wide, its lines `spacing` high."""
    title = grid.cell_title(cell)
    if shown:
        draw_features(axes, shown.plane, shown.labels, grid.class_names, limits)
        title = join(title, shown.numbers, shown.plane.note, by="\n")
    else:
        write_status(axes, cell)
        axes.set_box_aspect(1)
    fit(axes.set_title(title, loc="left", fontsize=9, linespacing=spacing), room)


def write_status(axes: Axes, cell: Cell) -> None:
    """Say in large letters why there are no points, so that a failed run is not overlooked."""
    # A completed run without features has lost them.
    words = "features missing" if cell.run.status == "completed" else cell.run.status
    axes.set(xticks=[], yticks=[], facecolor=FAINT)
    middle: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center"}
    axes.text(0.5, 0.5, words, fontsize=20, parse_math=False, **middle)
