"""How far chance alone may move a figure. Importing this loads nothing that takes time."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from centerloss_core.formatting import finite

SIGN = "±"
MEANING = "standard error, by the number of images"  # of the sign in a table of `half_width`


def half_width(share: object, images: object) -> float | None:
    """Half of Wilson's interval (1927) at one standard error of a share of n images, such as an accuracy.

    It is close to √(p (1 − p) / n), and does not vanish at p = 0 and p = 1.

    Args:
        share: p, 0 … 1.
        images: n.

    Returns:
        None where one of the two is not known.
    """
    p, n = finite(share), finite(images)
    if p is None or n is None or not 0 <= p <= 1 or n < 1:
        return None
    return math.sqrt(p * (1 - p) / n + 1 / (4 * n * n)) / (1 + 1 / n)


def mean_and_deviation(values: Sequence[object]) -> tuple[float, float] | None:
    """Mean and standard deviation over the seeds (n − 1 in the denominator); None unless there are two or more."""
    known = [value for each in values if (value := finite(each)) is not None]
    if len(known) < max(2, len(values)):  # a mean of some seeds would not be of this setting
        return None
    return statistics.fmean(known), statistics.stdev(known)
