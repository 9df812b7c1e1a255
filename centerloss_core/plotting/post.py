"""The look of the blog post's figures, to lay beside them: 928 × 511, rainbow colours, legend inside.

What the post has not, and what is added here: a title, and a small black cross and the digit at each trained center:
in grey, or to some eyes, its colours are few. What it has and is avoided: points under the legend.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from centerloss_core.plotting.grid import Cell, Grid
from centerloss_core.plotting.limits import Limits, union
from centerloss_core.plotting.panel import write_status
from centerloss_core.plotting.plane import Plane, project
from centerloss_core.plotting.records import Snapshot
from centerloss_core.plotting.scatter import mark_centers
from centerloss_core.plotting.style import rainbow
from centerloss_core.plotting.text_fit import fit, ruler
from centerloss_core.plotting.titles import settings_title

DPI = 100
_SIZE = (9.28, 5.11)  # inches
# matplotlib's default axes rectangle, as fractions of the figure: left, bottom, width, height.
_RECTANGLE = (0.125, 0.11, 0.775, 0.77)
# The post's images are its plots at half size: dots of 6 points and lines of 1.5 become 3 and 0.75.
_DOT: dict[str, Any] = {"s": 9, "linewidths": 0.75}
_CENTER: dict[str, Any] = {"marker": "+", "markersize": 5.5, "color": "black", "linestyle": "none"}


def post_figure(snapshot: Snapshot) -> Figure:
    """Draw one run."""
    figure = Figure(figsize=_SIZE, dpi=DPI)
    axes = figure.add_axes(_RECTANGLE)
    plane = project(snapshot.dump)
    _draw_points(axes, plane, snapshot.dump.labels, font_size=6)
    mark_centers(axes, plane, _CENTER, largest_digit=8)
    fit(axes.set_title(_join(settings_title(snapshot), plane.note), fontsize=8), _SIZE[0] * 0.96)
    return figure


def post_panel(grid: Grid, *, shared: bool = False) -> Figure:
    """Draw all runs, each as large as a figure of the post, with letters that can be read at half size.

    Args:
        grid: the runs.
        shared: whether all have the same axes.
    """
    rows, columns = grid.shape
    figure = Figure(figsize=(_SIZE[0] * columns, _SIZE[1] * rows), dpi=DPI)
    for row, column, cell in grid.places:
        left, bottom, width, height = _RECTANGLE
        axes = figure.add_axes(
            ((column + left) / columns, (rows - 1 - row + bottom) / rows, width / columns, height / rows)
        )
        _draw_cell(axes, grid, cell, grid.scale_note(shared=shared))
    if shared:
        _share_limits(figure, grid)
    for axes, (_, _, cell) in zip(figure.axes, grid.places, strict=True):
        if cell.snapshot:  # now that the limits stand
            mark_centers(axes, project(cell.snapshot.dump), _CENTER, largest_digit=12)
    return figure


def _share_limits(figure: Figure, grid: Grid) -> None:
    """Give all runs the axes that show every point and in which no legend hides one."""
    drawn = [
        (axes, project(cell.snapshot.dump).points)
        for axes, (_, _, cell) in zip(figure.axes, grid.places, strict=True)
        if cell.snapshot
    ]
    # From axes that all have in common, a legend is uncovered by moving the right end or the upper one outwards.
    # Moving either further, for another run's sake, uncovers no less.
    for uncovered in (False, True):
        for axes, points in drawn:
            legend = axes.get_legend()
            if uncovered and legend is not None:
                _uncover(axes, points, legend)
        common = union([Limits(*axes.get_xlim(), *axes.get_ylim()) for axes, _ in drawn])
        for axes, _ in drawn:
            common.apply(axes)


def _draw_cell(axes: Axes, grid: Grid, cell: Cell, scale_note: str) -> None:
    note = ""
    if cell.snapshot:
        plane = project(cell.snapshot.dump)
        _draw_points(axes, plane, cell.snapshot.dump.labels, font_size=10)
        note = plane.note
    else:
        write_status(axes, cell)
    title = _join(grid.cell_title(cell), grid.title() + scale_note, note)
    fit(axes.set_title(title, fontsize=12), _SIZE[0] * 0.96)


def _draw_points(axes: Axes, plane: Plane, labels: NDArray[np.integer], font_size: float) -> None:
    for digit, color in enumerate(rainbow(len(plane.centers))):
        points = plane.points[labels == digit]
        axes.scatter(points[:, 0], points[:, 1], color=color, label=str(digit), rasterized=True, **_DOT)
    axes.tick_params(labelsize=font_size, length=2, width=0.5, pad=2)
    axes.set_xlabel(plane.axis_labels[0], fontsize=font_size)
    axes.set_ylabel(plane.axis_labels[1], fontsize=font_size)
    legend = axes.legend(loc="upper right", fontsize=font_size)
    _uncover(axes, plane.points, legend)


def _uncover(axes: Axes, points: NDArray[np.float64], legend: Legend) -> None:
    """Widen the axes, to the right or upwards, just as far as the legend in that corner hides no point."""
    corner = _box_in_axes(axes, legend)
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    at = (points - low) / (high - low)
    right, above = at[:, 0] > corner.x0, at[:, 1] > corner.y0
    if not (right & above).any():
        return
    # Stretching one direction leaves the other alone: the points level with the legend must end left of it,
    # or those below it under it. The smaller stretch keeps the picture closer to the post's.
    stretch_x = at[above, 0].max() / corner.x0
    stretch_y = at[right, 1].max() / corner.y0
    if stretch_x < stretch_y:
        axes.set_xlim(low[0], low[0] + (high[0] - low[0]) * stretch_x)
    else:
        axes.set_ylim(low[1], low[1] + (high[1] - low[1]) * stretch_y)


def _box_in_axes(axes: Axes, legend: Legend) -> Bbox:
    """Return the legend's box as fractions of the axes, with a dot's width around it."""
    figure = axes.get_figure(root=True)
    assert figure is not None, "a legend is measured where it stands"
    return legend.get_window_extent(ruler(figure)).padded(8).transformed(axes.transAxes.inverted())


def _join(*parts: str) -> str:
    return " · ".join(part for part in parts if part)
