"""MAP@R: whether the nearest images of each image are of its class, without any class point or threshold.

Musgrave, Belongie, Lim: *A Metric Learning Reality Check*, ECCV 2020.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.metrics.distances import directions
from centerloss_core.metrics.sample import balanced_sample

IMAGES = 5_000  # at most: R is the number of images of a class, so another sample is another figure

_ROWS = 256  # queries at a time


def map_at_r(
    features: NDArray[np.float32], labels: NDArray[np.integer[Any]], images: int = IMAGES
) -> dict[str, float | int | None]:
    """Mean average precision at R, over all images as queries.

    For a query whose class has R other images, the R nearest other images count:
    (1/R) · Σ_{i=1…R} P(i) · rel(i), where rel(i) is 1 if the i-th is of its class, and P(i) the share of its class
    among the first i. A query that is alone in its class is left out.

    Args:
        features: (n, d).
        labels: (n,) the class of each image.
        images: at most so many take part, as many of each class.

    Returns:
        `map_at_r_euclidean` by the distance, and `map_at_r_cosine` by the angle at the origin; None where every image
        is alone in its class. The order of several images at exactly the same distance is up to NumPy.
        `map_at_r_images`: how many take part.
    """
    chosen = balanced_sample(labels, images)
    labels = labels[chosen]
    exact = features[chosen].astype(np.float64)
    return {
        "map_at_r_euclidean": _mean(exact, labels),
        "map_at_r_cosine": _mean(directions(exact)[0], labels),
        "map_at_r_images": len(chosen),
    }


def _mean(features: NDArray[np.float64], labels: NDArray[np.integer[Any]]) -> float | None:
    from sklearn.metrics import DistanceMetric

    metric = DistanceMetric.get_metric("euclidean")  # by differences
    _, own, counts = np.unique(labels, return_inverse=True, return_counts=True)
    others = counts[own] - 1
    precisions = []
    for start in range(0, len(labels), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(labels)))
        distances = metric.pairwise(features[rows], features)
        distances[np.arange(len(rows)), rows] = np.inf  # not itself
        order = np.argsort(distances, axis=1)[:, : int(others[rows].max(initial=0))]
        relevant = labels[order] == labels[rows, np.newaxis]
        relevant &= np.arange(order.shape[1]) < others[rows, np.newaxis]
        found = np.cumsum(relevant, axis=1) / np.arange(1, order.shape[1] + 1)
        with np.errstate(invalid="ignore"):
            precisions.append((found * relevant).sum(axis=1) / others[rows])
    every = np.concatenate(precisions)[others > 0]
    return float(every.mean()) if len(every) else None
