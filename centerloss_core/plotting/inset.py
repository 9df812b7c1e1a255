"""A closer look at a run that is small at the scale of all, in a corner of its box where nothing is drawn."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from centerloss_core.plotting.limits import limits_of
from centerloss_core.plotting.plane import Plane
from centerloss_core.plotting.scatter import OUTLINE, draw_features
from centerloss_core.plotting.sheet import Sheet

_SMALL = 0.3  # of the width or height of a box: what fills less is shown closer
_LARGEST, _GAP = 0.58, 0.03  # of an inset, and to what it must not cover, as parts of the box


def draw_inset(
    axes: Axes,
    plane: Plane,
    names: Sequence[str],
    limits: Bbox,
    sheet: Sheet,
    places: Sequence[int] | None = None,
) -> set[int]:
    """Draw the inset that a run needs in axes with these limits, and return the classes that it names."""
    own = limits_of([plane])
    if not plane.isometric or (own.size > _SMALL * np.asarray(limits.size)).any():
        return set()
    low, high = (own.get_points() - limits.min) / limits.size
    # In a corner, a square is clear of the points if it ends before them in one direction.
    rooms = {
        (right, up): max(1 - high[0] if right else low[0], 1 - high[1] if up else low[1])
        for right in (True, False)
        for up in (True, False)
    }
    right, up = max(rooms, key=lambda corner: rooms[corner])
    side = min(_LARGEST, rooms[right, up] - _GAP)
    box = axes.inset_axes(((1 - side) * right, (1 - side) * up, side, side))
    named = draw_features(box, plane, names, own, sheet, places=places)
    box.set(xticks=[], yticks=[])
    axes.indicate_inset(
        own.bounds, edgecolor="#777777"
    )  # without lines to the inset, which would cross names
    axes.text(
        0.985 if right else 0.015,
        1 - side - 0.02 if up else side + 0.02,
        f"inset: {limits.width / own.width:,.0f} × as large",
        transform=axes.transAxes,
        ha="right" if right else "left",
        va="top" if up else "bottom",
        fontsize=sheet.letters(9),
        path_effects=OUTLINE,
    )
    return named
