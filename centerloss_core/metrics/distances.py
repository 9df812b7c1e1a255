"""Distances between features and class points: exact differences, in memory that does not grow with the images.

‖x‖² − 2x·c + ‖c‖² would be faster, but it is too inexact to decide between close centers.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32] | NDArray[np.float64]

_NUMBERS = 1 << 18  # differences held at a time: 2 MiB, which stay in the processor's cache


def squared_distances(
    features: NDArray[np.float64], points: Features
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield rows of `features` (n, d), and the squared distances (m, k) of those m rows to all `points` (k, d)."""
    rows = max(1, _NUMBERS // points.size)
    for start in range(0, len(features), rows):
        chunk = slice(start, start + rows)
        yield chunk, np.square(features[chunk, np.newaxis] - points).sum(axis=2)


def nearest(features: NDArray[np.float64], points: Features) -> NDArray[np.intp]:
    """Return the row of `points` (k, d) nearest to each feature (n, d); of equally near ones the first."""
    return np.concatenate([squared.argmin(axis=1) for _, squared in squared_distances(features, points)])


def pair_distances(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of every pair of different rows, each pair once: k·(k − 1) / 2 numbers."""
    each = [np.linalg.norm(points[row] - points[row + 1 :], axis=1) for row in range(len(points) - 1)]
    return np.concatenate(each) if each else np.empty(0)


def class_means(
    features: NDArray[np.float64], labels: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.integer[Any]], NDArray[np.float64]]:
    """Return the classes present, ascending, and the mean feature of each."""
    present, members = members_by_class(features, labels)
    return present, np.stack([each.mean(axis=0) for each in members])


def members_by_class(
    features: NDArray[np.float64], labels: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.integer[Any]], list[NDArray[np.float64]]]:
    """Return the classes present, ascending, and the features of each, in their order."""
    present, counts = np.unique(labels, return_counts=True)
    in_order = features[np.argsort(labels, kind="stable")]
    return present, np.split(in_order, np.cumsum(counts)[:-1])
