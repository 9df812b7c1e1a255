"""Batches of some classes with as many images of each, and the choice of a sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from centerloss_core.datasets.arrays import DataError, Dataset
from centerloss_core.datasets.batches import BatchStream, Sampler, permutation

if TYPE_CHECKING:
    from centerloss_core.config import Train


class ClassBatches:
    """A row of batches of P different classes with K different images of each.

    The classes are dealt out in rounds: a round shuffles them and cuts the row into groups of P. The images of a class
    are shuffled and cut into groups of K likewise; its group in a round is the next one. What is too few for a group
    at the end is left out of that round, or of that pass through the class, and is another the next time. So images of
    a rare class are seen more often than those of a frequent one.

    Args:
        labels: of the training images, (n,), each 0 … k−1.
        num_classes: k.
        classes: P, 1 … k.
        images: K, at least 1.
        seed: 0 or more.

    Raises:
        DataError: there are fewer than P classes, or a class has fewer than K images.
    """

    def __init__(
        self, labels: npt.NDArray[np.int64], num_classes: int, classes: int, images: int, seed: int
    ) -> None:
        counts = np.bincount(labels, minlength=num_classes)
        if classes > num_classes:
            raise DataError(
                f"train.sampler asks for {classes} classes in a batch, and there are {num_classes}: lower its classes"
            )
        if counts.min() < images:
            raise DataError(
                f"train.sampler asks for {images} images of a class, and class {counts.argmin()} has "
                f"{counts.min()} to train on: lower its images (and train.batch_size), or hold fewer images out"
            )
        self.num_classes = num_classes
        self.classes = classes
        self.images = images
        self.seed = seed
        self._members = np.split(np.argsort(labels, kind="stable").astype(np.int32), np.cumsum(counts)[:-1])
        self._orders: dict[
            int, tuple[int, npt.NDArray[np.int32]]
        ] = {}  # of each class: a pass, and its order

    def batch(self, step: int) -> npt.NDArray[np.int32]:
        """Return the indices of step number `step`, which counts from 0: int32 (P·K,), class by class."""
        if step < 0:
            raise ValueError(f"step is {step}, expected 0 or more")
        round_, group = divmod(step, self.num_classes // self.classes)
        order = permutation(self.num_classes, self.seed, 0, round_)
        chosen = order[group * self.classes : (group + 1) * self.classes]
        return np.concatenate([self._group(int(each), round_) for each in chosen])

    def completed_epochs(self, steps: int) -> int:
        """Return how many times as many images as there are were seen after `steps` steps."""
        size = sum(map(len, self._members))
        return steps * self.classes * self.images // size

    def _group(self, label: int, number: int) -> npt.NDArray[np.int32]:
        """The images of a class in group number `number` of all its groups."""
        members = self._members[label]
        pass_, place = divmod(number, len(members) // self.images)
        if label not in self._orders or self._orders[label][0] != pass_:
            self._orders[label] = pass_, permutation(len(members), self.seed, 1, label, pass_)
        return members[self._orders[label][1][place * self.images : (place + 1) * self.images]]


def sampler_of(train: Train, dataset: Dataset) -> Sampler:
    """The sampler of a run.

    Raises:
        DataError: the data has too few classes or images for it.
    """
    labels = dataset.train.labels
    if train.sampler is None:
        return BatchStream(len(labels), train.batch_size, train.seed)
    return ClassBatches(labels, dataset.num_classes, train.sampler.classes, train.sampler.images, train.seed)
