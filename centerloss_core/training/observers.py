"""What is told of the events of a run: the run directory, a display, and whatever else is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from centerloss_core.run_directory.progress import Progress, figures_of
from centerloss_core.run_directory.writer import Run
from centerloss_core.training.clock import Stopwatch

if TYPE_CHECKING:
    from centerloss_core.config import Train
    from centerloss_core.run_directory.feature_dumps import FeatureDump

Row = Mapping[str, Any]


class Observer:
    """Told of each event of a run; overrides what it has a use for."""

    def on_step(self, step: int) -> None:
        """A step was taken; after its row, if it has one."""

    def on_row(self, row: Row) -> None:
        """A row of `metrics.jsonl`: of an interval (kind "steps") or of the end of an epoch (kind "epoch")."""

    def on_epoch(self, epoch: int, step: int, test: FeatureDump) -> None:
        """The test features at the end of an epoch; before its row."""

    def on_end(self, dumps: Mapping[str, FeatureDump]) -> None:
        """The features of each split after the last step."""


class Observers(list[Observer], Observer):
    """Several as one, told in their order."""

    def on_step(self, step: int) -> None:
        for observer in self:
            observer.on_step(step)

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
    """Keeps rows and features in the run directory; logits of the final features alone, which thresholds need."""

    def __init__(self, run: Run, *, every_epoch: bool) -> None:
        """With `every_epoch`, the test features of each epoch are kept too."""
        self._run = run
        self._every_epoch = every_epoch

    def on_row(self, row: Row) -> None:
        self._run.log_row(row)

    def on_epoch(self, epoch: int, step: int, test: FeatureDump) -> None:
        if self._every_epoch:
            self._run.write_features(f"test-epoch-{epoch:04d}", replace(test, logits=None))

    def on_end(self, dumps: Mapping[str, FeatureDump]) -> None:
        for name, dump in dumps.items():
            self._run.write_features(f"{name}-final", dump)


class StepRecorder(Observer):
    """Keeps the features of some test images after every `every` steps, and after the last; None: never."""

    def __init__(
        self, run: Run, every: int | None, total_steps: int, dump: Callable[[int], FeatureDump]
    ) -> None:
        self._run, self._every, self._total_steps, self._dump = run, every, total_steps, dump

    def on_step(self, step: int) -> None:
        if self._every is not None and (step % self._every == 0 or step == self._total_steps):
            self._run.write_features(f"test-step-{step:08d}", replace(self._dump(step), logits=None))


ShowProgress = Callable[[Progress], None]
ShowStage = Callable[[str], None]

_FIRST_STEPS, _FIRST_SECONDS = 5, 2.0  # of the first estimate: a machine that is fast has a row sooner


class ProgressReport(Observer):
    """Calls `show` with the progress at the end of each interval, and once before, when the pace is known.

    Where the first steps are slow, the first interval would take a minute. The first step of a session compiles: it
    says nothing of the pace.
    """

    def __init__(self, show: ShowProgress, train: Train, train_size: int, clock: Stopwatch) -> None:
        self._show = show
        self._total_steps = train.total_steps(train_size)
        self._batch_size = train.batch_size
        self._train_size = train_size
        self._clock = clock
        self._first: tuple[int, float] | None = None  # the first step of this session, and when it had ended
        self._has_shown = False

    def on_step(self, step: int) -> None:
        if self._first is None:
            self._first = step, self._clock.seconds
            return
        first, since = self._first
        if (
            not self._has_shown
            and step - first >= _FIRST_STEPS
            and self._clock.seconds - since >= _FIRST_SECONDS
        ):
            self._tell(step, {}, 0.0)

    def on_row(self, row: Row) -> None:
        # A row that ends with the first step of a session, as of a resumed run, knows no pace but that of compiling.
        if row["kind"] == "steps" and (self._first is not None or row["step"] == self._total_steps):
            self._tell(row["step"], figures_of(row), row["images_per_second"])

    def _tell(self, step: int, figures: dict[str, Any], images_per_second: float) -> None:
        pace = images_per_second  # of a last row that is of one step alone
        if self._first is not None and step > self._first[0]:
            seconds = max(self._clock.seconds - self._first[1], 1e-9)
            pace = (step - self._first[0]) * self._batch_size / seconds
        self._has_shown = True
        self._show(
            Progress(
                step=step,
                total_steps=self._total_steps,
                epoch=step * self._batch_size / self._train_size,
                figures=figures,
                images_per_second=images_per_second or pace,
                seconds_left=(self._total_steps - step) * self._batch_size / pace,
            )
        )
