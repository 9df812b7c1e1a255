"""What the figures of an evaluation are called, how each is written, and which end of it is the good one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from centerloss_core.formatting import duration, number, percent

_whole = partial(number, digits=",")
_fine = partial(number, digits=".5f")


@dataclass(frozen=True)
class Name:
    """One figure.

    Attributes:
        key: in `evaluation.json`.
        title: in a table.
        best: None where neither end is the good one: raw distances shrink as λ grows.
    """

    key: str
    title: str
    write: Callable[[object], str]
    best: Literal["most", "least"] | None = None


# Of a run, as training leaves it.
SEPARATION = (
    Name("accuracy", "softmax", percent, "most"),
    Name("nearest_center_accuracy", "nearest center", percent, "most"),
    Name("intra_class_distance", "intra", number),
    Name("inter_class_distance", "inter", number),
    Name("separation_ratio", "inter/intra", number, "most"),
)
SPEED = (
    Name("images_per_second", "images/s", partial(number, digits=".0f")),
    Name("seconds", "time", duration),
)

# Of an evaluation.
RECOGNITION = (
    Name("images", "images", _whole),
    Name("accuracy", "softmax", percent, "most"),
    Name("nearest_center_accuracy", "nearest trained center", percent, "most"),
    Name("nearest_mean_accuracy", "nearest mean of these images", percent, "most"),
    Name("nearest_train_mean_accuracy", "nearest mean of training images", percent, "most"),
    Name("knn_accuracy", "nearest training images", percent, "most"),
)
CLUSTERS = (
    Name("intra_class_distance", "intra", number),
    Name("inter_class_distance", "inter", number),
    Name("inter_class_distance_min", "inter, closest pair", number),
    Name("separation_ratio", "inter/intra", number, "most"),
    Name("fisher_ratio", "Fisher ratio", partial(number, digits=".4g"), "most"),
    Name("silhouette", "silhouette", number, "most"),
    Name("davies_bouldin", "Davies–Bouldin", number, "least"),
)
VERIFICATION = (
    Name("cosine_auc", "cosine: AUC", _fine, "most"),
    Name("cosine_eer", "cosine: EER", percent, "least"),
    Name("cosine_tar_at_far_1e2", "cosine: TAR at FAR 1e-2", percent, "most"),
    Name("cosine_tar_at_far_1e3", "cosine: TAR at FAR 1e-3", percent, "most"),
    Name("euclidean_auc", "Euclidean: AUC", _fine, "most"),
    Name("euclidean_eer", "Euclidean: EER", percent, "least"),
    Name("euclidean_tar_at_far_1e2", "Euclidean: TAR at FAR 1e-2", percent, "most"),
    Name("euclidean_tar_at_far_1e3", "Euclidean: TAR at FAR 1e-3", percent, "most"),
)
FIGURES = (*RECOGNITION, *CLUSTERS, *VERIFICATION)

# Of each class by itself.
CLASS_FIGURES = (
    Name("images", "images", _whole),
    Name("accuracy", "softmax", percent),
    Name("nearest_center_accuracy", "nearest center", percent),
    Name("intra_class_distance", "intra", number),
    Name("nearest_class", "nearest class", partial(number, digits="g")),
    Name("relative_intra_class_distance", "intra / its distance", number),
)
