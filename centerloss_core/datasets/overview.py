"""What is in a data set: counts, images that come twice, and a picture of some of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from centerloss_core.datasets.arrays import UNKNOWN, Dataset, Split, UInt8Array
from centerloss_core.datasets.contact_sheet import DARK, contact_sheet, median
from centerloss_core.datasets.stored import Images, blocks_of, images_at
from centerloss_core.limits import SHEET_CLASSES, SHEET_COLUMNS, SHEET_TILE

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Twins:
    """Images that are the same, pixel for pixel.

    Attributes:
        pairs: the first of each image in one split, and an image of another: their numbers there.
        disagreeing: how many of the pairs have different labels.
    """

    pairs: list[tuple[int, int]]
    disagreeing: int


def splits_of(dataset: Dataset) -> dict[str, Split]:
    """The splits that there are, by name."""
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return {name: split for name, split in splits.items() if split is not None}


def counts(dataset: Dataset) -> dict[str, npt.NDArray[np.intp]]:
    """Images of each known class, (k,), by split."""
    return {
        name: np.bincount(split.labels[split.labels != UNKNOWN], minlength=dataset.num_classes)
        for name, split in splits_of(dataset).items()
    }


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


def mean_image(images: Images) -> UInt8Array:
    """The mean of images (n, h, w, c), rounded: (h, w, c)."""
    total = np.zeros(images.shape[1:], np.float64)
    for block in blocks_of(images):
        total += block.sum(axis=0, dtype=np.float64)
    return np.rint(total / len(images)).astype(np.uint8)


def brightness(split: Split) -> tuple[float, float]:
    """Mean and standard deviation of all pixels, 0 … 255."""
    found = np.zeros(256, np.int64)
    for block in blocks_of(split.images):
        found += np.bincount(block.ravel(), minlength=256)
    values = np.arange(256)
    mean = float(np.average(values, weights=found))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=found)))


def sheet(split: Split, classes: int) -> Image:
    """A picture: the mean of all images, then a row for each class: its mean, then some of its images.

    Only the first `SHEET_CLASSES` classes are shown. Small images are enlarged by a whole number.
    """
    images = split.images
    blank = np.full(images.shape[1:], 0 if median(images_at(images, slice(1000))) < DARK else 255, np.uint8)
    tiles = [mean_image(images), *[blank] * (SHEET_COLUMNS - 1)]
    for label in range(min(classes, SHEET_CLASSES)):
        members = np.flatnonzero(split.labels == label)
        shown = [mean_image(images_at(images, members)), *images[members[: SHEET_COLUMNS - 1]]]
        tiles += [*shown, *[blank] * (SHEET_COLUMNS - len(shown))]
    picture = contact_sheet(np.stack(tiles), SHEET_COLUMNS, longest_side=SHEET_TILE)
    times = max(1, SHEET_TILE // max(images.shape[1:3]))
    return picture.resize((times * picture.width, times * picture.height), resample=0)  # each pixel a square
