"""Each class by itself, and which classes are predicted in place of which. All images are of known classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.limits import CONFUSED_PAIRS, CONFUSION_CLASSES
from centerloss_core.metrics.distances import members_by_class, nearest
from centerloss_core.run_directory.feature_dumps import FeatureDump

Matrix = NDArray[np.intp]


# The figures of a class that may be undefined; see `per_class`.
_FIGURES = (
    *("accuracy", "nearest_center_accuracy", "intra_class_distance"),
    *("nearest_class", "nearest_class_distance", "relative_intra_class_distance"),
)


def confusion(dump: FeatureDump, named: int = 0) -> dict[str, Matrix]:
    """Count how many images of each class, in a row, are predicted as which class, in a column.

    Args:
        dump: the features.
        named: number of classes that have a name; there are k of them, or more where the dump shows more.

    Returns:
        (k, k) matrices: "softmax", by the largest logit, and, where the dump has centers, "nearest_center".
    """
    chosen = {"softmax": dump.predictions}
    if dump.centers is not None:
        chosen["nearest_center"] = nearest(dump.features.astype(np.float64), dump.centers)
    k = max(named, dump.classes_seen())
    pairs = {name: dump.labels.astype(np.intp) * k + each.astype(np.intp) for name, each in chosen.items()}
    return {name: np.bincount(each, minlength=k * k).reshape(k, k) for name, each in pairs.items()}


def confusion_as_json(counts: Matrix) -> list[list[int]] | list[dict[str, int]]:
    """Return all counts of few classes; of many, the pairs of classes that are confused, the most frequent first."""
    if len(counts) <= CONFUSION_CLASSES:
        rows: list[list[int]] = counts.tolist()
        return rows
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    label, predicted = np.nonzero(wrong)
    order = np.argsort(-wrong[label, predicted], kind="stable")[:CONFUSED_PAIRS]
    return [
        {"class": int(label[i]), "predicted": int(predicted[i]), "images": int(wrong[label[i], predicted[i]])}
        for i in order
    ]


def per_class(
    dump: FeatureDump, confused: dict[str, Matrix], names: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """One row for each of the k classes.

    Args:
        dump: the features.
        confused: what `confusion` returns for it.
        names: of the classes; one that has none is named by its number.

    Returns:
        Rows of "class"; "name"; "images"; "accuracy" and "nearest_center_accuracy", the fractions of them that are
        recognised; "intra_class_distance", their mean distance to their mean; "nearest_class" and
        "nearest_class_distance", the other class whose mean is nearest to theirs (of equally near ones the lowest);
        and "relative_intra_class_distance", intra_class_distance / nearest_class_distance, which does not depend on
        the scale of the features. A figure that does not exist is None: all figures of a class without images, those
        that need another class where there is only one, the quotient where two means coincide.
    """
    present, members = members_by_class(dump.features.astype(np.float64), dump.labels)
    means = np.stack([each.mean(axis=0) for each in members])
    rows = []
    for label in range(len(confused["softmax"])):
        row: dict[str, Any] = {
            "class": label,
            "name": names[label] if label < len(names) else str(label),
            "images": 0,
            **dict.fromkeys(_FIGURES),
        }
        rows.append(row)
        place = int(np.searchsorted(present, label))
        if place == len(present) or present[place] != label:
            continue
        own, mean = members[place], means[place]
        row["images"] = len(own)
        row["accuracy"] = int(confused["softmax"][label, label]) / len(own)
        if "nearest_center" in confused:
            row["nearest_center_accuracy"] = int(confused["nearest_center"][label, label]) / len(own)
        row["intra_class_distance"] = float(np.linalg.norm(own - mean, axis=1).mean())
        if len(present) == 1:
            continue
        distances = np.linalg.norm(means - mean, axis=1)
        distances[place] = np.inf
        row["nearest_class"] = int(present[distances.argmin()])
        row["nearest_class_distance"] = float(distances.min())
        if distances.min() > 0:
            row["relative_intra_class_distance"] = row["intra_class_distance"] / float(distances.min())
    return rows
