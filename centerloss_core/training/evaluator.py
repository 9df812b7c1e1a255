"""What belongs to the end of an epoch and of a run. It follows from the state, so that a resume does it again."""

from __future__ import annotations

from dataclasses import dataclass

from centerloss_core.config import Config
from centerloss_core.datasets import Dataset, Sampler, Split
from centerloss_core.limits import FILM_IMAGES
from centerloss_core.metrics.separation import separation
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.training.clock import Stopwatch
from centerloss_core.training.evaluation import extract
from centerloss_core.training.interval_log import IntervalLog
from centerloss_core.training.observers import Observer
from centerloss_core.training.schedules import scalars_of_step
from centerloss_core.training.step import TrainStep


@dataclass(frozen=True)
class Evaluator:
    """Evaluates a training step between two steps, and tells the observer; `step` is how many were taken."""

    config: Config
    dataset: Dataset
    train_step: TrainStep
    sampler: Sampler
    total_steps: int
    log: IntervalLog
    clock: Stopwatch
    observer: Observer

    def is_due(self, step: int) -> bool:
        """Whether an epoch ends with this step, or the run."""
        return step > 0 and (self.epoch_ends(step) or step == self.total_steps)

    def epoch_ends(self, step: int) -> bool:
        """Whether an epoch ends with this step."""
        return self.sampler.completed_epochs(step) > self.sampler.completed_epochs(step - 1)

    def evaluate(self, step: int) -> dict[str, FeatureDump]:
        """The features of test and validation images; at the end of an epoch with its row."""
        if step == self.total_steps:
            self.close_interval(step)
        dumps = {"test": self.dump(self.dataset.test, step)}
        if self.dataset.validation is not None:
            dumps["validation"] = self.dump(self.dataset.validation, step)
        if self.epoch_ends(step):
            epoch = self.sampler.completed_epochs(step)
            self.observer.on_epoch(epoch, step, dumps["test"])
            self.observer.on_row({"kind": "epoch", "epoch": epoch, "step": step, **figures_of(dumps)})
        return dumps

    def close_interval(self, step: int) -> None:
        """Log the steps since the last row, at the end of a run."""
        if self.log.steps:
            scalars = scalars_of_step(self.config, step - 1, self.total_steps)
            self.observer.on_row(self.log.closing_row(step, scalars))

    def dump(self, split: Split, step: int) -> FeatureDump:
        """The features of a split."""
        if self.clock.is_warm:  # else no step was taken yet, and the one that compiles is still to come
            with self.clock:  # a GPU may still be busy with the last steps
                self.log.check(step)  # it can name the step; the features that follow cannot
        return extract(self.train_step.network, self.train_step.points, split, step)

    def dump_some(self, step: int) -> FeatureDump:
        """The features of some test images, for an animation."""
        return self.dump(self.dataset.test.thinned(FILM_IMAGES), step)


def figures_of(dumps: dict[str, FeatureDump]) -> dict[str, dict[str, float | None]]:
    """The figures of each split, by name."""
    return {name: separation(dump).as_dict() for name, dump in dumps.items()}
