"""Each class by itself, and which classes are taken for which."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.metrics.separation import class_means, nearest
from centerloss_core.run_directory.feature_dumps import FeatureDump

Matrix = list[list[int]]


def confusion(dump: FeatureDump) -> dict[str, Matrix]:
    """Count, for each class in a row, as which class its images were taken, in columns.

    Returns:
        Two (k, k) matrices: "softmax", by the largest logit, and "nearest_center", by the nearest trained center.
    """
    chosen = {
        "softmax": dump.predictions,
        "nearest_center": nearest(dump.features.astype(np.float64), dump.centers),
    }
    return {name: count_taken(dump.labels, each, len(dump.centers)).tolist() for name, each in chosen.items()}


def count_taken(
    labels: NDArray[np.integer[Any]], taken: NDArray[np.integer[Any]], classes: int
) -> NDArray[np.intp]:
    """Return (classes, classes) counts: a row per label, a column per class that its images were taken for."""
    pairs = labels.astype(np.intp) * classes + taken.astype(np.intp)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def per_class(dump: FeatureDump, confused: dict[str, Matrix]) -> list[dict[str, Any]]:
    """One row for each of the k classes.

    Args:
        dump: the features.
        confused: what `confusion` says of it.

    Returns:
        Rows of "class"; "images"; "accuracy" and "nearest_center_accuracy", the parts of them that are recognised;
        "intra_class_distance", their mean distance to their mean; "nearest_class" and "nearest_class_distance", the
        other class whose mean is nearest to theirs (of equally near ones the lowest); and
        "relative_intra_class_distance", intra_class_distance / nearest_class_distance, which does not depend on
        the scale of the features. What does not exist is None: of a class without images all, of a class alone
        whatever needs another, and the quotient where two means coincide.
    """
    features = dump.features.astype(np.float64)
    present, means = class_means(features, dump.labels)
    rows = []
    for label in range(len(dump.centers)):
        row: dict[str, Any] = {
            "class": label,
            "images": int((dump.labels == label).sum()),
            "accuracy": None,
            "nearest_center_accuracy": None,
            "intra_class_distance": None,
            "nearest_class": None,
            "nearest_class_distance": None,
            "relative_intra_class_distance": None,
        }
        rows.append(row)
        if not row["images"]:
            continue
        own = features[dump.labels == label]
        row["accuracy"] = confused["softmax"][label][label] / len(own)
        row["nearest_center_accuracy"] = confused["nearest_center"][label][label] / len(own)
        others = present != label
        mean = means[~others][0]
        row["intra_class_distance"] = float(np.linalg.norm(own - mean, axis=1).mean())
        if not others.any():
            continue
        distances = np.linalg.norm(means[others] - mean, axis=1)
        row["nearest_class"] = int(present[others][distances.argmin()])
        row["nearest_class_distance"] = float(distances.min())
        if distances.min() > 0:
            row["relative_intra_class_distance"] = row["intra_class_distance"] / float(distances.min())
    return rows
