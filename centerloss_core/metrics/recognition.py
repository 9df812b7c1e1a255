"""Which class each image is given, by what: its largest logit, the nearest class point, the nearest mean of its split.

Nearest is said twice, by the distance of two features and by the angle between them at the origin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.metrics.distances import (
    class_means,
    mean_directions,
    nearest,
    nearest_direction,
)
from centerloss_core.run_directory.feature_dumps import UNKNOWN, FeatureDump

Classes = NDArray[np.integer[Any]]

# The accuracies that one dump has by itself, in the order of tables.
ACCURACIES = (
    "accuracy",
    "nearest_center_accuracy",
    "nearest_center_accuracy_cosine",
    "nearest_mean_accuracy",
    "nearest_mean_accuracy_cosine",
)
DIRECTIONS_ALONE = ("weight",)  # class points whose lengths, and so their distances, mean nothing


def decisions(dump: FeatureDump) -> dict[str, Classes | None]:
    """Decide on the class of each image of a dump.

    Returns:
        By each name of ACCURACIES (n,) classes, the lowest of equally near ones, and −1 for an image that has none: by
        the angle, one whose feature is 0. None instead of an array where nothing decides: without logits, without class
        points, without an image of a known class, without any direction.
    """
    features = dump.features.astype(np.float64)
    found: dict[str, Classes | None] = dict.fromkeys(ACCURACIES)
    found["accuracy"] = dump.predictions
    if dump.centers is not None:
        if dump.centers_kind not in DIRECTIONS_ALONE:
            found["nearest_center_accuracy"] = nearest(features, dump.centers)
        found["nearest_center_accuracy_cosine"] = nearest_direction(features, dump.centers)
    known = dump.labels != UNKNOWN
    if known.any():
        present, means = class_means(features[known], dump.labels[known])
        found["nearest_mean_accuracy"] = present[nearest(features, means)]
        towards = mean_directions(features[known], dump.labels[known], present)
        by_angle = nearest_direction(features, towards)
        if by_angle is not None:
            found["nearest_mean_accuracy_cosine"] = np.where(by_angle < 0, -1, present[by_angle])
    return found


def judges(found: dict[str, Classes | None]) -> dict[str, Classes]:
    """Those of `decisions` that are shown image by image: softmax and nearest center, or else the nearest mean."""
    named = {"softmax": found["accuracy"], "nearest_center": found["nearest_center_accuracy"]}
    known = {name: classes for name, classes in named.items() if classes is not None}
    means = found["nearest_mean_accuracy"]
    return known if known or means is None else {"nearest_mean": means}
