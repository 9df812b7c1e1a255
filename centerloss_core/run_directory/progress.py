"""Where a run stands, as it tells a display itself, and as its newest row tells a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from centerloss_core.formatting import finite
from centerloss_core.limits import ESTIMATE_SECONDS

# Whatever else a row of an interval holds is a figure of the loss.
_NO_FIGURES = ("kind", "step", "epoch", "lambda", "learning_rate", "images_per_second")


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        figures: what the loss shows, by name, as means over the interval: `softmax_loss`, `accuracy`, …. Empty where
            no interval is full yet.
        images_per_second, seconds_left: None where they are not known.
    """

    step: int
    total_steps: int
    epoch: float
    figures: dict[str, Any]
    images_per_second: float | None
    seconds_left: float | None


def figures_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the loss shows in a row of an interval."""
    return {name: value for name, value in row.items() if name not in _NO_FIGURES}


def progress_of(row: Mapping[str, Any], total_steps: int, batch_size: int) -> Progress:
    """Where the run of this row stands, at the pace of the row; the file may be edited, so any value may be wrong."""
    step, epoch, rate = (finite(row.get(key)) or 0.0 for key in ("step", "epoch", "images_per_second"))
    left = None
    if rate > 0 and 0 <= step <= total_steps:
        seconds = (total_steps - step) * batch_size / rate
        left = seconds if seconds < ESTIMATE_SECONDS else None
    return Progress(int(step), total_steps, epoch, figures_of(row), rate or None, left)
