"""How far axes reach: to every point and center that is shown, and further in no direction than needed."""

from collections.abc import Sequence

import numpy as np
from matplotlib.transforms import Bbox

from centerloss_core.plotting.plane import Plane

_FILLED = 0.7  # of the width or height of axes, by what they show; less, and they close in on it


def limits_of(planes: Sequence[Plane]) -> Bbox:
    """Show all points and centers of some planes, outliers too, with room for the names beside the centers."""
    shown = np.concatenate([part for plane in planes for part in (plane.points, plane.centers)])
    low, high = shown.min(axis=0), shown.max(axis=0)
    half = (high - low) / 2
    if all(plane.isometric for plane in planes):
        half[:] = half.max()
    half = np.where(half > 0, half, 1.0) * 1.1  # a collapsed network puts all points in one place
    middle = (low + high) / 2
    return Bbox([middle - half, middle + half])


def follow(needed: Sequence[Bbox]) -> list[Bbox]:
    """Return axes for one picture after the other that show what is needed and stand still while they can."""
    shown = list(needed[:1])
    for box in needed[1:]:
        (low, high), (last_low, last_high) = box.get_points(), shown[-1].get_points()
        within = (low >= last_low).all() and (high <= last_high).all()
        large = (high - low >= _FILLED * (last_high - last_low)).all()
        shown.append(shown[-1] if within and large else box)
    return shown
