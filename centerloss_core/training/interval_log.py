"""What happens beside the training steps: the clock, the metrics log, the progress shown, the guard against NaN."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from centerloss_core.config import Config
from centerloss_core.errors import DivergedError
from centerloss_core.run_directory.writer import Run
from centerloss_core.training.diagnosis import Warn, look_at_interval


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


@dataclass(frozen=True)
class Interval:
    """The steps since the last row, as what a mean needs of them: however many they are, a checkpoint holds this.

    Added up one step after the other, so that a run that is resumed in between comes to the same bits.

    Attributes:
        steps: how many.
        sums: of softmax loss, center loss, accuracy and ‖Δc‖.
    """

    steps: int = 0
    sums: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)

    def plus(self, figures: tuple[float, ...]) -> Interval:
        """One step more."""
        return Interval(self.steps + 1, tuple(a + b for a, b in zip(self.sums, figures, strict=True)))

    def means(self) -> tuple[float, ...]:
        """Over the steps."""
        return tuple(total / self.steps for total in self.sums)


class IntervalLog:
    """Writes a row per `train.log_every` steps: means over the interval, λ and learning rate at its last step.

    It is also the guard against NaN: the figures of a step are read from the device here and nowhere else.
    """

    def __init__(
        self,
        run: Run,
        config: Config,
        train_size: int,
        total_steps: int,
        show: ShowProgress | None,
        warn: Warn,
    ) -> None:
        self._run = run
        self._alpha = config.loss.alpha
        self._every = config.train.log_every
        self._batch_size = config.train.batch_size
        self._train_size = train_size
        self._total_steps = total_steps
        self._show = show
        self._warn = warn
        self._pending: list[Sequence[Any]] = []  # on the device yet
        self._interval = Interval()
        self._interval_began = 0.0
        self._told = False

    @property
    def interval_began(self) -> float:
        """Training seconds at the last row."""
        return self._interval_began

    def interval(self, step: int) -> Interval:
        """What the steps since the last row add up to, step number `step` being the newest.

        Raises:
            DivergedError: a loss among them is NaN or infinite.
        """
        self.check(step)
        return self._interval

    def go_on_from(self, interval: Interval, interval_began: float) -> None:
        """Take up the figures and the clock of an interval that an earlier process began."""
        self._interval = interval
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
        self.check(step)
        softmax_loss, center_loss, accuracy, center_shift = self._interval.means()
        speed = self._interval.steps * self._batch_size / max(seconds - self._interval_began, 1e-9)
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
        self._look_at(row)
        if self._show is not None:
            self._show(progress)
        self._interval = Interval()
        self._interval_began = seconds

    def _look_at(self, row: dict[str, Any]) -> None:
        """Warn of the first interval that calls for it: what is wrong there is mostly so in all that follow."""
        if self._told:
            return
        for message in look_at_interval(self._alpha, row):
            self._told = True
            self._warn(message)

    def check(self, step: int) -> None:
        """Read the figures since the last look from the device.

        Raises:
            DivergedError: a loss among them is NaN or infinite; `step` is the number of the newest.
        """
        rows = [tuple(float(value) for value in figures) for figures in self._pending]
        for number, row in enumerate(rows):
            if not all(map(math.isfinite, row)):
                raise DivergedError(f"at step {step - len(rows) + 1 + number} the loss")
        for row in rows:
            self._interval = self._interval.plus(row)
        self._pending.clear()
