"""The runs of a sweep side by side, with one legend."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox

from centerloss_core.plotting.classes import legend_handles
from centerloss_core.plotting.grid import Cell, Grid
from centerloss_core.plotting.limits import limits_of
from centerloss_core.plotting.plane import Plane, project
from centerloss_core.plotting.scatter import DPI, draw_features
from centerloss_core.plotting.style import FAINT
from centerloss_core.plotting.text_fit import fit, legend_below
from centerloss_core.plotting.titles import join, numbers_title

_CELL = (4.5, 4.75)  # inches
_NOTE = 0.4  # inches higher, with a third line over a box and the names of axes
_PADDING = 0.08  # inches
_ROOM = 3.9  # inches, about the width of a box: a longer title would run into the next


def panel_figure(grid: Grid, *, shared: bool = False) -> Figure:
    """Draw all runs in boxes of one size.

    Args:
        grid: the runs.
        shared: whether all have the same axes. Center loss shrinks the plane, so most λ are dots then; that is
            what can be seen of it. Else each has a scale of its own, which its ticks and the title tell.
    """
    planes = {(i, j): project(cell.snapshot.dump) for i, j, cell in grid.places if cell.snapshot}
    limits = limits_of(list(planes.values())) if shared else None
    rows, columns = grid.shape
    height = _CELL[1] + (_NOTE if any(plane.note for plane in planes.values()) else 0)
    figure = Figure(
        figsize=(_CELL[0] * columns, height * rows + 0.8),
        dpi=DPI,
        layout=ConstrainedLayoutEngine(h_pad=_PADDING, w_pad=_PADDING),
    )
    for row, column, cell in grid.places:
        axes = figure.add_subplot(rows, columns, row * columns + column + 1)
        _draw_cell(axes, grid, cell, planes.get((row, column)), limits)
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


def _draw_cell(axes: Axes, grid: Grid, cell: Cell, plane: Plane | None, limits: Bbox | None) -> None:
    title = grid.cell_title(cell)
    if cell.snapshot and plane:
        draw_features(axes, plane, cell.snapshot.dump.labels, grid.class_names, limits)
        title = join(title, numbers_title(cell.snapshot.dump), plane.note, by="\n")
    else:
        write_status(axes, cell)
        axes.set_box_aspect(1)
    fit(axes.set_title(title, loc="left", fontsize=9, linespacing=1.5), _ROOM)


def write_status(axes: Axes, cell: Cell) -> None:
    """Say in large letters why there are no points, so that a failed run is not overlooked."""
    axes.set(xticks=[], yticks=[], facecolor=FAINT)
    axes.annotate(
        *(cell.words, (0.5, 0.5)),
        xycoords="axes fraction",
        ha="center",
        va="center",
        fontsize=20,
        parse_math=False,
    )
