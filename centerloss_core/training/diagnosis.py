"""What can go wrong without an error: figures that a person should hear about, each with a remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from centerloss_core.config import Config
from centerloss_core.metrics.separation import SeparationMetrics

Warn = Callable[[str], None]

_FEWEST_STEPS = 50  # before that a healthy run may be guessing too

# Shares of images, in figures of 1,000 and more: none of these is reached by chance.
_GUESSING = 2.0  # times the share of a class
_HEAD_BEHIND = 0.02
_ONE_POINT = 0.5  # inter/intra of points that know nothing of their class is below 0.1
_MERGED = 0.5  # times the mean distance of a class to its center


def look_at_epoch(epoch: int, test: SeparationMetrics, classes: int) -> Iterator[str]:
    """Warnings about the test figures at the end of an epoch."""
    return _look_at_test(f"epoch {epoch}", test, classes)


def look_at_unfinished_epoch(step: int, test: SeparationMetrics, classes: int) -> Iterator[str]:
    """The same at the end of a run that ends within an epoch."""
    return _look_at_test(f"step {step}", test, classes) if step >= _FEWEST_STEPS else iter(())


def _look_at_test(when: str, test: SeparationMetrics, classes: int) -> Iterator[str]:
    if test.accuracy * classes < _GUESSING:
        yield (
            f"{when}: softmax accuracy is {test.accuracy:.1%}, hardly better than guessing: "
            "lower train.learning_rate, or let λ grow slowly with loss.ramp"
        )
    ratio = test.separation_ratio
    if ratio is None or ratio < _ONE_POINT:
        words = "0" if ratio is None else f"{ratio:.2g}"
        yield (
            f"{when}: the features of all classes lie in one place (inter/intra is {words}): "
            "lower λ, or let it grow slowly with loss.ramp"
        )


def look_at_end(config: Config, test: SeparationMetrics, epochs: int) -> Iterator[str]:
    """Warnings about the test figures at the end of a run of so many whole epochs."""
    if not epochs:  # it has not got far enough to be judged
        return
    behind = test.nearest_center_accuracy - test.accuracy
    if behind > _HEAD_BEHIND:
        yield (
            f"the softmax head was left behind (accuracy {test.accuracy:.1%}, nearest center "
            f"{test.nearest_center_accuracy:.1%}): features shrink as λ grows, and its weights must grow as fast; "
            "begin λ lower (loss.ramp) or raise train.head_rate"
        )
    closest = test.inter_class_distance_min
    if config.loss.lambda_ > 0 and closest is not None and closest < _MERGED * test.intra_class_distance:
        yield (
            f"two classes share one cluster (their means are {closest:.2g} apart, at a spread of "
            f"{test.intra_class_distance:.2g} within classes): lower λ, or let it grow slowly with loss.ramp"
        )


def look_at_interval(alpha: float, row: dict[str, Any]) -> Iterator[str]:
    """Warnings about a row of the metrics log."""
    if alpha > 0 and row["center_shift"] == 0:
        yield (
            f"the centers did not move in the steps up to {row['step']} (‖Δc‖ = 0) although α = {alpha:g}: "
            "the features are all where their centers are, most likely dead; lower train.learning_rate"
        )
