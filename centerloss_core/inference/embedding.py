"""What a trained network says of images: features, classes, distances, and whether they are of any known class."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import isnan

import numpy as np
from numpy.typing import NDArray

from centerloss_core.inference.images import Batch, images_of
from centerloss_core.inference.model import CLASS_MEAN, InferenceError, TrainedModel
from centerloss_core.inference.own_data import own_data
from centerloss_core.metrics.distances import class_means, directions, squared_distances
from centerloss_core.metrics.scores import SCORES, ScoreError, default_score
from centerloss_core.run_directory.thresholds import SHARES

Floats = NDArray[np.float64]
Classes = NDArray[np.int64]
NONE = -1  # the class of a feature of length 0 by the angle


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What was found of n images.

    Attributes:
        names: of each.
        features: (n, d) float32.
        head_classes: (n,) the class with the largest logit; None where the loss has no head.
        classes: (n,) the class of the nearest class point, by the distance, or for a loss of angles by the angle; −1
            for a feature without a direction.
        next_classes: (n,) that of the next class point.
        distances: (n,) to the nearest class point; for a loss of angles 1 − cos of the angle to it.
        next_distances: (n,) to the next one.
        scores: (n,) how known each looks; see `metrics.scores`.
        known: (n,) whether the score reaches the threshold; None without one.
    """

    names: tuple[str, ...]
    features: NDArray[np.float32]
    head_classes: Classes | None
    classes: Classes
    next_classes: Classes
    distances: Floats
    next_distances: Floats
    scores: Floats
    known: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Decision:
    """By what an image counts as known.

    Attributes:
        score: a name of `metrics.scores.SCORES`.
        threshold: the least score of a known image; None: nothing is decided.
        accept: the share of new images of the known classes that it accepts; None where it was given as a number.
        why_not: why there is no threshold, and the mend.
    """

    score: str
    threshold: float | None = None
    accept: float | None = None
    why_not: str = ""


def decision_of(
    model: TrainedModel, score: str | None = None, accept: float = 0.99, threshold: float | None = None
) -> Decision:
    """What decides on images, by the thresholds of the run unless one is given.

    Raises:
        InferenceError: the run has no such score, or has thresholds, but not this one.
    """
    run, found = model.run, model.run.thresholds
    has_head = len(model.network.outputs) > 1
    if score is None:
        score = default_score(run) if found is None else found.default
    if score not in SCORES:
        raise InferenceError(f"there is no score {score!r}: there are {', '.join(SCORES)}")
    if "logits" in SCORES[score].needs and not has_head:
        raise InferenceError(
            f"{run.path}: its loss has no head, and the score {score} needs one: use distance or cosine"
        )
    if threshold is not None:
        if isnan(threshold):
            raise InferenceError("a threshold must be a number")
        return Decision(score, threshold)
    if accept not in SHARES:
        raise InferenceError(
            f"there is no threshold to accept {accept:g}: there are {' and '.join(map(str, SHARES))}"
        )
    if not model.is_final:
        state = (
            f"is of step {model.step}" if run.status == "completed" else f"is of a run that is {run.status}"
        )
        return Decision(
            score, why_not=f"the checkpoint {state}, and thresholds are of the end of a run: give --threshold"
        )
    if found is None:
        return Decision(score, why_not=f"the run has no thresholds yet: `cl evaluate {run.path}` takes them")
    chosen = found.of(score, accept)
    if chosen is None:
        raise InferenceError(
            f"{run.path} has no threshold of the score {score} at {accept:g}: `cl evaluate {run.path}` takes them anew"
        )
    return Decision(score, chosen.value, accept)


def with_class_points(model: TrainedModel) -> TrainedModel:
    """The same model, with the means of all training features where it has no class points: the data are loaded.

    Raises:
        DataError: the data of the run cannot be had, or is other data.
    """
    if model.points is not None:
        return model
    train = own_data(model.run).train
    features = np.concatenate(
        [each for each, _ in model.outputs(batch.images for batch in images_of(train).batches)]
    )
    _, means = class_means(features.astype(np.float64), train.labels)
    return replace(model, points=means.astype(np.float32), points_kind=CLASS_MEAN)


class Embedder:
    """Embeds batches of images; see `Embeddings`.

    Args:
        model: one with class points; see `with_class_points`.
        decision: see `decision_of`.
    """

    def __init__(self, model: TrainedModel, decision: Decision) -> None:
        assert model.points is not None
        self.model, self.decision = model, decision
        self._points = model.points

    def __call__(self, batches: Iterable[Batch]) -> Iterator[Embeddings]:
        """What is found of each batch; none may be empty."""
        names: deque[tuple[str, ...]] = deque()

        def images() -> Iterator[NDArray[np.uint8]]:
            for batch in batches:
                names.append(batch.names)
                yield batch.images

        for features, logits in self.model.outputs(images()):
            yield self._embeddings(names.popleft(), features, logits)

    def _embeddings(
        self, names: tuple[str, ...], features: NDArray[np.float32], logits: NDArray[np.float32] | None
    ) -> Embeddings:
        classes, distances = two_nearest(features, self._points, by_angle=self.model.is_angular)
        try:
            scores = SCORES[self.decision.score](features, logits, self._points)
        except ScoreError as error:
            raise InferenceError(f"{self.model.run.path}: {error}") from error
        least = self.decision.threshold
        return Embeddings(
            names,
            features,
            None if logits is None else logits.argmax(axis=1),
            classes[:, 0],
            classes[:, 1],
            distances[:, 0],
            distances[:, 1],
            scores,
            None if least is None else scores >= least,
        )


def two_nearest(
    features: NDArray[np.float32], points: NDArray[np.float32], *, by_angle: bool
) -> tuple[Classes, Floats]:
    """The two points (k, d) that are nearest to each feature (n, d), and how far they are; of equal ones the first.

    Args:
        features, points: k is at least 2.
        by_angle: by the angle at the origin; distances are then 1 − cos. A feature of length 0 is at −1, and 1 away.

    Returns:
        (n, 2) rows of `points`, and (n, 2) distances.
    """
    own, targets = features.astype(np.float64), points.astype(np.float64)
    told = np.ones(len(own), bool)
    if by_angle:
        (own, told), (targets, usable) = directions(features), directions(points)
    found, distances = [np.empty((0, 2), np.int64)], [np.empty((0, 2))]
    for _, squared in squared_distances(own, targets):
        if by_angle:
            squared[:, ~usable] = 2.0  # a point without a direction is as far as one at a right angle
        order = squared.argsort(axis=1, kind="stable")[:, :2]
        found.append(order)
        distances.append(np.take_along_axis(squared, order, axis=1))
    classes, squares = np.concatenate(found), np.concatenate(distances)
    away = squares / 2 if by_angle else np.sqrt(squares)  # ‖u − v‖²/2 of two directions is 1 − cos
    classes[~told], away[~told] = NONE, 1.0
    return classes, away
