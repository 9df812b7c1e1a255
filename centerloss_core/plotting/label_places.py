"""Where the digit of each center goes: beside its mark, and on nothing else that names a class."""

import numpy as np
from numpy.typing import NDArray

_ROOM = 9  # points between a mark and the nearest other one; with less, no digit tells which of them it names
_WIDTH, _HEIGHT = 0.7, 0.73  # of a bold digit, as parts of the font size
_AIR = 2  # points between two digits: 7 and 9 are not 79
_ASIDE, _UP = 6, 4  # points from the middle of a mark of full size to its digit
_CLEARLY = 1.2  # this much farther than its own mark is any other from a digit
_SIDES = ((1, 1), (-1, -1), (-1, 1), (1, -1))  # above on the right if that is free


def digit_places(
    spots: NDArray[np.float64],
    apart: NDArray[np.float64],
    frame: NDArray[np.float64],
    *,
    mark: float,
    size: float,
    font_size: float,
) -> dict[int, tuple[float, float]]:
    """Return where the middles of the digits go, seen from their marks; a digit without a place is left out.

    A place is free if it is within the frame, no other mark and no digit before it is there, and its own mark is
    clearly the nearest.

    Args:
        spots: (k, 2) the middles of the marks. All lengths are in points.
        apart: (k, k) the distances between them, infinite on the diagonal.
        frame: (2, 2) the lower left and the upper right corner of the axes.
        mark: the width of a mark.
        size: how large marks are drawn, as a part of their full size.
        font_size: of the digits.
    """
    places: dict[int, tuple[float, float]] = {}
    middles, halves = np.empty((0, 2)), np.empty((0, 2))  # of the boxes of digits that have a place
    for digit in np.flatnonzero(apart.min(axis=1) >= _ROOM):
        half = np.array([_WIDTH * len(str(digit)), _HEIGHT]) * font_size / 2
        others = np.delete(spots, digit, axis=0)
        for side in _SIDES:
            offset = side * (np.array([_ASIDE, _UP]) * size + half)
            middle = spots[digit] + offset
            outside = (middle - half < frame[0]).any() or (middle + half > frame[1]).any()
            on_a_mark = (np.abs(others - middle) < half + mark / 2).all(axis=1).any()
            on_a_digit = (np.abs(middles - middle) < halves + half + _AIR).all(axis=1).any()
            doubtful = (np.linalg.norm(others - middle, axis=1) < _CLEARLY * np.linalg.norm(offset)).any()
            if not (outside or on_a_mark or on_a_digit or doubtful):
                places[int(digit)] = (float(offset[0]), float(offset[1]))
                middles, halves = np.vstack([middles, middle]), np.vstack([halves, half])
                break
    return places
