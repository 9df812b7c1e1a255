"""Images that come twice: those that are trained on tell nothing where they are tested on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from centerloss_core.datasets.arrays import Split


@dataclass(frozen=True)
class Twins:
    """Images that are the same, pixel for pixel.

    Attributes:
        pairs: the first of each image in one split, and an image of another: their numbers there.
        disagreeing: how many of the pairs have different labels.
    """

    pairs: list[tuple[int, int]]
    disagreeing: int


def twins(first: Split, other: Split | None = None) -> Twins:
    """Images of `other` that are in `first` too; without `other`, images of `first` that came before."""
    seen: dict[bytes, int] = {}
    pairs = []
    for number, image in enumerate(first.images):
        before = seen.setdefault(hashlib.sha256(image.data).digest(), number)
        if other is None and before != number:
            pairs.append((before, number))
    if other is not None:
        digests = (hashlib.sha256(image.data).digest() for image in other.images)
        pairs = [(seen[digest], number) for number, digest in enumerate(digests) if digest in seen]
    labels = first.labels, (first if other is None else other).labels
    return Twins(pairs, sum(int(labels[0][here] != labels[1][there]) for here, there in pairs))
