"""How much an image looks like one of the known classes: scores that a threshold turns into "known" or "none of these".

A score gives each image a number, from (features, logits, points, means); larger for what is more known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from centerloss_core.metrics.distances import class_means, directions, squared_distances
from centerloss_core.metrics.recognition import DIRECTIONS_ALONE
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.reader import RunRecord

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Given = Literal["features", "logits", "points", "means"]


class ScoreError(ValueError):
    """A score that these images do not have; the message says what is missing."""


@dataclass(frozen=True)
class Score:
    """One score.

    Attributes:
        name: in options and files.
        title: in tables.
        about: its definition in one line.
        needs: what it is computed from.
        function: from what it needs of (n, d) features, (n, k) logits, (k, d) class points and (k, d) class means of
            the training features to (n,) numbers.
    """

    name: str
    title: str
    about: str
    needs: tuple[Given, ...]
    function: Callable[..., Floats]

    def __call__(
        self,
        features: Singles,
        logits: Singles | None = None,
        points: Singles | None = None,
        means: Singles | None = None,
    ) -> Floats:
        """Return the score of each image, (n,) float64.

        Raises:
            ScoreError: there are no logits, no class points, or no means, and it needs them.
        """
        given = {"features": features, "logits": logits, "points": points, "means": means}
        for needed in self.needs:
            if given[needed] is None:
                raise ScoreError(f"the score {self.name} needs {_MISSING[needed]}")
        return self.function(*(given[needed] for needed in self.needs))


_MISSING = {
    "logits": "logits, and there are none: the loss has no head, or an earlier version wrote these features",
    "points": "class points, and there are none",
    "means": "the class means of training features, and there are none",
}


def _distance(features: Singles, points: Singles) -> Floats:
    return np.asarray(-np.sqrt(_least_squared(features.astype(np.float64), points)))


def _cosine(features: Singles, points: Singles) -> Floats:
    (units, told), (targets, usable) = directions(features), directions(points)
    cosines = np.zeros(len(features))
    if usable.any():  # 1 − ‖u − v‖²/2 of unit vectors: near 1 it is exact where u · v has been rounded
        cosines[told] = 1 - _least_squared(units, targets[usable])[told] / 2
    return cosines


def _least_squared(features: Floats, points: Singles | Floats) -> Floats:
    return np.concatenate([squared.min(axis=1) for _, squared in squared_distances(features, points)])


def _probability(logits: Singles) -> Floats:
    exact = logits.astype(np.float64)
    total: Floats = np.exp(exact - exact.max(axis=1, keepdims=True)).sum(axis=1)
    return 1 / total


def _logit(logits: Singles) -> Floats:
    largest: Singles = logits.max(axis=1)
    return largest.astype(np.float64)


def _energy(logits: Singles) -> Floats:
    exact = logits.astype(np.float64)
    largest = exact.max(axis=1)
    total: Floats = largest + np.log(np.exp(exact - largest[:, np.newaxis]).sum(axis=1))
    return total


def _length(features: Singles) -> Floats:
    lengths: Floats = np.linalg.norm(features.astype(np.float64), axis=1)
    return lengths


SCORES = {
    score.name: score
    for score in (
        Score(
            "distance",
            "distance",
            "minus the Euclidean distance to the nearest class point",
            ("features", "points"),
            _distance,
        ),
        Score(
            "cosine",
            "cosine",
            "cosine of the angle to the nearest class point; 0 for a feature of length 0",
            ("features", "points"),
            _cosine,
        ),
        Score("probability", "probability", "largest softmax probability", ("logits",), _probability),
        Score("logit", "logit", "largest logit", ("logits",), _logit),
        Score(
            "mean",
            "mean",
            "minus the Euclidean distance to the nearest class mean of the training features",
            ("features", "means"),
            _distance,
        ),
        Score("length", "length", "length of the feature", ("features",), _length),
        Score("energy", "energy", "log of the sum of exp(logit)", ("logits",), _energy),
    )
}


def points_of(dump: FeatureDump, train: FeatureDump | None) -> Singles | None:
    """The points that scores are measured from.

    Returns:
        Those that the loss holds for the classes, (k, d); where it holds none the class means of the training
        features, of the classes that these have images of; None without either.
    """
    if dump.centers is not None:
        return dump.centers
    return None if train is None else means_of(train)


def means_of(train: FeatureDump) -> Singles:
    """The class means of the training features, (k, d), of the classes that these have images of."""
    known = train.known()
    return class_means(known.features.astype(np.float64), known.labels)[1].astype(np.float32)


def scores_of(dump: FeatureDump, points: Singles | None, means: Singles | None = None) -> dict[str, Floats]:
    """Every score that the images of a dump have, (n,) each, by name; without `means` not the one that needs them."""
    given = {"features": dump.features, "logits": dump.logits, "points": points, "means": means}
    return {
        name: score(dump.features, dump.logits, points, means)
        for name, score in SCORES.items()
        if all(given[needed] is not None for needed in score.needs)
        and not (name == "distance" and dump.centers_kind in DIRECTIONS_ALONE)
    }


def default_score(run: RunRecord) -> str:
    """The score that fits the loss of a run.

    `cosine` where the loss looks at directions, `distance` where it draws features to class points or has no logits,
    else `logit`: the probability of a plain softmax is 1 to the last bit for most images, also for unknown ones.
    """
    if run.is_angular:
        return "cosine"
    draws = run.class_points is not None and run.lambda_ != 0
    has_no_head = run.settings.get("loss.head", run.settings.get("loss.head.name")) == "none"
    return "distance" if draws or has_no_head else "logit"
