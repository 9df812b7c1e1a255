"""Which classes look alike: an order of the classes in which neighbours do."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from centerloss_core.datasets.stored import Images, blocks_of, images_at
from centerloss_core.limits import EXACTLY_ORDERED_CLASSES, LIKENESS_WORK

_ROUNDING = 1e-9  # a gain below this share of the longest edge is none, so that the search ends


def order_by_likeness(images: Images, labels: NDArray[np.integer], num_classes: int) -> list[int]:
    """Arrange the classes in a circle so that neighbours look as alike as possible.

    Of all circles this is the one along which the mean images of the classes change least in total. MNIST: 0, 2, 6,
    4, 9, 7, 1, 8, 3, 5. With more than 12 classes it is a short circle, not always the shortest: from each class to
    the nearest that is left, then improved by turning stretches round (2-opt) until no turn helps. Where there are too
    many classes for that (`has_likeness`), they stay in the order of their labels.

    Args:
        images: of the training set, (n, h, w, c).
        labels: (n,), each in [0, num_classes).
        num_classes: number of classes k.

    Returns:
        The k classes, beginning with 0, each once; the same for the same images.
    """
    if not has_likeness(num_classes, images[0].size):
        return list(range(num_classes))
    means = np.zeros((num_classes, images[0].size))
    for label in np.unique(labels):
        members = images_at(images, labels == label)
        total = sum(
            block.sum(axis=0, dtype=np.float64) for block in blocks_of(members)
        )  # whole numbers: exact
        means[label] = (total / len(members)).ravel()
    distances = np.stack([np.linalg.norm(means - mean, axis=-1) for mean in means])
    return _shortest_circle(distances) if num_classes <= EXACTLY_ORDERED_CLASSES else _short_circle(distances)


def has_likeness(num_classes: int, pixels: int) -> bool:
    """Whether so many classes, of images with so many numbers, can be arranged by their likeness in a second or so."""
    return num_classes**2 * pixels <= LIKENESS_WORK


def _shortest_circle(distances: NDArray[np.float64]) -> list[int]:
    """Exactly, by Held and Karp's algorithm (1962): the best path through a set of classes, ending at one of them."""
    others = range(1, len(distances))
    best = {(frozenset([end]), end): (distances[0, end], [0, end]) for end in others}
    for size in range(2, len(distances)):
        for chosen in map(frozenset, itertools.combinations(others, size)):
            for end in chosen:
                before = chosen - {end}
                best[chosen, end] = min(
                    (best[before, last][0] + distances[last, end], [*best[before, last][1], end])
                    for last in before
                )
    full = frozenset(others)
    return min(
        ((best[full, end][0] + distances[end, 0], best[full, end][1]) for end in others), default=(0, [0])
    )[1]


def _short_circle(distances: NDArray[np.float64]) -> list[int]:
    """Greedy nearest neighbours, then 2-opt (Croes, 1958)."""
    classes = len(distances)
    circle, left = [0], set(range(1, classes))
    while left:
        circle.append(min(left, key=lambda each: (distances[circle[-1], each], each)))
        left.remove(circle[-1])
    order, improved, smallest_gain = np.array(circle), True, _ROUNDING * distances.max()
    while improved:
        improved = False
        for first in range(classes - 2):
            # Turning the stretch first+1 … last round replaces two edges; `gains` is what that saves for each last.
            last = np.arange(first + 2, classes)
            a, b, c, d = order[first], order[first + 1], order[last], order[(last + 1) % classes]
            gains = distances[a, b] + distances[c, d] - distances[a, c] - distances[b, d]
            best = int(gains.argmax())
            if gains[best] > smallest_gain:
                stretch = slice(first + 1, last[best] + 1)
                order[stretch] = order[stretch][::-1].copy()
                improved = True
    return [int(each) for each in order]
