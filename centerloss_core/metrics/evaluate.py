"""All figures of one feature dump."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from centerloss_core.metrics.clusters import SILHOUETTE_IMAGES, davies_bouldin, silhouette
from centerloss_core.metrics.neighbors import NEIGHBORS, mean_accuracy, neighbor_accuracy
from centerloss_core.metrics.per_class import Matrix, confusion, per_class
from centerloss_core.metrics.sample import SEED
from centerloss_core.metrics.separation import separation
from centerloss_core.metrics.verification import IMAGES, PairFigures, Verification, verification
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
        confusion: "softmax" and "nearest_center", (k, k), true classes in rows.
    """

    figures: Figures
    per_class: list[dict[str, Any]]
    confusion: dict[str, Matrix]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures with the classes below them, ready for JSON."""
        return {**self.figures, "per_class": self.per_class, "confusion": self.confusion}


def _ignore(_: str) -> None:
    """Show nothing."""


def evaluate_split(
    dump: FeatureDump, train: FeatureDump | None, *, show: Callable[[str], None] = _ignore
) -> SplitEvaluation:
    """Measure a dump.

    Args:
        dump: the images to measure.
        train: the training features that class means and k-NN are fitted on, of the same network; None where
            `dump` itself is the training features: then each image is classified by all others.
        show: called with each of STEPS when it begins.

    Raises:
        ValueError: the two dumps are not of one network.
    """
    if train is not None and train.centers.shape != dump.centers.shape:
        raise ValueError(
            f"centers are {dump.centers.shape}, those of the training features {train.centers.shape}"
        )
    fitted_on = dump if train is None else train
    classified = None if train is None else dump

    show(STEPS[0])
    separated = separation(dump).as_dict()
    show(STEPS[1])
    confused = confusion(dump)
    classes = per_class(dump, confused)
    show(STEPS[2])
    by_mean = mean_accuracy(fitted_on, classified)
    by_neighbors, neighbors = neighbor_accuracy(fitted_on, classified)
    show(STEPS[3])
    silhouette_mean, silhouette_images = silhouette(dump.features, dump.labels)
    show(STEPS[4])
    similarity = davies_bouldin(dump.features, dump.labels)
    show(STEPS[5])
    pairs = verification(dump.features, dump.labels)
    figures: Figures = {
        "images": len(dump.features),
        "classes": len(np.unique(dump.labels)),
        **separated,
        "nearest_train_mean_accuracy": by_mean,
        "knn_accuracy": by_neighbors,
        "knn_neighbors": neighbors,
        "silhouette": silhouette_mean,
        "silhouette_images": silhouette_images,
        "davies_bouldin": similarity,
        **_verification_figures(pairs),
    }
    return SplitEvaluation(figures, classes, confused)


def _verification_figures(pairs: Verification) -> Figures:
    return {
        **_named("cosine", pairs.cosine),
        **_named("euclidean", pairs.euclidean),
        "verification_images": pairs.images,
        "verification_same_pairs": pairs.same_pairs,
        "verification_different_pairs": pairs.different_pairs,
    }


def _named(distance: str, figures: PairFigures) -> Figures:
    return {f"{distance}_{name}": figure for name, figure in asdict(figures).items()}
