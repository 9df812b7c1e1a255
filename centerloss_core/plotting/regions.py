"""Which class every point of the plane would get: the regions of the head and of the nearest point of a class.

Only for two features: a plane through more of them cuts the regions anywhere.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from centerloss_core.formatting import percent
from centerloss_core.plotting.classes import (
    all_named,
    class_names,
    color_places,
    has_short_names,
    legend_handles,
)
from centerloss_core.plotting.head import Head, nearest_point
from centerloss_core.plotting.limits import limits_of
from centerloss_core.plotting.plane import project
from centerloss_core.plotting.scatter import dot_area, mark_centers
from centerloss_core.plotting.sheet import Sheet, sheet_of
from centerloss_core.plotting.style import DPI, INK, class_colors, colors_of, drawing_order
from centerloss_core.plotting.text_fit import fit, legend_below, title_height
from centerloss_core.plotting.titles import snapshot_title
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.reader import Snapshot

# Inches, fixed: the boxes of two figures stand in the same place.
_LEFT, _BOTTOM, _BOX, _GAP, _RIGHT, _TICKS = 0.6, 0.7, 4.3, 0.6, 0.2, 0.3
_PIXELS = 960  # along the side of a box, about two for each on a screen, so that borders are smooth
_TINT = 0.28  # how much of its colour a region keeps: the points in it must stand out
# A thick black cross under a thin one in the colour of the class: seen on every region, and in grey.
_CROSSES = ((2.8, 34), (1.3, 26))  # width of the lines, area
_CALLED_WRONG: dict[str, Any] = {"marker": "x", "linestyle": "none", "markeredgewidth": 2, "markersize": 6}
_FEW, _SMALLEST_CROSS = 60, 0.55  # more crosses than these are drawn smaller, down to this part


def regions_figure(snapshot: Snapshot, head: Head | None, width: float | None = None) -> Figure:
    """Draw the regions of the head and of the nearest center or other point, where there are such, at one scale.

    A head that decides by these very points has one map. In a narrow figure they stand one below the other.
    """
    dump, names, places = snapshot.dump, class_names(snapshot), color_places(snapshot)
    limits = limits_of([project(dump)])
    maps: list[tuple[Head, NDArray[np.integer[Any]]]] = []
    if head and dump.predictions is not None:
        # The predictions that the run made count; those of NumPy may differ from them in the last bit.
        maps.append((head, dump.predictions))
    if dump.centers is not None and dump.centers_kind and not (head and head.kind == dump.centers_kind):
        nearest = nearest_point(dump.centers, dump.centers_kind)
        maps.append((nearest, nearest.logits(dump.features.astype(np.float64)).argmax(axis=1)))
    sheet = sheet_of(_LEFT + len(maps) * (_BOX + _GAP) - _GAP + _RIGHT, width)
    margin, letters = sheet.margins, sheet.letters
    columns = 1 if sheet.is_narrow else len(maps)
    rows = -(-len(maps) // columns)
    box = (sheet.width - (_LEFT + _RIGHT + (columns - 1) * _GAP) * margin) / columns
    over_all = Figure(dpi=DPI).text(0, 0, snapshot_title(snapshot), fontsize=letters(11))
    fit(over_all, sheet.width - (_LEFT + _RIGHT) * margin)
    top = title_height(over_all, 1.2) + 0.43 * margin
    height = _BOTTOM * margin + rows * (box + _GAP * margin) - _GAP * margin + top
    figure = Figure(figsize=(sheet.width, height), dpi=DPI)
    known = dump.labels >= 0
    most = max((called != dump.labels)[known].sum() for _, called in maps)
    size = float(np.clip(np.sqrt(_FEW / max(most, 1)), _SMALLEST_CROSS, 1)) * margin  # the same on both sides
    named = True
    for place, (rule, called) in enumerate(maps):
        left = _LEFT * margin + place % columns * (box + _GAP * margin)
        low = _BOTTOM * margin + (rows - 1 - place // columns) * (box + _GAP * margin)
        axes = figure.add_axes((left / sheet.width, low / height, box / sheet.width, box / height))
        wrong = (called != dump.labels) & known
        _draw_regions(axes, rule, limits, class_colors(len(rule.bias), places))
        named = all_named(dump, _draw_points(axes, dump, names, wrong, size, sheet, places)) and named
        share = 1 - wrong.sum() / max(1, known.sum())
        title = f"{rule.name}: {percent(share)} right, {wrong.sum():,} wrong"
        fit(axes.set_title(title, loc="left", fontsize=letters(10)), box)
    figure.text(
        _LEFT * margin / sheet.width,
        1 - 0.15 * margin / height,
        over_all.get_text(),
        fontsize=over_all.get_fontsize(),
        va="top",
        parse_math=False,
    )
    handles = legend_handles(names, dump, colors=not named, places=places)
    short = has_short_names(handles)
    legend_below(
        figure,
        [*handles, Line2D([], [], **_CALLED_WRONG, color="black", label="called wrong")],
        columns=12 if short and columns > 1 else 6,
        fewest=6 if columns > 1 else 3,
        room=sheet.width - 0.2,
        height=(_BOTTOM - _TICKS) * margin,
        columnspacing=1.0,
        handletextpad=0.1,
        fontsize=letters(10 if short else 8),
    )
    return figure


def _draw_regions(axes: Axes, rule: Head, limits: Bbox, palette: Sequence[str]) -> None:
    """Paint the regions in pale colours of their classes, with a line between them that is seen in grey too."""
    middles = limits.min + (np.arange(_PIXELS)[:, None] + 0.5) / _PIXELS * limits.size
    x, y = middles.T
    # Row by row: the scores of all pixels for a hundred classes would fill the memory.
    winners = np.array(
        [rule.logits(np.column_stack([x, np.full(_PIXELS, height)])).argmax(axis=1) for height in y]
    )
    up, across = np.diff(winners, axis=0) != 0, np.diff(winners, axis=1) != 0
    border = np.zeros(winners.shape, dtype=bool)
    border[1:] |= up
    border[:-1] |= up
    border[:, 1:] |= across
    border[:, :-1] |= across
    colors = np.array([to_rgb(color) for color in palette])
    table = (255 * np.vstack([1 - _TINT * (1 - colors), to_rgb(INK)])).astype(np.uint8)
    picture = table[np.where(border, len(colors), winners)]
    extent = (*limits.intervalx, *limits.intervaly)
    axes.imshow(picture, origin="lower", extent=extent, aspect="auto", zorder=0)


def _draw_points(
    axes: Axes,
    dump: FeatureDump,
    names: Sequence[str],
    wrong: NDArray[np.bool_],
    size: float,
    sheet: Sheet,
    places: Sequence[int] | None,
) -> set[int]:
    """Draw the points, those that are called wrong as crosses, and return the classes whose names have a place."""
    colors = colors_of(dump.labels, len(names), places)
    order = drawing_order(dump.labels)
    right = order[~wrong[order]]
    x, y = dump.features.T
    axes.scatter(
        x[right],
        y[right],
        c=colors[right],
        s=0.7 * dot_area(len(wrong)) * sheet.margins**2,
        alpha=0.8,
        linewidths=0,
        rasterized=True,
    )
    crosses: tuple[Any, Any] = ("black", colors[wrong])
    for (line, area), color in zip(_CROSSES, crosses, strict=True):
        look: dict[str, Any] = {"marker": "x", "linewidths": line * size, "s": area * size**2}
        axes.scatter(x[wrong], y[wrong], c=color, zorder=2.5, **look)
    axes.tick_params(labelsize=sheet.letters(9), length=0)
    return mark_centers(axes, project(dump), names, scale=sheet.marks)
