"""The rows of the intervals between two logs, and the guard against NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from centerloss_core.config import Train
from centerloss_core.errors import DivergedError
from centerloss_core.training.clock import Stopwatch
from centerloss_core.training.observers import Observer

_LOGGED = ("lambda", "learning_rate")  # of the scalars of a step, where it has them


@dataclass(frozen=True)
class Interval:
    """The steps since the last row, as what a mean needs of them: however many they are, a checkpoint holds this.

    Added up one step after the other, so that a run that is resumed in between comes to the same bits.

    Attributes:
        steps: how many.
        sums: of each figure of the loss, by name.
    """

    steps: int = 0
    sums: Mapping[str, float] = field(default_factory=dict)

    def plus(self, figures: Mapping[str, float]) -> Interval:
        """One step more."""
        return Interval(self.steps + 1, {name: self.sums.get(name, 0.0) + figures[name] for name in figures})

    def means(self) -> dict[str, float]:
        """Over the steps."""
        return {name: total / self.steps for name, total in self.sums.items()}


class IntervalLog:
    """Gives a row per `train.log_every` steps: means over the interval, λ and learning rate at its last step.

    It is also the guard against NaN: the figures of a step are read from the device here and nowhere else.

    Attributes:
        began: training seconds at the last row.
    """

    def __init__(
        self, train: Train, train_size: int, total_steps: int, clock: Stopwatch, observer: Observer
    ) -> None:
        self.began = 0.0
        self._every = train.log_every
        self._batch_size = train.batch_size
        self._train_size = train_size
        self._total_steps = total_steps
        self._clock = clock
        self._observer = observer
        self._pending: list[Mapping[str, Any]] = []  # on the device yet
        self._interval = Interval()

    def interval(self, step: int) -> Interval:
        """What the steps since the last row add up to, step number `step` being the newest.

        Raises:
            DivergedError: a loss among them is NaN or infinite.
        """
        self.check(step)
        return self._interval

    def resume(self, interval: Interval, began: float) -> None:
        """Take up the figures and the clock of an interval that an earlier process began."""
        self._interval = interval
        self.began = began

    def after_step(self, step: int, figures: Mapping[str, Any], scalars: Mapping[str, float]) -> None:
        """Take what step number `step` (from 1) was given and what it returned.

        Raises:
            DivergedError: a loss of this interval is NaN or infinite.
        """
        self._pending.append(figures)
        if step % self._every and step != self._total_steps:
            return
        self.check(step)
        seconds = self._clock.seconds
        row = {
            "kind": "steps",
            "step": step,
            "epoch": step * self._batch_size / self._train_size,
            **self._interval.means(),
            **{name: scalars[name] for name in _LOGGED if name in scalars},
            "images_per_second": self._interval.steps * self._batch_size / max(seconds - self.began, 1e-9),
        }
        self._interval, self.began = Interval(), seconds
        self._observer.on_row(row)

    def check(self, step: int) -> None:
        """Read the figures since the last look from the device.

        Raises:
            DivergedError: a loss among them is NaN or infinite; `step` is the number of the newest.
        """
        rows = [{name: float(value) for name, value in figures.items()} for figures in self._pending]
        for number, row in enumerate(rows):
            if not all(map(math.isfinite, row.values())):
                raise DivergedError(f"at step {step - len(rows) + 1 + number} the loss")
        for row in rows:
            self._interval = self._interval.plus(row)
        self._pending.clear()
