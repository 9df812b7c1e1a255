"""The features of one run as a scatter plot, a colour per class, with the trained centers."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from centerloss_core.plotting.classes import all_named, class_names, color_places, legend_handles, mark_of
from centerloss_core.plotting.label_places import name_places
from centerloss_core.plotting.limits import limits_of
from centerloss_core.plotting.one_box import one_box
from centerloss_core.plotting.plane import Plane, Projector, project
from centerloss_core.plotting.sheet import SMALLEST_LETTERS, Sheet, sheet_of
from centerloss_core.plotting.style import colors_of, drawing_order
from centerloss_core.plotting.text_fit import (
    dpi,
    legend_below,
    text_width,
)
from centerloss_core.plotting.titles import join, numbers_title, snapshot_title
from centerloss_core.run_directory.reader import Snapshot

# Inches. Fixed margins, wide enough for labels like −0.0025, put the boxes of two figures in the same place.
_LEFT, _BOTTOM, _BOX, _RIGHT, _LEGEND = 0.75, 0.5, 5.4, 0.2, 0.3
_SMALL_BOX, _FEW_TICKS = 2.6, 4  # inches: in a smaller box, labels of more ticks would touch
OWN_SHEET = sheet_of(1.0, None)
OUTLINE = [matplotlib.patheffects.withStroke(linewidth=2.6, foreground="white")]
# Points. Marks and names have their full size if half of the centers have this much room around them, and shrink
# with it.
_ROOM, _SMALLEST_NAME = 24, 8
_SMALLEST_MARK = 0.4
_MOST_STRIPS, _LONGEST_TICK = 20, 8  # strips that have a tick each; characters of its name
# The area of a dot of very many images in square points, and the largest that a few have.
_DOT, _LARGEST_DOT, _VERY_MANY = 7.0, 26.0, 10_000


def scatter_figure(snapshot: Snapshot, width: float | None = None, projector: Projector = project) -> Figure:
    """Draw one run, `width` inches wide."""
    plane, names, places = projector(snapshot.dump), class_names(snapshot), color_places(snapshot)
    return square_figure(
        snapshot,
        plane.note,
        width,
        lambda axes, sheet: draw_features(axes, plane, names, sheet=sheet, places=places),
    )


def square_figure(
    snapshot: Snapshot, note: str, width: float | None, draw: Callable[[Axes, Sheet], set[int]]
) -> Figure:
    """Draw one run into a square box between title and legend; `draw` returns the classes that it names."""
    names, places = class_names(snapshot), color_places(snapshot)
    sheet = sheet_of(_LEFT + _BOX + _RIGHT, width)
    figure, axes = one_box(
        join(snapshot_title(snapshot), numbers_title(snapshot.dump), note, by="\n"),
        sheet,
        left=_LEFT,
        right=_RIGHT,
        below=_BOTTOM + _LEGEND,
        title_room=sheet.width - _LEFT * sheet.margins - 0.1,
    )
    named = draw(axes, sheet)
    legend_below(
        figure,
        legend_handles(names, snapshot.dump, colors=not all_named(snapshot.dump, named), places=places),
        columns=12,
        fewest=3,
        fontsize=sheet.letters(9.5),
        room=sheet.width - 0.1,
        height=_LEGEND * sheet.margins,
        columnspacing=1.0,
        handletextpad=0.2,
        borderaxespad=0.2,
    )
    return figure


def draw_features(
    axes: Axes,
    plane: Plane,
    names: Sequence[str],
    limits: Bbox | None = None,
    sheet: Sheet = OWN_SHEET,
    mark_size: float | None = None,
    places: Sequence[int] | None = None,
) -> set[int]:
    """Draw points and centers in a square box, one unit as long on both axes if distances mean something.

    Without limits, the axes reach to the outermost point or center. Without a size of the marks, it follows the crowd.
    `places`: see `class_colors`.

    Returns:
        The classes whose names are beside their points.
    """
    order = drawing_order(plane.labels)
    x, y = plane.points[order].T
    colors = colors_of(plane.labels[order], len(names), places)
    # As pixels: 10,000 circles make an SVG or PDF that no viewer scrolls.
    area = dot_area(len(plane.labels)) * sheet.margins**2
    axes.scatter(x, y, c=colors, s=area, alpha=0.5, linewidths=0, rasterized=True)
    axes.set_box_aspect(1)
    box = limits or limits_of([plane])
    axes.set(xlim=box.intervalx, ylim=box.intervaly)
    named = mark_centers(axes, plane, names, scale=sheet.marks, size=mark_size)
    if not plane.isometric and name_strips(axes, names):
        named.update(range(len(names)))
    axes.set_axisbelow(True)
    axes.grid(color="#eeeeee", linewidth=0.8)
    if axes.bbox.width / dpi(axes) < _SMALL_BOX:
        for axis in (axes.xaxis, axes.yaxis) if plane.isometric else (axes.xaxis,):
            axis.set_major_locator(MaxNLocator(_FEW_TICKS))
    axes.tick_params(labelsize=sheet.letters(9), length=0)
    axes.set_xlabel(plane.axis_labels[0], fontsize=sheet.letters(10))
    axes.set_ylabel(plane.axis_labels[1], fontsize=sheet.letters(10))
    return named


def dot_area(images: int) -> float:
    """Return the area of a dot in square points: a thousand images are no cloud, and must be seen one by one."""
    return float(np.clip(_DOT * math.sqrt(_VERY_MANY / max(images, 1)), _DOT, _LARGEST_DOT))


def name_strips(axes: Axes, names: Sequence[str]) -> bool:
    """Name the heights of a plane that has a strip per class, if they have room."""
    if len(names) > _MOST_STRIPS:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        return False
    short = [name if len(name) <= _LONGEST_TICK else f"{name[: _LONGEST_TICK - 1]}…" for name in names]
    axes.set_yticks(range(len(names)), short, parse_math=False)
    if max(map(len, short)) > 2:
        axes.yaxis.label.set_visible(False)  # the names take its place
    return True


def mark_centers(
    axes: Axes,
    plane: Plane,
    names: Sequence[str],
    mark: Mapping[str, Any] | None = None,
    largest_name: float = 11,
    scale: float = 1.0,
    size: float | None = None,
) -> set[int]:
    """Mark the centers, each with its class's name beside it; where they are crowded, smaller, or without.

    Where there are no centers, the names are beside the middles of the clusters. The limits of the axes must be set:
    they decide how near two marks come. The names are what tells the clusters apart in grey.

    Args:
        axes, plane, names: with the points, what is drawn there, and the names of the classes.
        mark: how a line draws a center that has room; None for the usual mark of its kind.
        largest_name: font size beside such a mark.
        scale: of marks and names, in a figure of another width.
        size: of them, as a part of the full size; None for what the crowd asks for: see `size_of_marks`.

    Returns:
        The classes whose names have a place.
    """
    mark = mark or mark_of(plane.kind)
    labels = np.flatnonzero(np.isfinite(plane.middles).all(axis=1))
    if not len(labels):
        return set()
    spots = axes.transData.transform(plane.middles[labels]) * 72 / dpi(axes)  # in points
    frame = axes.bbox.get_points() * 72 / dpi(axes)
    apart = _apart(spots)
    size = _size(apart, scale) if size is None else size
    width, font_size = (
        mark["markersize"] * size,
        max(SMALLEST_LETTERS, _SMALLEST_NAME * scale, largest_name * size),
    )
    if len(plane.centers):
        scaled = {**mark, "markersize": width, "markeredgewidth": mark.get("markeredgewidth", 1) * size}
        axes.plot(plane.centers[:, 0], plane.centers[:, 1], **scaled, zorder=3)
    font = FontProperties(weight="bold", size=font_size)
    widths = np.array([text_width(axes, names[int(label)], font) for label in labels])
    # The colours still tell which is which where a name has no place.
    places = name_places(spots, apart, frame, mark=width, size=size, font_size=font_size, widths=widths)
    named = {int(labels[index]): place for index, place in places.items()}
    for label, place in named.items():
        axes.annotate(
            names[label],
            plane.middles[label],
            xytext=place,
            textcoords="offset points",
            ha="center",
            va="center",
            fontproperties=font,
            color="black",
            path_effects=OUTLINE,
            zorder=4,
            parse_math=False,
        )
    return set(named)


def size_of_marks(plane: Plane, limits: Bbox, inches: float) -> float:
    """Return the size of marks in a box so many inches wide, as a part of their full size: smaller in a crowd."""
    spots = plane.middles[np.isfinite(plane.middles).all(axis=1)] / limits.size * 72 * inches
    return _size(_apart(spots), 1.0) if len(spots) else 1.0


def _apart(spots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances between spots, (k, k), infinite on the diagonal."""
    apart: NDArray[np.float64] = np.linalg.norm(spots[:, None] - spots, axis=-1)
    np.fill_diagonal(apart, np.inf)
    return apart


def _size(apart: NDArray[np.float64], scale: float) -> float:
    return scale * float(np.clip(np.median(apart.min(axis=1)) / _ROOM / scale, _SMALLEST_MARK, 1))
