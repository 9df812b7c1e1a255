"""What the figures of an evaluation are called, how each is written, and which end of it is the good one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from centerloss_core.formatting import duration, finite, number, percent
from centerloss_core.metrics.uncertainty import half_width
from centerloss_core.run_directory.class_points import renamed

ANGLE = "∠"  # behind a figure that is taken by the angle, where the loss looks at directions
ANGLE_MEANING = "by the angle at the origin, where the loss looks at directions"
_OF_DIRECTIONS = ("alignment", "uniformity")
_OF_NEITHER = ("images", "accuracy")
_whole = partial(number, digits=",")
_fine = partial(number, digits=".5f")


@dataclass(frozen=True)
class Name:
    """One figure.

    Attributes:
        key: in `evaluation.json`.
        title: in a table.
        best: None where neither end is the good one: raw distances shrink as λ grows.
        about: what it is, in one line.
        by_angle: the key of the same figure by the angle in place of the distance, where there is one.
    """

    key: str
    title: str
    write: Callable[[object], str]
    best: Literal["most", "least"] | None = None
    about: str = ""
    by_angle: str = ""

    @property
    def of_images(self) -> bool:
        """Whether it is a share of the images, whose number tells its uncertainty."""
        return self.key.endswith(("accuracy", "accuracy_cosine"))

    @property
    def is_of_directions(self) -> bool | None:
        """Whether it compares angles; not where it compares distances; None where neither."""
        if self.key in _OF_NEITHER:
            return None
        return "cosine" in self.key or self.key in _OF_DIRECTIONS

    def of(self, row: Mapping[str, Any]) -> object:
        """The figure of a row that fits its loss: by the angle where the row `is_angular`."""
        return row.get(self.key_of(row))

    def key_of(self, row: Mapping[str, Any]) -> str:
        """The key of that figure."""
        return self.by_angle if self.by_angle and row.get("is_angular") is True else self.key

    def cell(self, row: Mapping[str, Any], images: object) -> str:
        """As `measured_on` writes what `of` chooses, with the sign of `sign`: `98.20 ± 0.42 % ∠`."""
        value = self.of(row)
        return self.measured_on(images, value) + ("" if finite(value) is None else self.sign(row))

    def measured_on(self, images: object, value: object) -> str:
        """As `write` has it; of a share of so many images with its uncertainty, `97.60 ± 0.48 %`."""
        return percent(value, half_width(value, images)) if self.of_images else self.write(value)

    def over_seeds(self, mean: float, deviation: float) -> str:
        """A mean over seeds with their standard deviation, `97.60 ± 0.11 %` or `29.5 ± 0.8`."""
        if self.write is percent:
            return percent(mean, deviation)
        return f"{self.write(mean)} ± {number(deviation, '.2g')}"

    def sign(self, row: Mapping[str, Any]) -> str:
        """What follows a figure of a row that is by the angle."""
        return "" if self.key_of(row) == self.key else f" {ANGLE}"


def with_points(names: Sequence[Name], kinds: Iterable[str | None]) -> tuple[Name, ...]:
    """The figures with the points of the classes called what they are: `nearest prototype`."""
    kinds = set(kinds)
    return tuple(
        replace(name, title=renamed(name.title, kinds), about=renamed(name.about, kinds))
        if name.key.startswith("nearest_center_accuracy")
        else name
        for name in names
    )


def in_order(names: Iterable[Name], *, is_angular: bool) -> list[Name]:
    """The figures with those that fit a loss before the others: by the angle, or by the distance."""
    return sorted(
        names,
        key=lambda name: 0 if name.is_of_directions is None else 1 + (name.is_of_directions != is_angular),
    )


def separation_of(rows: Sequence[Mapping[str, Any]]) -> tuple[Name, ...]:
    """SEPARATION for a table of runs, with the nearest mean where one of them has no class points."""
    return _with_mean(SEPARATION, rows)


def class_figures_of(rows: Sequence[Mapping[str, Any]]) -> tuple[Name, ...]:
    """CLASS_FIGURES likewise for a table of classes."""
    return _with_mean(CLASS_FIGURES, rows)


def accuracy_of(row: Mapping[str, Any]) -> Name | None:
    """The accuracy that tells most of a run, where there is room for one: by its head, or else by what it has."""
    return next((name for name in (SOFTMAX, CENTER, MEAN) if finite(name.of(row)) is not None), None)


def _with_mean(names: Sequence[Name], rows: Sequence[Mapping[str, Any]]) -> tuple[Name, ...]:
    without = [row for row in rows if finite(CENTER.of(row)) is None]
    if not any(finite(MEAN.of(row)) is not None for row in without):
        return tuple(names)
    place = next(index for index, name in enumerate(names) if name.key == CENTER.key) + 1
    return (*names[:place], MEAN, *names[place:])


# In more than one of the lists below.
SOFTMAX = Name(
    "accuracy",
    "softmax",
    percent,
    "most",
    about="share of images for which the softmax head predicts the right class",
)
CENTER = Name(
    "nearest_center_accuracy",
    "nearest center",
    percent,
    "most",
    about="the same, if each image gets the class of the nearest trained center",
    by_angle="nearest_center_accuracy_cosine",
)
MEAN = Name(
    "nearest_mean_accuracy",
    "nearest mean",
    percent,
    "most",
    about="the same, if each image gets the class of the nearest class mean of these images",
    by_angle="nearest_mean_accuracy_cosine",
)
_INTRA = Name(
    "intra_class_distance",
    "intra",
    number,
    about="mean distance of a feature to the mean of its class; shrinks as λ grows",
)
_INTER = Name(
    "inter_class_distance",
    "inter",
    number,
    about="mean distance between the means of two classes; shrinks as λ grows",
)
RATIO = Name(
    "separation_ratio",
    "inter/intra",
    number,
    "most",
    about="how far apart the classes are for their size; to compare λ",
)

# Of a run, as training leaves it.
SEPARATION = (
    SOFTMAX,
    CENTER,
    _INTRA,
    _INTER,
    RATIO,
)
SPEED = (
    Name(
        "images_per_second",
        "images/s",
        partial(number, digits=".0f"),
        about="training images in a second of steps",
    ),
    Name("seconds", "time", duration, about="of the whole run, from the start to the final dump"),
)

# Of an evaluation.
RECOGNITION = (
    Name("images", "images", _whole, about="how many were measured"),
    SOFTMAX,
    Name(
        "nearest_center_accuracy",
        "nearest trained center",
        percent,
        "most",
        about="share of images whose nearest trained center is that of their class",
        by_angle="nearest_center_accuracy_cosine",
    ),
    Name(
        "nearest_center_accuracy_cosine",
        "nearest trained center, cosine",
        percent,
        "most",
        about="the same, by the angle at the origin",
    ),
    Name(
        "nearest_mean_accuracy",
        "nearest mean of these images",
        percent,
        "most",
        about="the same, with the means of the measured images",
        by_angle="nearest_mean_accuracy_cosine",
    ),
    Name(
        "nearest_mean_accuracy_cosine",
        "nearest mean of these images, cosine",
        percent,
        "most",
        about="the same by the angle, with the mean directions of the measured images",
    ),
    Name(
        "nearest_train_mean_accuracy",
        "nearest mean of training images",
        percent,
        "most",
        about="the same, with the means of the training images",
        by_angle="nearest_train_mean_accuracy_cosine",
    ),
    Name(
        "nearest_train_mean_accuracy_cosine",
        "nearest mean of training images, cosine",
        percent,
        "most",
        about="the same by the angle, with the mean directions of the training images",
    ),
    Name(
        "knn_accuracy",
        "nearest training images",
        percent,
        "most",
        about="the same, by the vote of the nearest training images",
    ),
)
CLUSTERS = (
    _INTRA,
    _INTER,
    Name(
        "inter_class_distance_min",
        "inter, closest pair",
        number,
        about="distance between the two class means that are closest",
    ),
    RATIO,
    Name(
        "fisher_ratio",
        "Fisher ratio",
        partial(number, digits=".4g"),
        "most",
        about="scatter between the classes over scatter within them",
    ),
    Name(
        "silhouette",
        "silhouette",
        number,
        "most",
        about="−1 to 1: how much nearer an image is to its own class than to the next",
    ),
    Name(
        "davies_bouldin",
        "Davies–Bouldin",
        number,
        "least",
        about="size of two classes over their distance, for the worst partner of each class",
    ),
    Name(
        "alignment",
        "alignment",
        number,
        "least",
        about="0 to 4: mean squared distance of the directions of two images of one class",
    ),
    Name(
        "uniformity",
        "uniformity",
        number,
        "least",
        about="−8 to 0: the lower, the more evenly all directions are spread",
    ),
)
_OF_PAIRS: tuple[tuple[str, str, Callable[[object], str], Literal["most", "least"], str], ...] = (
    ("auc", "AUC", _fine, "most", "chance that a pair of one class is nearer than a pair of two"),
    (
        "eer",
        "EER",
        percent,
        "least",
        "error rate where as many pairs are wrongly accepted as wrongly refused",
    ),
    (
        "tar_at_far_1e2",
        "TAR at FAR 1e-2",
        percent,
        "most",
        "pairs of one class accepted, where 1 in 100 pairs of two is",
    ),
    (
        "tar_at_far_1e3",
        "TAR at FAR 1e-3",
        percent,
        "most",
        "pairs of one class accepted, where 1 in 1,000 pairs of two is",
    ),
)
VERIFICATION = tuple(
    Name(f"{key}_{figure}", f"{title}: {short}", write, best, about=f"{about}, {by}")
    for key, title, by in (
        ("euclidean", "Euclidean", "by their distance"),
        ("cosine", "cosine", "by their angle at the origin"),
    )
    for figure, short, write, best, about in _OF_PAIRS
)
FIGURES = (*RECOGNITION, *CLUSTERS, *VERIFICATION)

# Of each class by itself.
CLASS_FIGURES = (
    Name("images", "images", _whole, about="how many were measured"),
    Name(
        "accuracy",
        "softmax",
        percent,
        about="share of images of this class that the softmax head predicts right",
    ),
    replace(CENTER, best=None, about="share of them whose nearest trained center is that of their class"),
    _INTRA,
    Name(
        "nearest_class",
        "nearest class",
        partial(number, digits="g"),
        about="the class whose mean is nearest to the mean of this one",
    ),
    Name(
        "relative_intra_class_distance",
        "intra / its distance",
        number,
        about="intra over the distance to that class: small for a compact class",
    ),
)
