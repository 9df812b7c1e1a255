"""The runs of a sweep side by side, with one legend."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from centerloss_core.plotting.grid import Cell, Grid
from centerloss_core.plotting.plane import project
from centerloss_core.plotting.scatter import DPI, draw_features, legend_handles
from centerloss_core.plotting.style import FAINT
from centerloss_core.plotting.titles import numbers_title

_CELL = (4.5, 4.75)  # inches
_PADDING = 0.08  # inches


def panel_figure(grid: Grid) -> Figure:
    """Draw all runs in boxes of one size, each at its own scale: center loss shrinks the plane."""
    rows, columns = grid.shape
    figure = Figure(
        figsize=(_CELL[0] * columns, _CELL[1] * rows + 0.8),
        dpi=DPI,
        layout=ConstrainedLayoutEngine(h_pad=_PADDING, w_pad=_PADDING),
    )
    for row, column, cell in grid.places:
        axes = figure.add_subplot(rows, columns, row * columns + column + 1)
        _draw_cell(axes, grid, cell)
    figure.suptitle(grid.title(), fontsize=13)
    figure.legend(
        handles=legend_handles(grid.classes),
        loc="outside lower center",
        ncols=grid.classes + 1 if columns > 1 else 4,
        columnspacing=1.2,
        handletextpad=0.2,
        frameon=False,
        fontsize=11,
    )
    return figure


def _draw_cell(axes: Axes, grid: Grid, cell: Cell) -> None:
    lines = [grid.cell_title(cell)]
    if cell.snapshot:
        plane = project(cell.snapshot.dump)
        draw_features(axes, plane, cell.snapshot.dump.labels)
        lines += [numbers_title(cell.snapshot), plane.note]
    else:
        write_status(axes, cell)
        axes.set_box_aspect(1)
    axes.set_title("\n".join(line for line in lines if line), loc="left", fontsize=9, linespacing=1.5)


def write_status(axes: Axes, cell: Cell) -> None:
    """Say in large letters why there are no points, so that nobody overlooks a failed run."""
    axes.set(xticks=[], yticks=[], facecolor=FAINT)
    axes.annotate(cell.words, (0.5, 0.5), xycoords="axes fraction", ha="center", va="center", fontsize=20)
