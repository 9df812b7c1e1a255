"""How far apart k directions can lie in d dimensions, and what follows for margins."""

from __future__ import annotations

import math


def widest_angle(dimensions: int, classes: int) -> tuple[float, bool]:
    """The largest angle (radians) that k directions can all keep from each other, and whether that is exact.

    k points of a simplex have −1/(k − 1) as the cosine of each pair, and no k points have less. They need k − 1
    dimensions. In the plane the k directions lie evenly on the circle, on a line there are two. In between the angle of
    the simplex is an upper bound.
    """
    if classes < 2:
        return math.pi, True
    simplex = math.acos(-1 / (classes - 1))
    if dimensions >= classes - 1:
        return simplex, True
    if dimensions <= 2:
        return (2 * math.pi / classes if dimensions == 2 else 0.0), True
    return simplex, False
