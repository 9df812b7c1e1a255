"""Where a log axis has its ticks, in figures and report.

Bokeh's own are evenly spread over a decade or two, and leave its lower part bare; matplotlib's own are crowded there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_MOST = 12


def log_ticks(values: NDArray[np.float64]) -> tuple[list[float], dict[float | str, str]]:
    """Ticks at 1, 2 and 5 times powers of ten around the positive values, or at fewer, and what is written there."""
    positive = values[np.isfinite(values) & (values > 0)]
    decades = range(math.floor(math.log10(positive.min())), math.ceil(math.log10(positive.max())) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        if len(decades) * len(steps) <= _MOST:
            break
    stride = 1 + len(decades) // _MOST
    ticks = [float(f"{step}e{decade}") for decade in decades[::stride] for step in steps]
    return ticks, {tick: f"{tick:g}" for tick in ticks}
