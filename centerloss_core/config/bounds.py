"""How far apart k directions can lie in d dimensions, and what follows for margins and losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Room(NamedTuple):
    """What a loss has to do with.

    Attributes:
        dimensions: of the features, d.
        classes: k.
        images: of each class in a batch that has images of all of them; None where batches are of another kind.
    """

    dimensions: int
    classes: int
    images: int | None = None

    @property
    def in_words(self) -> str:
        """`in 2 dimensions`."""
        return f"in {self.dimensions} dimension{'s' * (self.dimensions != 1)}"


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


def other_cosines(dimensions: int, classes: int) -> list[float]:
    """cosθ between one of k directions, which lie as far apart as `widest_angle` says, and each of the others."""
    if dimensions == 2:
        return [math.cos(2 * math.pi * place / classes) for place in range(1, classes)]
    return [math.cos(widest_angle(dimensions, classes)[0])] * (classes - 1)


def cross_entropy_of(others: Sequence[float]) -> float:
    """log(1 + Σ e^b) of logits b, where that of the own class is 0."""
    largest = max(others, default=0.0)
    if largest > 0:  # whose exponential may be beyond all numbers
        return largest + math.log(math.exp(-largest) + sum(math.exp(each - largest) for each in others))
    return math.log1p(sum(map(math.exp, others)))


def apart(room: Room) -> str:
    """How far classes can be apart, in words."""
    angle, is_exact = widest_angle(room.dimensions, room.classes)
    return f"classes can be {'' if is_exact else 'at most '}{math.degrees(angle):.3g}° apart"
