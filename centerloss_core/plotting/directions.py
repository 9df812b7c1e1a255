"""The directions of two features: images on the unit circle, the points of the classes inside, histograms outside."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from centerloss_core.plotting.angles import Angles, angles_of, angles_title, lost_title
from centerloss_core.plotting.classes import class_names, color_places, legend_handles, mark_handle, mark_of
from centerloss_core.plotting.head import Head
from centerloss_core.plotting.one_box import one_box
from centerloss_core.plotting.scatter import OUTLINE, dot_area
from centerloss_core.plotting.sheet import SMALLEST_LETTERS, Sheet, sheet_of
from centerloss_core.plotting.style import INK, class_colors, colors_of, drawing_order
from centerloss_core.plotting.text_fit import (
    dpi,
    legend_below,
    text_width,
)
from centerloss_core.plotting.titles import join, snapshot_title
from centerloss_core.run_directory.feature_dumps import UNKNOWN
from centerloss_core.run_directory.reader import Snapshot

_SIDE, _BOX, _LEGEND = 0.2, 6.0, 0.35  # inches
_BIN = 3  # degrees
# Radii. The images are on the circle of radius 1.
_FLOOR, _TOP, _EDGE = 1.05, 1.6, 1.68  # of the histograms, and half the side of the box
_MARKS = (0.86, 0.94)  # of the marks of one kind, and of the next
_NAMES = (0.74, 0.6, 0.46)  # of names: further in where there is no room
_NAME, _AIR = 11, 1  # points: the size of names, and between two
_PALE = 0.55


def directions_figure(snapshot: Snapshot, head: Head | None, width: float | None = None) -> Figure:
    """Draw a run with two features, `width` inches wide, with the weights or points of its head where it is given."""
    names = class_names(snapshot)
    angles = angles_of(snapshot.dump, head, len(names))
    sheet = sheet_of(_BOX + 2 * _SIDE, width)
    words = join(
        snapshot_title(snapshot), angles_title(snapshot.dump, angles), lost_title(angles, names), by="\n"
    )
    figure, axes = one_box(words, sheet, left=_SIDE, right=_SIDE, below=_LEGEND)
    axes.set(xlim=(-_EDGE, _EDGE), ylim=(-_EDGE, _EDGE), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    places = color_places(snapshot)
    _draw_histograms(axes, angles, class_colors(len(names), places), sheet)
    _draw_images(axes, angles, len(names), sheet, places)
    named = _draw_classes(axes, angles, names, sheet)
    present = set(np.unique(angles.labels).tolist())
    images = replace(snapshot.dump, centers=None, centers_kind=None)
    handles = legend_handles(names, images, colors=not present <= named, places=places)
    handles += [mark_handle(kind) for kind in angles.marks]
    if not angles.marks:
        handles.append(Line2D([], [], color="none", label="a name: mean direction of a class"))
    share = Patch(facecolor=(INK, 0.4), edgecolor=INK, label=f"share of a class in {_BIN}°")
    legend_below(
        figure,
        [*handles, share],
        columns=12,
        fewest=3,
        fontsize=sheet.letters(9.5),
        room=sheet.width - 0.1,
        height=_LEGEND * sheet.margins,
        columnspacing=1.0,
        handletextpad=0.3,
        borderaxespad=0.2,
    )
    return figure


def _around(radius: float | NDArray[np.float64], degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, 2) at these angles."""
    turned = np.radians(degrees)
    return np.column_stack([radius * np.cos(turned), radius * np.sin(turned)])


def _degrees(units: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.degrees(np.arctan2(units[:, 1], units[:, 0])) % 360
    return found


def _draw_histograms(axes: Axes, angles: Angles, palette: Sequence[str], sheet: Sheet) -> None:
    """Draw the share of each class in each bin as a height over the circle, all classes at one scale."""
    edges = np.arange(0, 361, _BIN)
    degrees = _degrees(angles.units)
    shares = {}
    for label in np.unique(angles.labels).tolist():
        own = degrees[angles.labels == label]
        shares[label] = np.histogram(own, edges)[0] / len(own)
    highest = max((share.max() for share in shares.values()), default=1.0)
    floor = _around(_FLOOR, np.arange(0, 361, 1.0))
    axes.plot(*floor.T, color="#888888", linewidth=0.8, zorder=1)
    ticks = [
        tick for tick in MaxNLocator(2, steps=[1, 2, 5, 10]).tick_values(0, highest) if 0 < tick <= highest
    ]
    for tick in ticks:
        radius = _FLOOR + (_TOP - _FLOOR) * tick / highest
        axes.plot(*_around(radius, np.arange(0, 361, 1.0)).T, color="#dddddd", linewidth=0.8, zorder=0)
        ((x, y),) = _around(radius, np.array([_quietest(shares)]))
        axes.text(
            x,
            y,
            f"{100 * tick:g} %",
            fontsize=sheet.letters(8),
            color="#777777",
            ha="center",
            va="center",
            path_effects=OUTLINE,
            zorder=0.5,
        )
    for label, share in shares.items():
        color = palette[label]
        for place in np.flatnonzero(share):
            corners = np.linspace(edges[place], edges[place + 1], 4)
            radius = _FLOOR + (_TOP - _FLOOR) * share[place] / highest
            shape = np.vstack([_around(_FLOOR, corners), _around(radius, corners[::-1])])
            axes.add_patch(
                Polygon(shape, facecolor=(*to_rgb(color), _PALE), edgecolor=color, linewidth=0.6, zorder=2)
            )


def _quietest(shares: dict[int, NDArray[np.float64]]) -> float:
    """The angle where fewest bars are near: there the scale is written."""
    bars = np.sum(list(shares.values()), axis=0) if shares else np.zeros(360 // _BIN)
    reach = 6  # bins on either side
    near = sum(np.roll(bars, shift) for shift in range(-reach, reach + 1))
    return float((np.argmin(near) + 0.5) * _BIN)


def _draw_images(
    axes: Axes, angles: Angles, classes: int, sheet: Sheet, places: Sequence[int] | None
) -> None:
    units = np.concatenate([angles.units, angles.unknown])
    labels = np.concatenate([angles.labels, np.full(len(angles.unknown), UNKNOWN)])
    order = drawing_order(labels)
    x, y = units[order].T
    area = dot_area(len(order)) * sheet.margins**2
    colors = colors_of(labels[order], classes, places)
    axes.scatter(x, y, c=colors, s=area, alpha=0.5, linewidths=0, rasterized=True, zorder=3, clip_on=False)


def _draw_classes(axes: Axes, angles: Angles, names: Sequence[str], sheet: Sheet) -> set[int]:
    """Mark what stands for the classes inside the circle, and return the classes whose names have a place there."""
    for (kind, units), radius in zip(angles.marks.items(), _MARKS, strict=False):
        told = units[np.linalg.norm(units, axis=1) > 0]
        mark = mark_of(kind)
        crowd = min(1.0, max(0.5, 24 / max(1, len(told))))
        mark |= {
            "markersize": mark["markersize"] * sheet.marks * crowd,
            "markeredgewidth": mark["markeredgewidth"] * crowd,
        }
        axes.plot(*(radius * told).T, **mark, zorder=4)
        if radius == _MARKS[0]:
            for unit in told:
                axes.plot(*np.outer(unit, [0, radius - 0.04]), color="#bbbbbb", linewidth=0.8, zorder=1)
    axes.plot(0, 0, "+", color=INK, markersize=6 * sheet.marks, zorder=1)
    size = max(SMALLEST_LETTERS, _NAME * sheet.marks * (1 if len(names) <= 12 else 0.75))
    font = FontProperties(weight="bold", size=size)
    scale = axes.bbox.width * 72 / dpi(axes) / (2 * _EDGE)  # points per unit
    taken: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    named: set[int] = set()
    for label, unit in enumerate(angles.middles):
        if not unit.any():
            continue
        half = np.array([text_width(axes, names[label], font), size]) / 2 + _AIR
        # A long name keeps clear of the marks where it lies along its direction.
        inward = max(0.0, float(np.abs(unit) @ half) / scale - 0.08)
        for radius in _NAMES:
            middle = unit * (radius - inward)
            spot = middle * scale
            if radius > inward and not any(
                (np.abs(spot - other) < half + room).all() for other, room in taken
            ):
                taken.append((spot, half))
                named.add(label)
                axes.text(
                    float(middle[0]),
                    float(middle[1]),
                    names[label],
                    ha="center",
                    va="center",
                    fontproperties=font,
                    color="black",
                    path_effects=OUTLINE,
                    zorder=5,
                    parse_math=False,
                )
                break
    return named
