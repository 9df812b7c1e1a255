"""How well each image fits its label: by the points of the classes, and by the logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from centerloss_core.metrics.distances import directions, squared_distances
from centerloss_core.run_directory.feature_dumps import FeatureDump

Order = Literal["distance", "margin", "loss"]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Classes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fit:
    """How each of n images fits its label.

    Attributes:
        distance: (n,) to the point of its own class, in units of the features; 1 − cos for a loss of angles.
        other: (n,) the nearest of the other classes.
        other_distance: (n,) to the point of that one.
        predicted: (n,) the class with the largest logit; without a head that of the nearest point.
        loss: (n,) softmax cross entropy, −log of the softmax probability of the label; None without logits.
    """

    distance: Floats
    other: Classes
    other_distance: Floats
    predicted: Classes
    loss: Floats | None

    @property
    def margin(self) -> Floats:
        """(n,) how much farther the own class is than the nearest other; above 0, that one is nearer."""
        return self.distance - self.other_distance

    def by(self, order: Order) -> Floats:
        """What images are ordered by, the largest first; ValueError by the loss without logits."""
        values = {"distance": self.distance, "margin": self.margin, "loss": self.loss}[order]
        if values is None:
            raise ValueError("there are no logits to compute a loss from")
        return values


def fit_of(dump: FeatureDump, points: Singles | Floats, *, is_angular: bool) -> Fit:
    """Compare the features of images of known classes with the points (k, d) of all k ≥ 2 classes.

    By the angle, a feature or a point of length 0 has no direction, and the cosine 0 to everything.
    """
    labels, features = dump.labels, dump.features.astype(np.float64)
    targets, has_none = points, (np.zeros(len(labels), bool), np.zeros(len(points), bool))
    if is_angular:
        (features, told), (targets, usable) = directions(features), directions(points)
        has_none = ~told, ~usable
    own, other_distance = np.empty(len(labels)), np.empty(len(labels))
    other, nearest = np.empty(len(labels), np.int64), np.empty(len(labels), np.int64)
    for rows, squared in squared_distances(features, targets):
        # 1 − cos of two directions is half of their squared distance: exact where 1 − u · v has been rounded.
        distances = squared / 2 if is_angular else np.sqrt(squared)
        distances[has_none[0][rows]] = distances[:, has_none[1]] = 1.0
        each = np.arange(len(distances))
        nearest[rows] = distances.argmin(axis=1)
        own[rows] = distances[each, labels[rows]]
        distances[each, labels[rows]] = np.inf
        other[rows] = distances.argmin(axis=1)
        other_distance[rows] = distances.min(axis=1)
    predicted = nearest if dump.predictions is None else dump.predictions
    loss = None if dump.logits is None else cross_entropy(dump.logits, labels)
    return Fit(own, other, other_distance, predicted, loss)


def cross_entropy(logits: Singles, labels: Classes) -> Floats:
    """−log softmax of the label's logit, (n,), of logits (n, k)."""
    exact = logits.astype(np.float64)
    exact -= exact.max(axis=1, keepdims=True)
    found: Floats = np.log(np.exp(exact).sum(axis=1)) - exact[np.arange(len(labels)), labels]
    return found
