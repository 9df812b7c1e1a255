"""The features of one run as a scatter plot, a colour per digit, with the trained centers."""

from collections.abc import Mapping
from typing import Any

import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import NDArray

from centerloss_core.plotting.label_places import digit_places
from centerloss_core.plotting.limits import Limits, limits_of
from centerloss_core.plotting.plane import Plane, project
from centerloss_core.plotting.records import Snapshot
from centerloss_core.plotting.style import DIGIT_COLORS, class_colors
from centerloss_core.plotting.text_fit import fit
from centerloss_core.plotting.titles import numbers_title, settings_title

DPI = 110
# Inches. Fixed margins, wide enough for three lines of title and labels like −0.0025, put the boxes of two
# figures in the same place.
_LEFT, _BOTTOM, _BOX, _RIGHT, _TOP = 0.75, 0.5, 5.4, 1.55, 0.75
_SIZE = (_LEFT + _BOX + _RIGHT, _BOTTOM + _BOX + _TOP)
_OUTLINE = [matplotlib.patheffects.withStroke(linewidth=2.6, foreground="white")]
_DOT: dict[str, Any] = {"marker": "o", "markersize": 7, "markeredgewidth": 0, "linestyle": "none"}
# Points. Marks and digits have their full size if half of the centers have this much room around them, and shrink
# with it.
_ROOM, _SMALLEST_DIGIT = 24, 8
_SMALLEST_MARK = 0.4
_MOST_STRIPS = 20  # that have a tick each
_CENTER: dict[str, Any] = {
    "marker": "X",
    "markersize": 9,
    "markeredgecolor": "black",
    "markerfacecolor": "white",
    "linestyle": "none",
}


def scatter_figure(snapshot: Snapshot) -> Figure:
    """Draw one run."""
    plane = project(snapshot.dump)
    figure = Figure(figsize=_SIZE, dpi=DPI)
    axes = figure.add_axes((_LEFT / _SIZE[0], _BOTTOM / _SIZE[1], _BOX / _SIZE[0], _BOX / _SIZE[1]))
    draw_features(axes, plane, snapshot.dump.labels)
    lines = [settings_title(snapshot), numbers_title(snapshot.dump), plane.note]
    title = axes.set_title(
        "\n".join(line for line in lines if line), loc="left", fontsize=10, linespacing=1.5
    )
    fit(title, _BOX + _RIGHT - 0.1)
    axes.legend(
        handles=legend_handles(len(plane.centers)),
        loc="upper left",
        bbox_to_anchor=(1.01, 1.01),  # outside, so that it covers no point
        handletextpad=0.3,
        frameon=False,
    )
    return figure


def draw_features(
    axes: Axes, plane: Plane, labels: NDArray[np.integer], limits: Limits | None = None
) -> None:
    """Draw points and centers in a square box, one unit as long on both axes if distances mean something.

    Without limits, the axes reach to the outermost point or center.
    """
    # In a fixed random order: drawn class by class, the last class would hide the others.
    order = np.random.default_rng(0).permutation(len(labels))
    colors = np.array([to_rgb(color) for color in class_colors(len(plane.centers))])
    axes.scatter(
        plane.points[order, 0],
        plane.points[order, 1],
        c=colors[labels[order]],
        s=7,
        alpha=0.5,
        linewidths=0,
        rasterized=True,  # 10,000 circles make an SVG or PDF that no viewer scrolls
    )
    axes.set_box_aspect(1)
    (limits or limits_of([plane])).apply(axes)
    if not plane.isometric:  # a height per digit
        classes = len(plane.centers)
        axes.yaxis.set_major_locator(
            FixedLocator(range(classes)) if classes <= _MOST_STRIPS else MaxNLocator(integer=True)
        )
    mark_centers(axes, plane)
    axes.set_axisbelow(True)
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.tick_params(labelsize=9, length=0)
    axes.set_xlabel(plane.axis_labels[0])
    axes.set_ylabel(plane.axis_labels[1])


def legend_handles(classes: int) -> list[Line2D]:
    """Return a dot per colour, with the digits that have it, and the sign of a trained center."""
    dots = [
        Line2D([], [], **_DOT, color=color, label=_digits_of(place, classes))
        for place, color in enumerate(class_colors(min(classes, len(DIGIT_COLORS))))
    ]
    return [*dots, Line2D([], [], **_CENTER, label="trained center")]


def _digits_of(place: int, classes: int) -> str:
    """Return `3`, `3, 13` or `3, 13 …`: colours repeat beyond ten classes, and a legend must fit beside the points."""
    digits = [str(digit) for digit in range(place, classes, len(DIGIT_COLORS))]
    return ", ".join(digits[:2]) + (" …" if len(digits) > 2 else "")


def mark_centers(
    axes: Axes, plane: Plane, mark: Mapping[str, Any] = _CENTER, largest_digit: float = 11
) -> None:
    """Mark the trained centers, each with its digit beside it; where they are crowded, smaller, or without.

    The limits of the axes must be set: they decide how near two marks come. The digits are what tells the clusters
    apart in grey.

    Args:
        axes: with the points.
        plane: what is drawn there.
        mark: how a line draws a center that has room.
        largest_digit: font size beside such a mark.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None, "marks are sized where they stand"
    spots = axes.transData.transform(plane.centers) * 72 / figure.dpi  # in points
    frame = axes.bbox.get_points() * 72 / figure.dpi
    apart = np.linalg.norm(spots[:, None] - spots, axis=-1)
    np.fill_diagonal(apart, np.inf)
    size = float(np.clip(np.median(apart.min(axis=1)) / _ROOM, _SMALLEST_MARK, 1))
    width, font_size = mark["markersize"] * size, max(_SMALLEST_DIGIT, largest_digit * size)
    scaled = {**mark, "markersize": width, "markeredgewidth": size}
    axes.plot(plane.centers[:, 0], plane.centers[:, 1], **scaled, zorder=3)
    # The colours still tell which is which where a digit has no place.
    places = digit_places(spots, apart, frame, mark=width, size=size, font_size=font_size)
    for digit, place in places.items():
        axes.annotate(
            str(digit),
            plane.centers[digit],
            xytext=place,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=font_size,
            fontweight="bold",
            color="black",
            path_effects=_OUTLINE,
            zorder=4,
        )
