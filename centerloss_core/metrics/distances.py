"""Distances and angles between features and class points: exact differences, in memory that does not grow with images.

‖x‖² − 2x·c + ‖c‖² would be faster, but it is too inexact to decide between close centers.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32] | NDArray[np.float64]

_CANCELLED = 1e-12  # length below which a mean of directions is what rounding has left
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


def directions(vectors: Features) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return each row (n, d) divided by its length, and which rows (n,) have a direction: 0 has none and stays 0.

    The distance of two directions, √(2 − 2 cos), orders pairs as their cosine does. The cosine itself cannot tell
    angles below 10⁻⁸ apart: it is 1 for all of them.
    """
    exact = vectors.astype(np.float64)
    largest = np.abs(exact).max(axis=1, keepdims=True)
    exact /= np.where(largest == 0, 1, largest)  # so that no square is too large or too small
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return exact / np.where(lengths == 0, 1, lengths), largest[:, 0] > 0


def mean_directions(
    features: NDArray[np.float64], labels: NDArray[np.integer[Any]], classes: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Return for each of some classes (k,) the mean (k, d) of the directions of its features; 0 where none is left."""
    units, told = directions(features)
    means = np.zeros((len(classes), features.shape[1]))
    if told.any():
        present, own = class_means(units[told], labels[told])
        means[np.searchsorted(classes, present)] = own
    return uncancelled(means)


def uncancelled(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of directions, 0 where these cancel one another: what rounding leaves of them points anywhere."""
    return np.where(np.linalg.norm(means, axis=1, keepdims=True) < _CANCELLED, 0.0, means)


def nearest_direction(features: Features, points: Features) -> NDArray[np.intp] | None:
    """Return the row of `points` (k, d) at the smallest angle to each feature (n, d); of equal angles the first.

    Returns:
        (n,); −1 for a feature without a direction. None where no feature, or no point, has one.
    """
    (units, told), (targets, usable) = directions(features), directions(points)
    if not (told.any() and usable.any()):
        return None
    return np.where(told, np.flatnonzero(usable)[nearest(units, targets[usable])], -1)
