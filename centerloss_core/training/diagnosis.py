"""What can go wrong without an error: figures that call for a warning, each with a remedy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from centerloss_core.config import Config
from centerloss_core.errors import Warn
from centerloss_core.training.observers import Observer, Row

if TYPE_CHECKING:
    from centerloss_core.run_directory.feature_dumps import FeatureDump

Figures = Mapping[str, float | None]  # of a split, as in a row of an epoch

_FEWEST_STEPS = 50  # before that a healthy run may be guessing too

# Shares of images, in figures of 1,000 and more: none of these is reached by chance.
_GUESSING = 2.0  # times the share of a class …
_LEARNT = 1 / 9  # … or this part of the way from there to 100 %: less than the double where classes are few
_HEAD_BEHIND = 0.02
_ONE_POINT = 0.5  # inter/intra of points that know nothing of their class is below 0.1
_MERGED = 0.5  # times the mean distance of a class to its center
_SHORTEST, _MOST_SHORT = 1e-6, 0.5  # a length, as the heads have it; a share of the features
_ALIKE = 0.01  # relative difference between values of a loss that does not change
_LAST_ROWS = 8


class Course:
    """How the loss went that tells classes apart: that of the head, or of the term where there is no head.

    Args:
        config: of the run.
        classes: k.
        rows: those that a resumed run has logged before.
    """

    def __init__(self, config: Config, classes: int, rows: Iterable[Row] = ()) -> None:
        loss = config.loss
        if loss.head.module is None:
            self.name, self.in_one_point = f"{loss.term.name}_loss", config.in_one_point(classes)
        else:
            self.name, self.in_one_point = "softmax_loss", math.log(classes)
        self.steps = 0
        self._values: list[float] = []
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """Go on with the row of an interval."""
        self.steps = row["step"]
        if row.get(self.name) is not None:
            self._values = [*self._values, row[self.name]][-_LAST_ROWS:]

    @property
    def falls(self) -> bool:
        """Whether the later half of the last rows is on average below all of the earlier; true while there is one row.

        Not below their average: a loss that stands may have had a peak.
        """
        values, half = self._values, len(self._values) // 2
        return not half or float(np.mean(values[-half:])) < (1 - _ALIKE) * min(values[:half])

    @property
    def value(self) -> float | None:
        """The loss, where the later half of the last rows, and two at least, have that of features in one point."""
        last = self._values[-max(2, len(self._values) // 2) :]
        if self.in_one_point is None or len(last) < 2:
            return None
        known = all(math.isclose(each, self.in_one_point, rel_tol=_ALIKE) for each in last)
        return last[-1] if known else None

    @property
    def stands(self) -> bool:
        """Whether a run has gone far enough to be judged, and learns nothing."""
        return self.steps >= _FEWEST_STEPS and (not self.falls or self.value is not None)


class Diagnosis(Observer):
    """Warns of what the rows and features of a run show."""

    def __init__(
        self, config: Config, classes: int, warn: Warn, *, is_new: bool = True, earlier: Sequence[Row] = ()
    ) -> None:
        """Of a run that is resumed `earlier` are its rows of intervals before that."""
        self._config = config
        self._classes = classes
        self._warn = warn
        self._told = False
        self._course = Course(config, classes, earlier)
        self._short = 0.0
        if is_new:
            self._pass_on(look_at_config(config))

    def on_row(self, row: Row) -> None:
        if row["kind"] == "epoch":
            self._look_at_test(f"epoch {row['epoch']}", row["test"])
            return
        self._course.add(row)
        if not self._told:  # what is wrong with an interval is mostly so in all that follow
            self._told = self._pass_on(look_at_interval(self._config.loss.alpha, row))

    def on_epoch(self, epoch: int, step: int, test: FeatureDump) -> None:
        self._short = share_without_length(test)

    def on_end(self, dumps: Mapping[str, FeatureDump]) -> None:
        self._short = share_without_length(dumps["test"])

    def at_end(self, step: int, epochs: int, test: Figures, *, within_epoch: bool) -> None:
        """Look at the final test figures of a run of `step` steps and so many whole epochs."""
        if within_epoch:
            self._look_at_test(f"step {step}", test)
        if epochs and step >= _FEWEST_STEPS:  # before that it has not got far enough to be judged
            self._pass_on(look_at_end(self._config, test))

    def _look_at_test(self, when: str, test: Figures) -> None:
        self._pass_on(look_at_test(when, test, self._config, self._classes, self._course, self._short))

    def _pass_on(self, messages: Iterable[str]) -> bool:
        """Whether there was one."""
        found = list(messages)
        for message in found:
            self._warn(message)
        return bool(found)


def share_without_length(dump: FeatureDump) -> float:
    """The share of features that are as good as 0."""
    return float((np.linalg.norm(dump.features, axis=1) < _SHORTEST).mean())


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


def look_at_test(
    when: str, test: Figures, config: Config, classes: int, course: Course, short: float = 0.0
) -> Iterator[str]:
    """Warnings about the test figures at the end of an epoch or of the run, of which `short` features have length 0."""
    loss = config.loss
    accuracy = test.get("accuracy")
    guessed = 1 / classes
    guesses = accuracy is not None and accuracy < min(_GUESSING * guessed, guessed + _LEARNT * (1 - guessed))
    if course.stands and guesses:
        yield (
            f"{when}: softmax accuracy is {accuracy:.1%}, hardly better than guessing{_as_of_one_point(course)}: "
            f"{slower(config)}"
        )
    remedy = _remedy(config)
    ratio = test["separation_ratio"]
    if short > _MOST_SHORT:
        yield f"{when}: {short:.0%} of the features have length 0, so that they have no direction: {remedy}"
    elif course.stands and loss.head.module is None and course.value is not None:
        yield f"{when}: the loss stands still{_as_of_one_point(course)}: {remedy}"
    # Without a ratio the classes have no spread: they are all one point, or have one image each.
    elif course.stands and (not test["inter_class_distance"] if ratio is None else ratio < _ONE_POINT):
        words = "0" if ratio is None else f"{ratio:.2g}"
        yield f"{when}: the features of all classes lie in one place (inter/intra is {words}): {remedy}"


def _as_of_one_point(course: Course) -> str:
    """In words, the loss where it is that of features in one point."""
    if course.value is None:
        return ""
    return (
        f" ({course.name.replace('_', ' ')} {course.value:.3g}: that of features which are all in one point)"
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
            f"two classes share one cluster (their means are {closest:.2g} apart, at a spread of {spread:.2g} within "
            f"classes): {_remedy(config)}{'' if config.loss.head.module else ', or raise model.feature_dim'}"
        )


def _pulls(config: Config) -> bool:
    """Whether there is a loss of the features, by whose strength they may collapse."""
    return config.loss.term.module is not None and config.loss.lambda_ > 0


def slower(config: Config) -> str:
    """What to do where the steps are too large for this loss. Only λ beside a head may grow."""
    grows = _pulls(config) and config.loss.head.module is not None
    return f"{config.loss.head.remedy}{', or let λ grow slowly with loss.ramp' if grows else ''}"


def _remedy(config: Config) -> str:
    """What to do against a collapse."""
    loss = config.loss
    if loss.head.module is None:
        return loss.term.remedy
    return "lower λ, or let it grow slowly with loss.ramp" if _pulls(config) else loss.head.remedy


def look_at_interval(alpha: float, row: Row) -> Iterator[str]:
    """Warnings about a row of the metrics log."""
    if alpha > 0 and row.get("center_shift") == 0:
        yield (
            f"the centers did not move in the steps up to {row['step']} (‖Δc‖ = 0) although α = {alpha:g}: "
            "the features are all where their centers are, most likely dead; lower train.learning_rate"
        )
