"""What is told of the events of a run: the run directory, a display, and whatever else is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from centerloss_core.run_directory.writer import Run
from centerloss_core.training.clock import Stopwatch

if TYPE_CHECKING:
    from centerloss_core.run_directory.feature_dumps import FeatureDump

Row = Mapping[str, Any]


class Observer:
    """Told of each event of a run; overrides what it has a use for."""

    def on_row(self, row: Row) -> None:
        """A row of `metrics.jsonl`: of an interval (kind "steps") or of the end of an epoch (kind "epoch")."""

    def on_epoch(self, epoch: int, step: int, test: FeatureDump) -> None:
        """The test features at the end of an epoch; before its row."""

    def on_end(self, dumps: Mapping[str, FeatureDump]) -> None:
        """The features of each split after the last step."""


class Observers(list[Observer], Observer):
    """Several as one, told in their order."""

    def on_row(self, row: Row) -> None:
        for observer in self:
            observer.on_row(row)

    def on_epoch(self, epoch: int, step: int, test: FeatureDump) -> None:
        for observer in self:
            observer.on_epoch(epoch, step, test)

    def on_end(self, dumps: Mapping[str, FeatureDump]) -> None:
        for observer in self:
            observer.on_end(dumps)


class Recorder(Observer):
    """Keeps rows and features in the run directory."""

    def __init__(self, run: Run, *, every_epoch: bool) -> None:
        """With `every_epoch`, the test features of each epoch are kept too."""
        self._run = run
        self._every_epoch = every_epoch

    def on_row(self, row: Row) -> None:
        self._run.log_row(row)

    def on_epoch(self, epoch: int, step: int, test: FeatureDump) -> None:
        if self._every_epoch:
            self._run.write_features(f"test-epoch-{epoch:04d}", test)

    def on_end(self, dumps: Mapping[str, FeatureDump]) -> None:
        for name in ("test", "train"):
            self._run.write_features(f"{name}-final", dumps[name])


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
