"""Where the name of each center goes: beside its mark, and on nothing else that names a class."""

import numpy as np
from numpy.typing import NDArray

_ROOM = 9  # points between a mark and the nearest other one; with less, no name tells which of them it means
_WIDTH, _HEIGHT = 0.7, 0.73  # of a bold digit, as parts of the font size
_AIR = 2  # points between two names: 7 and 9 are not 79
_ASIDE, _UP = 6, 4  # points from the middle of a mark of full size to its name
_CLEARLY = 1.2  # this much farther than its own mark is any other from the near end of a name
_SIDES = ((1, 1), (-1, -1), (-1, 1), (1, -1))  # above on the right if that is free


def name_places(
    spots: NDArray[np.float64],
    apart: NDArray[np.float64],
    frame: NDArray[np.float64],
    *,
    mark: float,
    size: float,
    font_size: float,
    widths: NDArray[np.float64],
) -> dict[int, tuple[float, float]]:
    """Return where the middles of the names go, seen from their marks; a name without a place is left out.

    A place is free if it is within the frame, no other mark and no name before it is there, and its own mark is
    clearly the nearest.

    Args:
        spots: (k, 2) the middles of the marks. All lengths are in points.
        apart: (k, k) the distances between them, infinite on the diagonal.
        frame: (2, 2) the lower left and the upper right corner of the axes.
        mark: the width of a mark.
        size: how large marks are drawn, as a part of their full size.
        font_size: of the names.
        widths: (k,) of the names.
    """
    places: dict[int, tuple[float, float]] = {}
    middles, halves = np.empty((0, 2)), np.empty((0, 2))  # of the boxes of names that have a place
    for label in np.flatnonzero(apart.min(axis=1) >= _ROOM):
        half = np.array([widths[label], _HEIGHT * font_size]) / 2
        near = np.minimum(half, np.array([_WIDTH, _HEIGHT]) * font_size / 2)
        others = np.delete(spots, label, axis=0)
        for side in _SIDES:
            offset = side * (np.array([_ASIDE, _UP]) * size + half)
            middle = spots[label] + offset
            near_offset = side * (np.array([_ASIDE, _UP]) * size + near)
            near_end = spots[label] + near_offset
            outside = (middle - half < frame[0]).any() or (middle + half > frame[1]).any()
            on_a_mark = (np.abs(others - middle) < half + mark / 2).all(axis=1).any()
            on_a_name = (np.abs(middles - middle) < halves + half + _AIR).all(axis=1).any()
            own = np.linalg.norm(near_offset)
            doubtful = (np.linalg.norm(others - near_end, axis=1) < _CLEARLY * own).any()
            if not (outside or on_a_mark or on_a_name or doubtful):
                places[int(label)] = (float(offset[0]), float(offset[1]))
                middles, halves = np.vstack([middles, middle]), np.vstack([halves, half])
                break
    return places
