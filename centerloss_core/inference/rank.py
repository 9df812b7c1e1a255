"""The images of a run by how badly they fit their label: what may be mislabelled first, what is typical last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from centerloss_core.datasets import Dataset, Split
from centerloss_core.errors import ExpectedError
from centerloss_core.inference.own_data import own_data
from centerloss_core.metrics.distances import class_means, mean_directions
from centerloss_core.metrics.label_fit import Fit, Floats, Order, Singles, fit_of
from centerloss_core.metrics.recognition import DIRECTIONS_ALONE
from centerloss_core.run_directory.advice import how_to_complete
from centerloss_core.run_directory.class_points import word_of
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.names import features_path
from centerloss_core.run_directory.reader import RunRecord


class RankError(ExpectedError):
    """A run whose images cannot be ranked as asked; the message names it and the mend."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """The images of one split, those first that fit their label least.

    Attributes:
        run: whose network saw them.
        split: "train" or "test".
        by: what they are ordered by.
        images: the n images of known classes, with labels and names.
        class_names: by label.
        fit: of these images.
        points: what distances are measured to, in words: "center", "prototype", …, or "class mean".
    """

    run: RunRecord
    split: str
    by: Order
    images: Split
    class_names: tuple[str, ...]
    fit: Fit
    points: str

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """All images, (n,), the worst fit first; of equals the first of the split."""
        return np.argsort(-self.fit.by(self.by), kind="stable")

    @cached_property
    def suspects(self) -> NDArray[np.intp]:
        """Those that may have a wrong label, in the same order: nearer to another class, or given one by the head."""
        is_other = self.fit.predicted != self.images.labels if self.by == "loss" else self.fit.margin > 0
        return self.order[is_other[self.order]]

    def typical(self, label: int, most: int) -> NDArray[np.intp]:
        """The images of a class that are nearest to its point, at most so many."""
        members = np.flatnonzero(self.images.labels == label)
        return members[np.argsort(self.fit.distance[members], kind="stable")[:most]]


def rank(
    run: RunRecord,
    split: str = "train",
    by: Order = "margin",
    *,
    stage: Callable[[str], None] = lambda _: None,
) -> Ranking:
    """Compare each image of a split with its label.

    The final features of the run serve where they are of all images, with logits where these are needed. Else the
    network of its last checkpoint is applied, which imports Keras.

    Args:
        run: a completed one.
        split: "train" or "test".
        by: "distance" to the point of the own class, "margin" to the nearest other class, or the "loss" of the head.
        stage: called with what is done, where it takes long.

    Raises:
        RankError: the run is not completed, or its loss has no head to order by.
        DataError: its images cannot be had, or are others now.
        ConfigError, FeatureFileError, CheckpointError: a file of the run is missing or damaged.
    """
    if run.status != "completed":
        raise RankError(f"{run.path} has no final features yet: it {how_to_complete(run)}")
    stage("loading the data")
    dataset = own_data(run)
    images = dataset.train if split == "train" else dataset.test
    features = _Features(run, dataset, by == "loss", stage)
    dump = features.of(split, images)
    if by == "loss" and dump.logits is None:
        raise RankError(
            f"{run.path}: its loss has no head, and so no softmax loss: order by distance or margin"
        )
    points, kind = _points(features, dump, is_train=split == "train")
    known = np.flatnonzero(dump.labels >= 0)
    images = images if len(known) == len(images) else images.take(known)
    fit = fit_of(dump.known(), points, is_angular=run.is_angular)
    return Ranking(run, split, by, images, dataset.class_names, fit, kind)


@dataclass(frozen=True)
class _Features:
    """The features of whole splits, from dumps or from the network."""

    run: RunRecord
    dataset: Dataset
    needs_logits: bool
    stage: Callable[[str], None]

    def of(self, name: str, images: Split) -> FeatureDump:
        if features_path(self.run.path, f"{name}-final").is_file():
            dump = self.run.dump(f"{name}-final")
            has_all = np.array_equal(dump.labels, images.labels)
            has_logits = dump.logits is not None or dump.predictions is None
            if has_all and (has_logits or not self.needs_logits):
                return dump
        from centerloss_core.inference.model import CLASS_MEAN, open_model

        self.stage(f"applying the network to {len(images):,} {name} images")
        model = open_model(self.run)
        made, logits = model.apply(images.images)
        is_own = model.points_kind != CLASS_MEAN
        return FeatureDump(
            made,
            images.labels,
            None if logits is None else logits.argmax(axis=1),
            model.points if is_own else None,
            model.points_kind if is_own else None,
            logits,
        )

    def of_training_images(self) -> FeatureDump:
        """Of every class; of a part of the images where the run has kept no more."""
        if features_path(self.run.path, "train-final").is_file():
            dump = self.run.dump("train-final").known()
            if len(np.unique(dump.labels)) == self.dataset.num_classes:
                return dump
        return self.of("train", self.dataset.train)


def _points(features: _Features, dump: FeatureDump, *, is_train: bool) -> tuple[Singles | Floats, str]:
    """The points of the loss, (k, d), where distances to them mean something; else the means of training features."""
    run, kind = features.run, dump.centers_kind
    if dump.centers is not None and (run.is_angular or kind not in DIRECTIONS_ALONE):
        return dump.centers, word_of(kind)
    train = dump if is_train else features.of_training_images()
    exact = train.features.astype(np.float64)
    if run.is_angular:
        return mean_directions(exact, train.labels, np.arange(features.dataset.num_classes)), "class mean"
    return class_means(exact, train.labels)[1], "class mean"
