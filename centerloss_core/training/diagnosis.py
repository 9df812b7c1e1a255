"""What can go wrong without an error: figures that call for a warning, each with a remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from centerloss_core.config import Config
from centerloss_core.errors import Warn
from centerloss_core.training.observers import Observer, Row

Figures = Mapping[str, float | None]  # of a split, as in a row of an epoch

_FEWEST_STEPS = 50  # before that a healthy run may be guessing too

# Shares of images, in figures of 1,000 and more: none of these is reached by chance.
_GUESSING = 2.0  # times the share of a class
_HEAD_BEHIND = 0.02
_ONE_POINT = 0.5  # inter/intra of points that know nothing of their class is below 0.1
_MERGED = 0.5  # times the mean distance of a class to its center


class Diagnosis(Observer):
    """Warns of what the rows of a run show."""

    def __init__(self, config: Config, classes: int, warn: Warn, *, is_new: bool = True) -> None:
        self._config = config
        self._classes = classes
        self._pulls = _pulls(config)
        self._warn = warn
        self._told = False
        if is_new:
            self._pass_on(look_at_config(config))

    def on_row(self, row: Row) -> None:
        if row["kind"] == "epoch":
            self._pass_on(
                look_at_test(f"epoch {row['epoch']}", row["test"], self._classes, pulls=self._pulls)
            )
        elif not self._told:  # what is wrong with an interval is mostly so in all that follow
            self._told = self._pass_on(look_at_interval(self._config.loss.alpha, row))

    def at_end(self, step: int, epochs: int, test: Figures, *, within_epoch: bool) -> None:
        """Look at the final test figures of a run of `step` steps and so many whole epochs."""
        if within_epoch and step >= _FEWEST_STEPS:
            self._pass_on(look_at_test(f"step {step}", test, self._classes, pulls=self._pulls))
        if epochs and step >= _FEWEST_STEPS:  # before that it has not got far enough to be judged
            self._pass_on(look_at_end(self._config, test))

    def _pass_on(self, messages: Iterable[str]) -> bool:
        """Whether there was one."""
        found = list(messages)
        for message in found:
            self._warn(message)
        return bool(found)


def warnings_of_the_end(config: Config, manifest: Mapping[str, Any]) -> set[str]:
    """Those warnings of a completed run that its end called for, and not one of its epochs."""
    at_end = set(look_at_end(config, manifest["metrics"]["test"]))
    return {each for each in manifest["warnings"] if each in at_end or each.startswith("step ")}


def look_at_config(config: Config) -> Iterator[str]:
    """Warnings about settings that do not do what they say."""
    model = config.model
    if model.head_start == "circle" and model.feature_dim != 2:
        yield (
            f"the head starts with random weights: model.head_start: circle is for model.feature_dim: 2, "
            f"and this is {model.feature_dim}"
        )


def look_at_test(when: str, test: Figures, classes: int, *, pulls: bool) -> Iterator[str]:
    """Warnings about the test figures at the end of an epoch or of the run; `pulls`: whether a λ > 0 could be why."""
    accuracy = test.get("accuracy")
    if accuracy is not None and accuracy * classes < _GUESSING:
        yield (
            f"{when}: softmax accuracy is {accuracy:.1%}, hardly better than guessing: lower train.learning_rate"
            + (", or let λ grow slowly with loss.ramp" if pulls else "")
        )
    ratio = test["separation_ratio"]
    # Without a ratio the classes have no spread: they are all one point, or have one image each.
    if not test["inter_class_distance"] if ratio is None else ratio < _ONE_POINT:
        words = "0" if ratio is None else f"{ratio:.2g}"
        yield (
            f"{when}: the features of all classes lie in one place (inter/intra is {words}): "
            + ("lower λ, or let it grow slowly with loss.ramp" if pulls else "lower train.learning_rate")
        )


def look_at_end(config: Config, test: Figures) -> Iterator[str]:
    """Warnings about the final test figures of a run of at least one epoch."""
    accuracy, nearest = test.get("accuracy"), test.get("nearest_center_accuracy")
    pulls = _pulls(config)
    if accuracy is not None and nearest is not None and nearest - accuracy > _HEAD_BEHIND:
        remedy = (
            "features shrink as λ grows, and its weights must grow as fast; begin λ lower (loss.ramp) or raise "
            "train.head_rate"
            if pulls
            else "raise train.head_rate, or train longer"
        )
        yield f"the softmax head was left behind (accuracy {accuracy:.1%}, nearest center {nearest:.1%}): {remedy}"
    closest, spread = test["inter_class_distance_min"], test["intra_class_distance"]
    if pulls and closest is not None and spread is not None and closest < _MERGED * spread:
        yield (
            f"two classes share one cluster (their means are {closest:.2g} apart, at a spread of "
            f"{spread:.2g} within classes): lower λ, or let it grow slowly with loss.ramp"
        )


def _pulls(config: Config) -> bool:
    """Whether there is a loss of the features that a λ can make too strong."""
    return config.loss.term.module is not None and config.loss.lambda_ > 0


def look_at_interval(alpha: float, row: Row) -> Iterator[str]:
    """Warnings about a row of the metrics log."""
    if alpha > 0 and row.get("center_shift") == 0:
        yield (
            f"the centers did not move in the steps up to {row['step']} (‖Δc‖ = 0) although α = {alpha:g}: "
            "the features are all where their centers are, most likely dead; lower train.learning_rate"
        )
