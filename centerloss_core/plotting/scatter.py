"""The features of one run as a scatter plot, a colour per digit, with the trained centers."""

from typing import Any

import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from centerloss_core.plotting.plane import Plane, project
from centerloss_core.plotting.records import Snapshot
from centerloss_core.plotting.style import class_colors
from centerloss_core.plotting.titles import numbers_title, settings_title

DPI = 110
# Inches. Fixed margins, wide enough for three lines of title and labels like −0.0025, put the boxes of two
# figures in the same place.
_LEFT, _BOTTOM, _BOX, _RIGHT, _TOP = 0.75, 0.5, 5.4, 1.55, 0.75
_SIZE = (_LEFT + _BOX + _RIGHT, _BOTTOM + _BOX + _TOP)
_OUTLINE = [matplotlib.patheffects.withStroke(linewidth=2.6, foreground="white")]
_DOT: dict[str, Any] = {"marker": "o", "markersize": 7, "markeredgewidth": 0, "linestyle": "none"}
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
    lines = [settings_title(snapshot), numbers_title(snapshot), plane.note]
    axes.set_title("\n".join(line for line in lines if line), loc="left", fontsize=10, linespacing=1.5)
    axes.legend(
        handles=legend_handles(len(plane.centers)),
        loc="upper left",
        bbox_to_anchor=(1.01, 1.01),  # outside, so that it covers no point
        handletextpad=0.3,
        frameon=False,
    )
    return figure


def draw_features(axes: Axes, plane: Plane, labels: NDArray[np.integer]) -> None:
    """Draw points and centers in a square box, one unit as long on both axes if distances mean something."""
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
    _mark_centers(axes, plane)
    axes.set_box_aspect(1)
    _set_limits(axes, plane)
    axes.set_axisbelow(True)
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.tick_params(labelsize=9, length=0)
    axes.set_xlabel(plane.axis_labels[0])
    axes.set_ylabel(plane.axis_labels[1])


def legend_handles(classes: int) -> list[Line2D]:
    """Return a dot per digit and the sign of a trained center."""
    dots = [
        Line2D([], [], **_DOT, color=color, label=str(digit))
        for digit, color in enumerate(class_colors(classes))
    ]
    return [*dots, Line2D([], [], **_CENTER, label="trained center")]


def _mark_centers(axes: Axes, plane: Plane) -> None:
    axes.plot(plane.centers[:, 0], plane.centers[:, 1], **_CENTER, zorder=3)
    for digit, position in enumerate(plane.centers):
        axes.annotate(
            str(digit),
            position,
            xytext=(6, 4),
            textcoords="offset points",
            fontsize=11,
            fontweight="bold",
            color="black",
            path_effects=_OUTLINE,
            zorder=4,
        )


def _set_limits(axes: Axes, plane: Plane) -> None:
    """Show every point and center, outliers too, with room for the digits beside the centers."""
    shown = np.concatenate([plane.points, plane.centers])
    low, high = shown.min(axis=0), shown.max(axis=0)
    half = (high - low) / 2
    if plane.isometric:
        half[:] = half.max()
    half = np.where(half > 0, half * 1.1, 1.0)  # a collapsed network puts all points in one place
    middle = (low + high) / 2
    axes.set_xlim(middle[0] - half[0], middle[0] + half[0])
    axes.set_ylim(middle[1] - half[1], middle[1] + half[1])
    if not plane.isometric:
        axes.set_yticks(range(len(plane.centers)))
