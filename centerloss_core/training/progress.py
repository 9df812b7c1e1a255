"""Where a run stands, for a terminal or another display."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from centerloss_core.training.clock import Stopwatch
from centerloss_core.training.observers import Observer, Row

# Whatever else a row of an interval holds is a figure of the loss.
_NO_FIGURES = ("kind", "step", "epoch", "lambda", "learning_rate", "images_per_second")


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        figures: what the loss shows, by name, as means over the interval: `softmax_loss`, `accuracy`, ….
    """

    step: int
    total_steps: int
    epoch: float
    figures: dict[str, float]
    images_per_second: float
    seconds_left: float


ShowProgress = Callable[[Progress], None]


class ProgressReport(Observer):
    """Calls `show` with the progress at the end of each interval."""

    def __init__(self, show: ShowProgress, total_steps: int, clock: Stopwatch) -> None:
        self._show = show
        self._total_steps = total_steps
        self._clock = clock

    def on_row(self, row: Row) -> None:
        if row["kind"] != "steps":
            return
        step = row["step"]
        progress = Progress(
            step=step,
            total_steps=self._total_steps,
            epoch=row["epoch"],
            figures={name: value for name, value in row.items() if name not in _NO_FIGURES},
            images_per_second=row["images_per_second"],
            seconds_left=(self._total_steps - step) * self._clock.seconds / step,
        )
        self._show(progress)
