"""Verification of given pairs in folds, the protocol of LFW: is each pair of one class, by a threshold of the others?

For each fold: the threshold with the best accuracy on all other folds, and its accuracy on this one. So no pair is
judged by a threshold that has seen it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from centerloss_core.metrics.distances import directions
from centerloss_core.metrics.verification import RIGHT_ANGLE, pair_figures

Floats = NDArray[np.float64]
By = Literal["cosine", "euclidean"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """m pairs of images.

    Attributes:
        left, right: (m,) the rows of the two images.
        same: (m,) bool, whether they are of one class.
        fold: (m,) 0 … k−1, the fold of each pair; k is 2 or more.
    """

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    same: NDArray[np.bool_]
    fold: NDArray[np.intp]

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return int(self.fold.max()) + 1


@dataclass(frozen=True, eq=False)
class Verified:
    """What thresholds on the distance of two features reach.

    Attributes:
        accuracies: (k,) of each fold.
        thresholds: (k,) of each fold; a pair is of one class where its distance is less.
        distances: (m,) of each pair, as its own fold has it.
        decided: (m,) bool, whether each pair is taken for one class.
        figures: `auc`, `eer`, `tar_at_far_1e2` and `tar_at_far_1e3` over all pairs; see `verification.pair_figures`.
    """

    accuracies: Floats
    thresholds: Floats
    distances: Floats
    decided: NDArray[np.bool_]
    figures: dict[str, float | None]

    @property
    def accuracy(self) -> float:
        """The mean of the folds."""
        return float(self.accuracies.mean())

    @property
    def standard_error(self) -> float:
        """Of that mean: the sample deviation of the folds, over the root of their number."""
        return float(self.accuracies.std(ddof=1)) / math.sqrt(len(self.accuracies))


def verify(
    features: NDArray[np.float32] | Floats, pairs: Pairs, by: By, *, subtract_mean: bool = False
) -> Verified:
    """Judge each pair by the distance of its features.

    Args:
        features: (n, d).
        pairs: rows of them.
        by: `euclidean`: the distance; `cosine`: that of the two directions, √(2 − 2 cos), which orders pairs as their
            angle does. A feature that is 0 is at right angles to every other.
        subtract_mean: whether the mean feature of the pairs of the other folds is subtracted first. It moves the
            origin, so it changes angles, and no distance.
    """
    exact = features.astype(np.float64)
    distances = np.empty(len(pairs.same))
    thresholds = np.empty(pairs.folds)
    plain = None if subtract_mean else _distances(exact, pairs, by)
    for fold in range(pairs.folds):
        own = pairs.fold == fold
        if plain is None:
            images = np.concatenate([pairs.left[~own], pairs.right[~own]])
            measured = _distances(exact - exact[images].mean(axis=0), pairs, by)
        else:
            measured = plain
        distances[own] = measured[own]
        thresholds[fold] = best_threshold(measured[~own], pairs.same[~own])
    decided = distances < thresholds[pairs.fold]
    right = decided == pairs.same
    return Verified(
        accuracies=np.array([right[pairs.fold == fold].mean() for fold in range(pairs.folds)]),
        thresholds=thresholds,
        distances=distances,
        decided=decided,
        figures=pair_figures(distances, pairs.same),
    )


def best_threshold(distances: Floats, same: NDArray[np.bool_]) -> float:
    """Return the threshold with which most pairs are judged right: those below it are of one class.

    It lies midway between two distances that follow each other; of equally good ones it is the lowest.

    Args:
        distances: (m,) of the pairs.
        same: (m,) whether each is of one class.
    """
    order = np.argsort(distances, kind="stable")
    ascending = distances[order]
    gained = np.concatenate(
        [[0], np.cumsum(np.where(same[order], 1, -1))]
    )  # with the first 0, 1, … m accepted
    can_end = np.concatenate([[True], ascending[1:] > ascending[:-1], [True]])  # equal distances go together
    accepted = int(np.argmax(np.where(can_end, gained, -len(same) - 1)))
    if accepted == 0:
        return float(ascending[0])
    low = ascending[accepted - 1]
    if accepted == len(ascending):
        return float(np.nextafter(low, np.inf))
    high = ascending[accepted]
    middle = low + (high - low) / 2
    return float(middle if middle > low else high)


def figures_as_json(found: Verified, by: By) -> dict[str, Any]:
    """What is kept of it in a file; thresholds of angles as cosines, above which a pair is of one class."""
    name, values = "thresholds", found.thresholds
    if by == "cosine":
        name, values = "cosines", 1 - np.square(found.thresholds) / 2
    return {
        "accuracy": found.accuracy,
        "standard_error": found.standard_error,
        "accuracies": found.accuracies.tolist(),
        name: values.tolist(),
        **found.figures,
    }


def _distances(features: Floats, pairs: Pairs, by: By) -> Floats:
    if by == "euclidean":
        apart: Floats = np.linalg.norm(features[pairs.left] - features[pairs.right], axis=1)
        return apart
    units, told = directions(features)
    apart = np.linalg.norm(units[pairs.left] - units[pairs.right], axis=1)
    apart[~(told[pairs.left] & told[pairs.right])] = RIGHT_ANGLE
    return apart
