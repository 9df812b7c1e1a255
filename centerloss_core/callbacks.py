"""What happens beside the training steps: the clock, the metrics log, the progress shown, the guard against NaN."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.config import Config
from centerloss_core.diagnosis import Warn, look_at_interval
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
    """Training seconds: `with stopwatch:` around each step, so that evaluating, dumping and saving do not count.

    Attributes:
        warm_up_seconds: those of each session's first step, which compiles.
        sessions: how often the run was started or resumed, as far as it has got to a step.
    """

    def __init__(self, seconds: float = 0.0, warm_up_seconds: float = 0.0, sessions: int = 0) -> None:
        self.warm_up_seconds = warm_up_seconds
        self.sessions = sessions
        self._elapsed = seconds
        self._began: float | None = None
        self._is_warm = False

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        before = self._elapsed
        self._elapsed, self._began = self.seconds, None
        if not self._is_warm:
            self._is_warm = True
            self.sessions += 1
            self.warm_up_seconds += self._elapsed - before

    @property
    def seconds(self) -> float:
        """Seconds so far, right also inside a step."""
        return self._elapsed + (0.0 if self._began is None else time.perf_counter() - self._began)

    def steps_per_second(self, steps: int) -> float:
        """The pace of a run that took `steps` steps, without each session's first."""
        return (steps - self.sessions) / max(self.seconds - self.warm_up_seconds, 1e-9)


class IntervalLog:
    """Writes a row per `train.log_every` steps: means over the interval, λ and learning rate at its last step.

    It is also the guard against NaN: the figures of a step are read from the device here and nowhere else.
    """

    def __init__(
        self, run: Run, config: Config, train_size: int, total_steps: int, show: ShowProgress, warn: Warn
    ) -> None:
        self._run = run
        self._alpha = config.loss.alpha
        self._every = config.train.log_every
        self._batch_size = config.train.batch_size
        self._train_size = train_size
        self._total_steps = total_steps
        self._show = show
        self._warn = warn
        self._pending: list[Sequence[Any]] = []
        self._interval_began = 0.0

    @property
    def interval_began(self) -> float:
        """Training seconds at the last row."""
        return self._interval_began

    def pending(self) -> list[list[float]]:
        """The figures since the last row, read from the device."""
        return [[float(value) for value in row] for row in self._pending]

    def go_on_from(self, pending: list[list[float]], interval_began: float) -> None:
        """Take up the figures and the clock of an interval that an earlier process began."""
        self._pending = list(pending)
        self._interval_began = interval_began

    def after_step(
        self, step: int, figures: Sequence[Any], lambda_: float, learning_rate: float, seconds: float
    ) -> None:
        """Take the `StepFigures` of step number `step` (from 1).

        Raises:
            DivergedError: a loss of this interval is NaN or infinite.
        """
        self._pending.append(figures)
        if step % self._every and step != self._total_steps:
            return
        softmax_loss, center_loss, accuracy, center_shift = map(
            float, self._finite_figures(step).mean(axis=0)
        )
        speed = len(self._pending) * self._batch_size / max(seconds - self._interval_began, 1e-9)
        progress = Progress(
            step=step,
            total_steps=self._total_steps,
            epoch=step * self._batch_size / self._train_size,
            softmax_loss=softmax_loss,
            center_loss=center_loss,
            accuracy=accuracy,
            images_per_second=speed,
            seconds_left=(self._total_steps - step) * seconds / step,
        )
        row = {
            "kind": "steps",
            "step": step,
            "epoch": progress.epoch,
            "softmax_loss": softmax_loss,
            "center_loss": center_loss,
            "accuracy": accuracy,
            "center_shift": center_shift,
            "lambda": lambda_,
            "learning_rate": learning_rate,
            "images_per_second": speed,
        }
        self._run.log_row(row)
        for message in look_at_interval(self._alpha, row):
            self._warn(message)
        self._show(progress)
        self._pending.clear()
        self._interval_began = seconds

    def check(self, step: int) -> None:
        """Look at the figures since the last row, without writing one.

        Raises:
            DivergedError: a loss among them is NaN or infinite; `step` is the number of the newest.
        """
        self._finite_figures(step)

    def _finite_figures(self, step: int) -> NDArray[np.float64]:
        """The figures since the last row, (steps, 4); raises DivergedError unless all are finite."""
        figures = np.asarray(self.pending(), dtype=np.float64).reshape(-1, 4)
        finite = np.isfinite(figures).all(axis=1)
        if not finite.all():
            raise DivergedError(f"at step {step - len(figures) + 1 + int(np.argmin(finite))} the loss")
        return figures
