"""What curves show of the rows that a run logged, in figures and report: which numbers, how many, titles, ticks."""

import math
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from centerloss_core.config.problems import shortened
from centerloss_core.formatting import on_axis
from centerloss_core.run_directory.history import Row

# The figures that have a title of their own, in the order of the plots; others follow the losses.
TITLES = {
    "softmax_loss": "softmax loss, training batches",
    "center_loss": "center loss ½‖x − c‖² per image, training batches",
    "lambda": "λ in force",
    "ring_radius": "radius R of the ring loss",
    "center_shift": "‖Δc‖ of a step, all centers as one vector",
    "learning_rate": "learning rate",
}
_NOT_DRAWN = {"kind", "step", "epoch", "images_per_second", "accuracy"}  # accuracies have plots of their own
_LONGEST_NAME = 40  # characters
_MOST_TICKS = 12
_Item = TypeVar("_Item")


def titles_of(rows: Iterable[Row]) -> dict[str, str]:
    """The figures to draw of those that some row has, each with its title; the learning rate is last."""
    logged = dict.fromkeys(key for row in rows for key in row if key not in _NOT_DRAWN)
    others = {key: shortened(key.replace("_", " "), _LONGEST_NAME) for key in logged if key not in TITLES}
    *first, last = TITLES.items()
    return {key: title for key, title in (*first, *others.items(), last) if key in logged}


def evenly(items: Sequence[_Item], most: int) -> list[_Item]:
    """At most `most` items, evenly chosen, the first and the last among them; the last where it is a single one."""
    if len(items) <= most:
        return list(items)
    if most == 1:
        return [items[-1]]
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def column(rows: Iterable[Row], key: str) -> NDArray[np.float64]:
    """The numbers under a key; a missing one, null or what is no figure of a run becomes a gap in the line."""
    return np.array([on_axis(row.get(key)) for row in rows], dtype=np.float64)


def evaluated(epochs: Iterable[Row], split: str) -> list[Row]:
    """The rows after whose epoch a split was evaluated, with the figures of that split."""
    return [row | row[split] for row in epochs if isinstance(row.get(split), dict)]


def log_ticks(values: NDArray[np.float64]) -> list[float]:
    """Ticks at 1, 2 and 5 times powers of ten around the positive values, or at fewer.

    Bokeh's own are evenly spread over a decade or two, and leave its lower part bare; matplotlib's own are crowded.
    """
    positive = values[np.isfinite(values) & (values > 0)]
    decades = range(math.floor(math.log10(positive.min())), math.ceil(math.log10(positive.max())) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        if len(decades) * len(steps) <= _MOST_TICKS:
            break
    stride = 1 + len(decades) // _MOST_TICKS
    return [float(f"{step}e{decade}") for decade in decades[::stride] for step in steps]
