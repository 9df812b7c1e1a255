"""The features of one run as a scatter plot, a colour per class, with the trained centers."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from centerloss_core.plotting.classes import CENTER_MARK, class_names, legend_handles
from centerloss_core.plotting.label_places import name_places
from centerloss_core.plotting.limits import limits_of
from centerloss_core.plotting.plane import Plane, project
from centerloss_core.plotting.style import DPI, colors_of
from centerloss_core.plotting.text_fit import dpi, fit, fit_legend, text_width
from centerloss_core.plotting.titles import join, numbers_title, snapshot_title
from centerloss_core.run_directory.reader import Snapshot

# Inches. Fixed margins, wide enough for three lines of title and labels like −0.0025, put the boxes of two
# figures in the same place.
_LEFT, _BOTTOM, _BOX, _RIGHT, _TOP = 0.75, 0.5, 5.4, 1.55, 0.75
_SIZE = (_LEFT + _BOX + _RIGHT, _BOTTOM + _BOX + _TOP)
_OUTLINE = [matplotlib.patheffects.withStroke(linewidth=2.6, foreground="white")]
# Points. Marks and names have their full size if half of the centers have this much room around them, and shrink
# with it.
_ROOM, _SMALLEST_NAME = 24, 8
_SMALLEST_MARK = 0.4
_MOST_STRIPS, _LONGEST_TICK = 20, 8  # strips that have a tick each; characters of its name


def scatter_figure(snapshot: Snapshot) -> Figure:
    """Draw one run."""
    plane, names = project(snapshot.dump), class_names(snapshot)
    figure = Figure(figsize=_SIZE, dpi=DPI)
    axes = figure.add_axes((_LEFT / _SIZE[0], _BOTTOM / _SIZE[1], _BOX / _SIZE[0], _BOX / _SIZE[1]))
    draw_features(axes, plane, snapshot.dump.labels, names)
    title = join(snapshot_title(snapshot), numbers_title(snapshot.dump), plane.note, by="\n")
    fit(axes.set_title(title, loc="left", fontsize=10, linespacing=1.5), _BOX + _RIGHT - 0.1)
    legend = axes.legend(
        handles=legend_handles(names, snapshot.dump),
        loc="upper left",
        bbox_to_anchor=(1.01, 1.01),  # outside, so that it covers no point
        handletextpad=0.3,
        frameon=False,
    )
    fit_legend(legend, _RIGHT - 0.13)
    return figure


def draw_features(
    axes: Axes,
    plane: Plane,
    labels: NDArray[np.integer],
    names: Sequence[str],
    limits: Bbox | None = None,
) -> None:
    """Draw points and centers in a square box, one unit as long on both axes if distances mean something.

    Without limits, the axes reach to the outermost point or center.
    """
    # In a fixed random order: drawn class by class, the last class would hide the others.
    order = np.random.default_rng(0).permutation(len(labels))
    x, y = plane.points[order].T
    colors = colors_of(labels[order], len(names))
    # As pixels: 10,000 circles make an SVG or PDF that no viewer scrolls.
    axes.scatter(x, y, c=colors, s=7, alpha=0.5, linewidths=0, rasterized=True)
    axes.set_box_aspect(1)
    box = limits or limits_of([plane])
    axes.set(xlim=box.intervalx, ylim=box.intervaly)
    if not plane.isometric:
        name_strips(axes, names)
    mark_centers(axes, plane, names)
    axes.set_axisbelow(True)
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.tick_params(labelsize=9, length=0)
    axes.set_xlabel(plane.axis_labels[0])
    axes.set_ylabel(plane.axis_labels[1])


def name_strips(axes: Axes, names: Sequence[str]) -> None:
    """Name the heights of a plane that has a strip per class."""
    if len(names) > _MOST_STRIPS:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        return
    short = [name if len(name) <= _LONGEST_TICK else f"{name[: _LONGEST_TICK - 1]}…" for name in names]
    axes.set_yticks(range(len(names)), short, parse_math=False)
    if max(map(len, short)) > 2:
        axes.yaxis.label.set_visible(False)  # the names take its place


def mark_centers(
    axes: Axes,
    plane: Plane,
    names: Sequence[str],
    mark: Mapping[str, Any] = CENTER_MARK,
    largest_name: float = 11,
) -> None:
    """Mark the centers, each with its class's name beside it; where they are crowded, smaller, or without.

    The limits of the axes must be set: they decide how near two marks come. The names are what tells the clusters
    apart in grey.

    Args:
        axes, plane, names: with the points, what is drawn there, and the names of the classes.
        mark: how a line draws a center that has room.
        largest_name: font size beside such a mark.
    """
    if not len(plane.centers):
        return
    spots = axes.transData.transform(plane.centers) * 72 / dpi(axes)  # in points
    frame = axes.bbox.get_points() * 72 / dpi(axes)
    apart = np.linalg.norm(spots[:, None] - spots, axis=-1)
    np.fill_diagonal(apart, np.inf)
    size = float(np.clip(np.median(apart.min(axis=1)) / _ROOM, _SMALLEST_MARK, 1))
    width, font_size = mark["markersize"] * size, max(_SMALLEST_NAME, largest_name * size)
    scaled = {**mark, "markersize": width, "markeredgewidth": size}
    axes.plot(plane.centers[:, 0], plane.centers[:, 1], **scaled, zorder=3)
    font = FontProperties(weight="bold", size=font_size)
    widths = np.array([text_width(axes, name, font) for name in names[: len(spots)]])
    # The colours still tell which is which where a name has no place.
    places = name_places(spots, apart, frame, mark=width, size=size, font_size=font_size, widths=widths)
    for label, place in places.items():
        axes.annotate(
            names[label],
            plane.centers[label],
            xytext=place,
            textcoords="offset points",
            ha="center",
            va="center",
            fontproperties=font,
            color="black",
            path_effects=_OUTLINE,
            zorder=4,
            parse_math=False,
        )
