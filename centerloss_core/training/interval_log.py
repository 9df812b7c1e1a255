"""The rows of the intervals between two logs, and the guard against NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from centerloss_core.config import Train
from centerloss_core.errors import DivergedError
from centerloss_core.training.clock import Stopwatch

_LOGGED = ("lambda", "learning_rate")  # of the scalars of a step, where it has them


class IntervalLog:
    """Makes a row per `train.log_every` steps: means over the interval, λ and learning rate at its last step.

    The images per second are without the first step of a session, which compiles.

    It is also the guard against NaN: the figures of a step are read from the device here and nowhere else. They are
    added up one step after the other, so that a run that is resumed in between comes to the same bits.

    Attributes:
        steps: how many since the last row, as far as `check` has read them.
        sums: of each of their figures, by name.
        began: training seconds at the last row.
    """

    def __init__(self, train: Train, train_size: int, total_steps: int, clock: Stopwatch) -> None:
        self.steps = 0
        self.sums: dict[str, float] = {}
        self.began = 0.0
        self._train = train
        self._train_size = train_size
        self._total_steps = total_steps
        self._clock = clock
        self._pending: list[Mapping[str, Any]] = []  # still on the device
        self._pending_steps = 0
        # The steps of this interval up to the first of a session, which compiles, and when that had ended.
        self._cold: tuple[int, float] | None = None

    def after_steps(
        self, step: int, count: int, figures: Mapping[str, Any], scalars: Mapping[str, float]
    ) -> dict[str, Any] | None:
        """Take what the last `count` steps returned, (count,) each; return the row of a full interval.

        Args:
            step: number of the last of them, from 1; no interval ends before it.
            count: how many.
            figures: what they returned.
            scalars: what the last of them was given.

        Raises:
            DivergedError: a loss of this interval is NaN or infinite.
        """
        self._pending.append(figures)
        self._pending_steps += count
        if step % self._train.log_every == 0:
            self.check(step)
            return self.closing_row(step, scalars)
        if step == self._total_steps:  # now, while the clock runs
            self.check(step)
        if not self._clock.is_warm:
            self._cold = self.steps + self._pending_steps, self._clock.seconds
        return None

    def closing_row(self, step: int, scalars: Mapping[str, float]) -> dict[str, Any]:
        """The row of the steps since the last row.

        At the end of the run it is made after the last checkpoint is saved: a run that is trained longer goes on
        within its interval.
        """
        seconds = self._clock.seconds
        cold_steps, began = self._cold or (0, self.began)
        if cold_steps == self.steps:  # no other step to tell the pace from
            cold_steps, began = 0, self.began
        row = {
            "kind": "steps",
            "step": step,
            "epoch": step * self._train.batch_size / self._train_size,
            **{name: total / self.steps for name, total in self.sums.items()},
            **{name: scalars[name] for name in _LOGGED if name in scalars},
            "images_per_second": (self.steps - cold_steps)
            * self._train.batch_size
            / max(seconds - began, 1e-9),
        }
        self.steps, self.sums, self.began, self._cold = 0, {}, seconds, None
        return row

    def check(self, step: int) -> None:
        """Read the figures since the last look from the device.

        Raises:
            DivergedError: a loss among them is NaN or infinite; `step` is the number of the newest.
        """
        rows = [
            dict(zip(figures, row, strict=True))
            for figures in self._pending
            for row in zip(*(np.asarray(values).tolist() for values in figures.values()), strict=True)
        ]
        for number, row in enumerate(rows):
            if not all(map(math.isfinite, row.values())):
                raise DivergedError(f"at step {step - len(rows) + 1 + number} the loss")
        for row in rows:
            self.sums = {name: self.sums.get(name, 0.0) + row[name] for name in row}
        self.steps += len(rows)
        self._pending.clear()
        self._pending_steps = 0
