"""Which images a network can take; known without a framework, so that a run that cannot be is refused at once."""

from __future__ import annotations

from centerloss_core.errors import ExpectedError

_POOLINGS = 3
_SMALLEST_SIDE = 2**_POOLINGS  # each pooling halves height and width, and one pixel must be left


class ImageShapeError(ExpectedError):
    """The images of a data set are too small for the network; the message names both."""


def refuse_too_small(image_shape: tuple[int, int, int], data_title: str) -> None:
    """Raise ImageShapeError unless images (h, w, c) survive the three poolings of LeNets++."""
    height, width, _ = image_shape
    if min(height, width) < _SMALLEST_SIDE:
        raise ImageShapeError(
            f"the images of {data_title} are {height}×{width} pixels, and LeNets++ halves both "
            f"sides {_POOLINGS} times: it needs at least {_SMALLEST_SIDE}×{_SMALLEST_SIDE}; choose larger images"
        )
