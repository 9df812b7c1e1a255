"""Each class by itself, and which classes are predicted in place of which. All images are of known classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.limits import CONFUSED_PAIRS, CONFUSION_CLASSES
from centerloss_core.metrics.distances import members_by_class
from centerloss_core.metrics.recognition import ACCURACIES, Classes, judges
from centerloss_core.run_directory.feature_dumps import FeatureDump

Matrix = NDArray[np.intp]


# The figures of a class that may be undefined; see `per_class`.
_FIGURES = (
    *ACCURACIES,
    *("intra_class_distance", "nearest_class", "nearest_class_distance", "relative_intra_class_distance"),
)


def confusion(found: dict[str, Classes | None], labels: Classes, classes: int) -> dict[str, Matrix]:
    """Count how many images of each class, in a row, are predicted as which class, in a column.

    Args:
        found: what `decisions` decides.
        labels: (n,) the class of each image.
        classes: how many there are, k.

    Returns:
        (k, k) matrices by the names of `judges`.
    """
    pairs = {name: labels.astype(np.intp) * classes + each for name, each in judges(found).items()}
    size = classes * classes
    return {name: np.bincount(each, minlength=size).reshape(classes, -1) for name, each in pairs.items()}


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
    dump: FeatureDump, found: dict[str, Classes | None], classes: int, names: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """One row for each of the k classes.

    Args:
        dump: the features.
        found: what `decisions` decides of it.
        classes: how many classes there are, k.
        names: of the classes; one that has none is named by its number.

    Returns:
        Rows of "class"; "name"; "images"; the fractions of them that are recognised, by each name of ACCURACIES;
        "intra_class_distance", their mean distance to their mean; "nearest_class" and "nearest_class_distance", the
        other class whose mean is nearest to theirs (of equally near ones the lowest); and
        "relative_intra_class_distance", intra_class_distance / nearest_class_distance, which does not depend on the
        scale of the features. A figure that does not exist is None: all figures of a class without images, those that
        need another class where there is only one, the quotient where two means coincide.
    """
    present, members = members_by_class(dump.features.astype(np.float64), dump.labels)
    means = np.stack([each.mean(axis=0) for each in members])
    right = {
        name: np.bincount(dump.labels[chosen == dump.labels], minlength=classes)
        for name, chosen in found.items()
        if chosen is not None
    }
    rows = []
    for label in range(classes):
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
        row |= {name: int(each[label]) / len(own) for name, each in right.items()}
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
