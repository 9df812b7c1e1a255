"""Three features in a box, seen from one side; a report turns them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d.proj3d import proj_transform
from numpy.typing import NDArray

from centerloss_core.plotting.classes import class_names, color_places
from centerloss_core.plotting.plane import Plane, middles_of
from centerloss_core.plotting.scatter import dot_area, mark_centers, square_figure
from centerloss_core.plotting.sheet import Sheet
from centerloss_core.plotting.style import colors_of
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.reader import Snapshot

_TICKS = 4
_AROUND = 1.05  # times what there is to show, and the edge of the box


def space_figure(snapshot: Snapshot, width: float | None = None) -> Figure:
    """Draw a run with three features, `width` inches wide."""
    note = "three features in parallel projection; cl report turns them"
    names, places = class_names(snapshot), color_places(snapshot)
    return square_figure(
        snapshot, note, width, lambda axes, sheet: _draw_space(axes, snapshot.dump, names, sheet, places)
    )


def _draw_space(
    axes: Axes, dump: FeatureDump, names: Sequence[str], sheet: Sheet, places: Sequence[int] | None
) -> set[int]:
    """Draw the box below the axes, and the names and points of the classes upon them."""
    figure = axes.figure
    box: Any = figure.add_axes(axes.get_position().bounds, projection="3d", zorder=axes.get_zorder() - 1)
    box.set_proj_type("ortho")
    # Smaller where letters are large beside it, or the name of the third axis would be cut off.
    box.set_box_aspect((1, 1, 1), zoom=math.sqrt(sheet.scale / sheet.margins) if sheet.is_narrow else 1)
    area = dot_area(len(dump.labels)) * sheet.margins**2
    box.scatter(
        *dump.features.T,
        c=colors_of(dump.labels, len(names), places),
        s=area,
        alpha=0.5,
        linewidths=0,
        rasterized=True,
    )
    shown = np.concatenate([dump.features, dump.points])
    low, high = shown.min(axis=0), shown.max(axis=0)
    half = float((high - low).max()) / 2 * _AROUND or 1.0  # a collapsed network puts all points in one place
    for axis, middle, name in zip("xyz", (low + high) / 2, ("first", "second", "third"), strict=True):
        box.set(**{f"{axis}lim": (middle - half, middle + half)})
        box.set(**{f"{axis}label": f"{name} feature"})
        getattr(box, f"{axis}axis").label.set_fontsize(sheet.letters(10))
        getattr(box, f"{axis}axis").set_major_locator(MaxNLocator(_TICKS))
    box.tick_params(labelsize=sheet.letters(9))
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))

    def on_paper(points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Where points (n, 3) are, (n, 2), in parts of the box."""
        seen = np.column_stack(proj_transform(*points.T.astype(np.float64), box.get_proj())[:2])
        return axes.transAxes.inverted().transform(box.transData.transform(seen))

    points, centers = on_paper(dump.features), on_paper(dump.points)
    plane = Plane(
        points,
        dump.labels,
        centers,
        middles_of(points, centers, dump.labels),
        kind=dump.centers_kind or "center",
    )
    return mark_centers(axes, plane, names, scale=sheet.marks)
