"""Which images are measured where all would be too many: as many of each class, and the same ones in every run."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 0


def balanced_sample(labels: NDArray[np.integer[Any]], size: int) -> NDArray[np.intp]:
    """Choose images, as many of each class as there are.

    The choice follows from the labels alone. So runs on the same data are measured on the same images, whatever
    their λ, and a difference between them is not the luck of the draw.

    Args:
        labels: (n,) the class of each image.
        size: how many to choose; of a class that has fewer than its share all are taken, and the others make up
            for it.

    Returns:
        min(n, size) different indices, ascending.
    """
    if len(labels) <= size:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(SEED).permutation(len(labels))
    # The images of a class stand in a queue, and the first of every queue come before the second of any.
    place = np.empty(len(labels), np.intp)
    shuffled_labels = labels[shuffled]
    for label in np.unique(labels):
        queue = shuffled[shuffled_labels == label]
        place[queue] = np.arange(len(queue))
    # `shuffled` decides who of the last round is left out; by label it would always be the highest classes.
    order = shuffled[np.argsort(place[shuffled], kind="stable")]
    return np.sort(order[:size])
