"""What happens beside the training steps: the clock, the metrics log, the progress shown, the guard against NaN."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from centerloss_core.config import Train
from centerloss_core.errors import DivergedError
from centerloss_core.runs import Run


@dataclass(frozen=True)
class Progress:
    """Where a run stands, for whoever shows it."""

    step: int
    total_steps: int
    epoch: float
    softmax_loss: float
    center_loss: float
    accuracy: float
    images_per_second: float
    seconds_left: float


ShowProgress = Callable[[Progress], None]


def ignore_progress(_: Progress) -> None:
    """Show nothing."""


class Stopwatch:
    """Training seconds: `with stopwatch:` around each step, so that evaluating, dumping and saving do not count."""

    def __init__(self) -> None:
        self._elapsed = 0.0
        self._first: float | None = None
        self._began: float | None = None

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._elapsed, self._began = self.seconds, None
        if self._first is None:
            self._first = self._elapsed

    @property
    def seconds(self) -> float:
        """Seconds so far, right also inside a step."""
        return self._elapsed + (0.0 if self._began is None else time.perf_counter() - self._began)

    @property
    def seconds_after_first(self) -> float:
        """Seconds of all steps but the first, which compiles."""
        return self.seconds - (self._first or 0.0)


class IntervalLog:
    """Writes a row per `train.log_every` steps: means over the interval, λ and learning rate at its last step.

    It is also the guard against NaN: the figures of a step are read from the device here and nowhere else.
    """

    def __init__(self, run: Run, train: Train, train_size: int, total_steps: int, show: ShowProgress) -> None:
        self._run = run
        self._every = train.log_every
        self._batch_size = train.batch_size
        self._train_size = train_size
        self._total_steps = total_steps
        self._show = show
        self._pending: list[tuple[Any, Any, Any]] = []
        self._interval_began = 0.0

    def after_step(
        self, step: int, figures: tuple[Any, Any, Any], lambda_: float, learning_rate: float, seconds: float
    ) -> None:
        """Take the figures (softmax loss, center loss, accuracy) of step number `step` (from 1).

        Raises:
            DivergedError: a loss of this interval is NaN or infinite.
        """
        self._pending.append(figures)
        if step % self._every and step != self._total_steps:
            return
        means = self._means(step)
        speed = len(self._pending) * self._batch_size / max(seconds - self._interval_began, 1e-9)
        progress = Progress(
            step=step,
            total_steps=self._total_steps,
            epoch=step * self._batch_size / self._train_size,
            **means,
            images_per_second=speed,
            seconds_left=(self._total_steps - step) * seconds / step,
        )
        row = {
            "kind": "steps",
            "step": step,
            "epoch": progress.epoch,
            **means,
            "lambda": lambda_,
            "learning_rate": learning_rate,
            "images_per_second": speed,
        }
        self._run.log_row(row)
        self._show(progress)
        self._pending.clear()
        self._interval_began = seconds

    def check(self, step: int) -> None:
        """Look at the figures since the last row, without writing one.

        Raises:
            DivergedError: a loss among them is NaN or infinite; `step` is the number of the newest.
        """
        figures = np.asarray([[float(value) for value in row] for row in self._pending]).reshape(-1, 3)
        finite = np.isfinite(figures).all(axis=1)
        if not finite.all():
            raise DivergedError(f"at step {step - len(figures) + 1 + int(np.argmin(finite))} the loss")

    def _means(self, step: int) -> dict[str, float]:
        self.check(step)
        columns = zip(*self._pending, strict=True)
        softmax_loss, center_loss, accuracy = (
            float(np.mean([float(v) for v in column])) for column in columns
        )
        return {"softmax_loss": softmax_loss, "center_loss": center_loss, "accuracy": accuracy}
