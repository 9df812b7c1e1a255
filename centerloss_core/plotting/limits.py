"""How far axes reach: to every point and center that is shown, and further in no direction than needed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from centerloss_core.plotting.plane import Plane

_FILLED = 0.7  # of the width or height of axes, by what they show; less, and they close in on it


@dataclass(frozen=True)
class Limits:
    """The ends of both axes."""

    left: float
    right: float
    bottom: float
    top: float

    def inset(self, part: float) -> "Limits":
        """Return the limits without this part of the width and height on every side."""
        x, y = part * (self.right - self.left), part * (self.top - self.bottom)
        return Limits(self.left + x, self.right - x, self.bottom + y, self.top - y)

    def suit(self, needed: "Limits") -> bool:
        """Whether axes with these limits show all of `needed`, and not from too far away."""
        width, height = needed.right - needed.left, needed.top - needed.bottom
        return (
            union([self, needed]) == self
            and width >= _FILLED * (self.right - self.left)
            and height >= _FILLED * (self.top - self.bottom)
        )

    def apply(self, axes: Axes) -> None:
        axes.set_xlim(self.left, self.right)
        axes.set_ylim(self.bottom, self.top)


def limits_of(planes: Sequence[Plane]) -> Limits:
    """Show all points and centers of some planes, outliers too, with room for the names beside the centers."""
    shown = np.concatenate([part for plane in planes for part in (plane.points, plane.centers)])
    low, high = shown.min(axis=0), shown.max(axis=0)
    half = (high - low) / 2
    if all(plane.isometric for plane in planes):
        half[:] = half.max()
    half = np.where(half > 0, half, 1.0) * 1.1  # a collapsed network puts all points in one place
    middle = (low + high) / 2
    (left, bottom), (right, top) = middle - half, middle + half
    return Limits(float(left), float(right), float(bottom), float(top))


def union(limits: Sequence[Limits]) -> Limits:
    """Return the smallest box around some others."""
    return Limits(
        min(box.left for box in limits),
        max(box.right for box in limits),
        min(box.bottom for box in limits),
        max(box.top for box in limits),
    )


def follow(needed: Sequence[Limits]) -> list[Limits]:
    """Return axes for one picture after the other that show what is needed and stand still while they can."""
    shown = list(needed[:1])
    for limits in needed[1:]:
        shown.append(shown[-1] if shown[-1].suit(limits) else limits)
    return shown
