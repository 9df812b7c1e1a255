"""All figures of one feature dump."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from centerloss_core.metrics.clusters import SILHOUETTE_IMAGES, davies_bouldin, silhouette
from centerloss_core.metrics.distances import directions
from centerloss_core.metrics.neighbors import (
    NEIGHBORS,
    mean_accuracy,
    mean_direction_accuracy,
    neighbor_accuracy,
)
from centerloss_core.metrics.per_class import Matrix, confusion, confusion_as_json, per_class
from centerloss_core.metrics.recognition import decisions
from centerloss_core.metrics.sample import SEED
from centerloss_core.metrics.separation import separation
from centerloss_core.metrics.verification import IMAGES, verification
from centerloss_core.run_directory.feature_dumps import FeatureDump

Figures = dict[str, float | int | None]

STEPS = (
    "accuracy and distances",
    "classes",
    "nearest neighbors",
    "silhouette",
    "Davies–Bouldin",
    "verification",
)
SETTINGS = {
    "neighbors": NEIGHBORS,
    "silhouette_images": SILHOUETTE_IMAGES,
    "verification_images": IMAGES,
    "sample_seed": SEED,
}


@dataclass(frozen=True)
class SplitEvaluation:
    """What was measured on one split.

    Attributes:
        figures: by name, as docs/metrics.md has them; None where a figure is undefined, never NaN.
        per_class: a row for each class.
        confusion: (k, k) counts, true classes in rows, by "softmax" where there are logits and by "nearest_center"
            where there are centers; by "nearest_mean" where there is neither.
        centers_kind: what the centers are, such as "prototype"; None without them.
    """

    figures: Figures
    per_class: list[dict[str, Any]]
    confusion: dict[str, Matrix]
    centers_kind: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the figures with the classes below them, ready for JSON."""
        confusion = {name: confusion_as_json(counts) for name, counts in self.confusion.items()}
        return {
            **self.figures,
            "centers_kind": self.centers_kind,
            "per_class": self.per_class,
            "confusion": confusion,
        }


def evaluate_split(
    dump: FeatureDump,
    train: FeatureDump | None,
    class_names: Sequence[str] = (),
    *,
    show: Callable[[str], None] | None = None,
) -> SplitEvaluation:
    """Measure a dump; images of unknown classes are left out.

    Args:
        dump: the images to measure.
        train: the training features that class means and k-NN are fitted on, of the same network; None where
            `dump` itself is the training features: then each image is classified by all others.
        class_names: in the order of the labels; without them, classes are named by their numbers.
        show: called with each of STEPS when it begins.

    Raises:
        ValueError: the two dumps are not of one network, or one has no image of a known class.
    """
    dump = dump.known()
    train = None if train is None else train.known()
    if train is not None and _shape(train) != _shape(dump):
        raise ValueError(
            f"dimensions and classes are {_shape(dump)}, in the training features {_shape(train)}"
        )
    fitted_on = dump if train is None else train
    classified = None if train is None else dump
    show = show or (lambda _: None)
    steps = iter(STEPS)
    show(next(steps))
    separated = separation(dump).as_dict()
    show(next(steps))
    found, count = decisions(dump), max(len(class_names), dump.classes_seen())
    confused = confusion(found, dump.labels, count)
    classes = per_class(dump, found, count, class_names)
    show(next(steps))
    by_mean = mean_accuracy(fitted_on, classified)
    by_angle = mean_direction_accuracy(fitted_on, classified)
    by_neighbors, neighbors = neighbor_accuracy(fitted_on, classified)
    show(next(steps))
    silhouette_mean, silhouette_images = silhouette(dump.features, dump.labels)
    show(next(steps))
    similarity = davies_bouldin(dump.features, dump.labels)
    show(next(steps))
    pairs = verification(dump.features, dump.labels)
    figures: Figures = {
        "images": len(dump.features),
        "classes": len(np.unique(dump.labels)),
        "zero_length_images": int((~directions(dump.features)[1]).sum()),
        **separated,
        "nearest_train_mean_accuracy": by_mean,
        "nearest_train_mean_accuracy_cosine": by_angle,
        "knn_accuracy": by_neighbors,
        "knn_neighbors": neighbors,
        "silhouette": silhouette_mean,
        "silhouette_images": silhouette_images,
        "davies_bouldin": similarity,
        **pairs,
    }
    return SplitEvaluation(figures, classes, confused, dump.centers_kind)


def _shape(dump: FeatureDump) -> tuple[int, int | None]:
    """The dimensions, and the number of centers."""
    return dump.features.shape[1], None if dump.centers is None else len(dump.centers)
