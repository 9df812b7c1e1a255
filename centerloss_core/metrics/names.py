"""What the figures of an evaluation are called, how each is written, and which end of it is the good one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from centerloss_core.formatting import duration, number, percent
from centerloss_core.metrics.uncertainty import half_width
from centerloss_core.run_directory.class_points import renamed

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
    """

    key: str
    title: str
    write: Callable[[object], str]
    best: Literal["most", "least"] | None = None
    about: str = ""

    @property
    def of_images(self) -> bool:
        """Whether it is a share of the images, whose number tells its uncertainty."""
        return self.key.endswith("accuracy")

    def measured_on(self, images: object, value: object) -> str:
        """As `write` has it; of a share of so many images with its uncertainty, `97.60 ± 0.48 %`."""
        return percent(value, half_width(value, images)) if self.of_images else self.write(value)

    def over_seeds(self, mean: float, deviation: float) -> str:
        """A mean over seeds with their standard deviation, `97.60 ± 0.11 %` or `29.5 ± 0.8`."""
        if self.write is percent:
            return percent(mean, deviation)
        return f"{self.write(mean)} ± {number(deviation, '.2g')}"


def with_points(names: Sequence[Name], kinds: Iterable[str | None]) -> tuple[Name, ...]:
    """The figures with the points of the classes called what they are: `nearest prototype`."""
    kinds = set(kinds)
    return tuple(
        replace(name, title=renamed(name.title, kinds), about=renamed(name.about, kinds))
        if name.key.startswith("nearest_center_accuracy")
        else name
        for name in names
    )


# In more than one of the lists below.
_SOFTMAX = Name(
    "accuracy",
    "softmax",
    percent,
    "most",
    about="share of images for which the softmax head predicts the right class",
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
_RATIO = Name(
    "separation_ratio",
    "inter/intra",
    number,
    "most",
    about="how far apart the classes are for their size; to compare λ",
)

# Of a run, as training leaves it.
SEPARATION = (
    _SOFTMAX,
    Name(
        "nearest_center_accuracy",
        "nearest center",
        percent,
        "most",
        about="the same, if each image gets the class of the nearest trained center",
    ),
    _INTRA,
    _INTER,
    _RATIO,
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
    _SOFTMAX,
    Name(
        "nearest_center_accuracy",
        "nearest trained center",
        percent,
        "most",
        about="share of images whose nearest trained center is that of their class",
    ),
    Name(
        "nearest_mean_accuracy",
        "nearest mean of these images",
        percent,
        "most",
        about="the same, with the means of the measured images",
    ),
    Name(
        "nearest_train_mean_accuracy",
        "nearest mean of training images",
        percent,
        "most",
        about="the same, with the means of the training images",
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
    _RATIO,
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
)
VERIFICATION = (
    Name(
        "cosine_auc",
        "cosine: AUC",
        _fine,
        "most",
        about="chance that a pair of one class has the smaller angle than a pair of two classes",
    ),
    Name(
        "cosine_eer",
        "cosine: EER",
        percent,
        "least",
        about="error rate at the angle where as many pairs are wrongly accepted as wrongly refused",
    ),
    Name(
        "cosine_tar_at_far_1e2",
        "cosine: TAR at FAR 1e-2",
        percent,
        "most",
        about="pairs of one class accepted, where 1 in 100 pairs of two classes is",
    ),
    Name(
        "cosine_tar_at_far_1e3",
        "cosine: TAR at FAR 1e-3",
        percent,
        "most",
        about="pairs of one class accepted, where 1 in 1,000 pairs of two classes is",
    ),
    Name("euclidean_auc", "Euclidean: AUC", _fine, "most", about="the same as for the angle, by distance"),
    Name("euclidean_eer", "Euclidean: EER", percent, "least", about="the same, by distance"),
    Name(
        "euclidean_tar_at_far_1e2",
        "Euclidean: TAR at FAR 1e-2",
        percent,
        "most",
        about="the same, by distance",
    ),
    Name(
        "euclidean_tar_at_far_1e3",
        "Euclidean: TAR at FAR 1e-3",
        percent,
        "most",
        about="the same, by distance",
    ),
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
    Name(
        "nearest_center_accuracy",
        "nearest center",
        percent,
        about="share of them whose nearest trained center is that of their class",
    ),
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
