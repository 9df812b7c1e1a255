"""Classifiers that know nothing but the training features: nearest class mean and k nearest neighbors.

They tell whether the features themselves separate the classes, whatever the softmax layer makes of them. An image
never takes part in its own classification: where the training images are classified, each is left out in turn.

All images are of known classes.
"""

import numpy as np

from centerloss_core.metrics.distances import (
    class_means,
    directions,
    mean_directions,
    nearest,
    nearest_direction,
    squared_distances,
    uncancelled,
)
from centerloss_core.run_directory.feature_dumps import FeatureDump

NEIGHBORS = 5


def mean_accuracy(train: FeatureDump, test: FeatureDump | None) -> float | None:
    """Fraction of images whose nearest class mean of the training features is that of their class.

    Args:
        train: where the means are taken. A class without images in it has none, and its test images are lost.
        test: the images to classify; None for those of `train`, each against means that it has no part in.

    Returns:
        The fraction; of equally near means the lowest class wins. None where leaving an image out leaves no mean.
    """
    features = train.features.astype(np.float64)
    present, means = class_means(features, train.labels)
    if test is not None:
        chosen = present[nearest(test.features.astype(np.float64), means)]
        return float((chosen == test.labels).mean())
    if len(features) == 1:
        return None
    # Without image i the mean of its class is m + (m − x_i) / (n_c − 1): as if it were n_c / (n_c − 1) as far away.
    own = np.searchsorted(present, train.labels)
    counts = np.bincount(own)[own]
    with np.errstate(divide="ignore"):
        farther = np.where(counts > 1, counts / (counts - 1), np.inf)
    right = 0
    for rows, squared in squared_distances(features, means):
        cells = np.arange(len(squared)), own[rows]
        with np.errstate(invalid="ignore"):
            # The only image of its class leaves no mean behind: infinitely far, not 0 × ∞.
            squared[cells] = np.where(counts[rows] > 1, squared[cells] * farther[rows] ** 2, np.inf)
        right += int((squared.argmin(axis=1) == own[rows]).sum())
    return right / len(features)


def mean_direction_accuracy(train: FeatureDump, test: FeatureDump | None) -> float | None:
    """As `mean_accuracy`, by the angle at the origin to the mean of the directions x/‖x‖ of each class.

    An image whose feature is 0 has no direction, is no part of a mean, and counts as wrong.

    Returns:
        The fraction. None where no image, or no mean, has a direction, or where leaving an image out leaves no mean.
    """
    features, classes = train.features.astype(np.float64), np.unique(train.labels)
    if test is not None:
        chosen = nearest_direction(test.features, mean_directions(features, train.labels, classes))
        if chosen is None:
            return None
        return float(((chosen >= 0) & (classes[chosen] == test.labels)).mean())
    units, told = directions(features)
    if len(features) == 1 or not told.any():
        return None
    units, labels = units[told], train.labels[told]
    present, means = class_means(units, labels)
    own = np.searchsorted(present, labels)
    counts = np.bincount(own)[own][:, np.newaxis]
    # Without image i the mean direction of its class is (n_c m̂ − x̂_i) / (n_c − 1); 0 / 1 where it is the only one.
    without, remains = directions(uncancelled((counts * means[own] - units) / np.maximum(1, counts - 1)))
    targets, usable = directions(uncancelled(means))
    right = 0
    for rows, squared in squared_distances(units, targets):
        cells = np.arange(len(squared)), own[rows]
        squared[:, ~usable] = np.inf
        to_rest = np.square(units[rows] - without[rows]).sum(axis=1)
        squared[cells] = np.where(remains[rows], to_rest, np.inf)
        decided = np.isfinite(squared.min(axis=1))
        right += int((decided & (squared.argmin(axis=1) == own[rows])).sum())
    return right / len(features)


def neighbor_accuracy(
    train: FeatureDump, test: FeatureDump | None, neighbors: int = NEIGHBORS
) -> tuple[float | None, int]:
    """Fraction of images whose class is the most frequent one among their nearest training images.

    Every neighbor has one vote, whatever its distance; of equally frequent classes the lowest wins. Which of
    several training images at exactly the same distance are counted is up to scikit-learn.

    Args:
        train: the images that vote.
        test: the images to classify; None for those of `train`, each without its own vote.
        neighbors: how many vote; where there are fewer, all do.

    Returns:
        The fraction, None where no image is left to vote, and how many voted.
    """
    from sklearn.neighbors import NearestNeighbors

    others = len(train.labels) - (test is None)
    voting = min(neighbors, others)
    if voting == 0:
        return None, 0
    # In many dimensions scikit-learn expands ‖x − y‖², which is exact enough only near the origin.
    middle = train.features.mean(axis=0, dtype=np.float64)
    finder = NearestNeighbors(n_neighbors=voting).fit(train.features - middle)
    asked = train if test is None else test
    found = finder.kneighbors(None if test is None else test.features - middle, return_distance=False)
    elected = np.array([np.bincount(votes).argmax() for votes in train.labels[found].astype(np.intp)])
    return float((elected == asked.labels).mean()), voting
