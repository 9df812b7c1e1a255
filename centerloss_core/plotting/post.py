"""The look of the blog post's figures, to lay beside them: 928 × 511, rainbow colours, legend inside.

Two things are added that the post does not have: a title, and a small black cross and the name of the class at each
trained center, because in grey, or to some eyes, its colours are few. One is avoided: points under the legend. As in
the post, a unit is not as long across as up; the title says so.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from centerloss_core.plotting.classes import class_names
from centerloss_core.plotting.grid import Grid
from centerloss_core.plotting.panel import write_status
from centerloss_core.plotting.plane import Plane, Projector, project
from centerloss_core.plotting.scatter import mark_centers, name_strips
from centerloss_core.plotting.style import UNKNOWN
from centerloss_core.plotting.text_fit import fit, fit_legend, ruler
from centerloss_core.plotting.titles import join, snapshot_title
from centerloss_core.run_directory.reader import Snapshot

DPI = 100
_SIZE = (9.28, 5.11)  # inches
_TITLE = 0.4  # inches, over several runs
_SCALES = "x and y at scales of their own"
_LEGEND = 2.0  # inches, the widest legend
_MOST_NAMES, _SOME_NAMES = 12, 10  # of classes in a legend: all, or evenly chosen ones
# matplotlib's default axes rectangle, as fractions of the figure: left, bottom, width, height.
_RECTANGLE = (0.125, 0.11, 0.775, 0.77)
# The post's images are its plots at half size: dots of 6 points and lines of 1.5 become 3 and 0.75.
_DOT: dict[str, Any] = {"s": 9, "linewidths": 0.75}
_CENTER: dict[str, Any] = {"marker": "+", "markersize": 5.5, "color": "black", "linestyle": "none"}


def post_figure(snapshot: Snapshot, projector: Projector = project) -> Figure:
    """Draw one run."""
    figure = Figure(figsize=_SIZE, dpi=DPI)
    axes = figure.add_axes(_RECTANGLE)
    plane, names = projector(snapshot.dump), class_names(snapshot)
    _draw_points(axes, plane, names, font_size=6)
    mark_centers(axes, plane, names, _CENTER, largest_name=8)
    fit(axes.set_title(join(snapshot_title(snapshot), plane.note, _SCALES), fontsize=8), _SIZE[0] * 0.96)
    return figure


def post_panel(grid: Grid, *, shared: bool = False, projector: Projector = project) -> Figure:
    """Draw all runs, each as large as a figure of the post, with letters that can be read at half size.

    They have axes of their own, or the same ones. What they have in common is said once over all, and the first one
    has the legend.
    """
    rows, columns = grid.shape
    across, up = _SIZE[0] * columns, _SIZE[1] * rows + _TITLE
    figure = Figure(figsize=(across, up), dpi=DPI)
    drawn: list[tuple[Axes, Plane]] = []
    names_drawn: list[Sequence[str]] = []
    for row, column, cell in grid.places:
        left, bottom, width, height = (
            part * side for part, side in zip(_RECTANGLE, (*_SIZE, *_SIZE), strict=True)
        )
        low = (rows - 1 - row) * _SIZE[1] + bottom
        axes = figure.add_axes(((column * _SIZE[0] + left) / across, low / up, width / across, height / up))
        title = grid.cell_title(cell)
        if cell.snapshot:
            plane = projector(cell.snapshot.dump)
            names, places = grid.naming(cell.snapshot)
            _draw_points(axes, plane, names, font_size=10, legend=not drawn or places is not None)
            drawn.append((axes, plane))
            names_drawn.append(names)
            title = join(title, plane.note)
        else:
            write_status(axes, cell)
        fit(axes.set_title(title, fontsize=12), _SIZE[0] * 0.96)
    over = join(grid.title() + grid.scale_note(shared=shared), _SCALES)
    fit(figure.text(0.5, 1 - _TITLE / 2 / up, over, ha="center", va="center", fontsize=14), across * 0.96)
    if shared:
        _share_limits(drawn)
    for (axes, plane), own in zip(drawn, names_drawn, strict=True):  # now that the limits stand
        mark_centers(axes, plane, own, _CENTER, largest_name=12)
    return figure


def _share_limits(drawn: Sequence[tuple[Axes, Plane]]) -> None:
    """Give all runs the axes that show every point and in which no legend hides one."""
    # A legend is uncovered by moving the right or the upper end of the axes outwards; moving them further for another
    # run covers nothing again.
    for uncovered in (False, True):
        for axes, plane in drawn:
            if uncovered and axes.get_legend():
                _uncover(axes, plane.points)
        common = Bbox.union([axes.viewLim for axes, _ in drawn])
        for axes, _ in drawn:
            axes.set(xlim=common.intervalx, ylim=common.intervaly)


def _draw_points(
    axes: Axes,
    plane: Plane,
    names: Sequence[str],
    font_size: float,
    *,
    legend: bool = True,
) -> None:
    places = range(len(names))
    # A legend of more names would cover the figure; the colours between those that are named are in order.
    named = places if len(names) <= _MOST_NAMES else np.linspace(0, places[-1], _SOME_NAMES).astype(int)
    rainbow = matplotlib.colormaps["rainbow"](np.linspace(0, 1, len(names)))
    looks = [(label, color, names[label]) for label, color in enumerate(rainbow)]
    for label, color, name in [(-1, UNKNOWN, "unknown"), *looks]:
        points = plane.points[plane.labels == label]
        if label >= 0 or len(points):
            shown = name if label < 0 or label in named else None
            axes.scatter(points[:, 0], points[:, 1], color=color, label=shown, rasterized=True, **_DOT)
    if not plane.isometric:
        name_strips(axes, names)
    axes.tick_params(labelsize=font_size, length=2, width=0.5, pad=2)
    axes.set_xlabel(plane.axis_labels[0], fontsize=font_size)
    axes.set_ylabel(plane.axis_labels[1], fontsize=font_size)
    if legend:
        fit_legend(axes.legend(loc="upper right", fontsize=font_size), _LEGEND)
        _uncover(axes, plane.points)


def _uncover(axes: Axes, points: NDArray[np.float64]) -> None:
    """Widen the axes, to the right or upwards, just as far as the legend in that corner hides no point."""
    legend = axes.get_legend()
    assert legend is not None, "it stands in the corner"
    # A dot's width around it.
    corner = legend.get_window_extent(ruler(axes)).padded(8).transformed(axes.transAxes.inverted())
    low, high = axes.viewLim.get_points()
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
