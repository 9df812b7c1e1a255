"""Dividing images, the same way for every run, seed and machine, so that the runs of a sweep can be compared.

NumPy does not promise that a seeded shuffle survives a new release. So the images are sorted by their SHA-256, which
has nothing to do with what they show.
"""

import hashlib

import numpy as np
import numpy.typing as npt

from centerloss_core.datasets.arrays import DataError, Split


def balanced_order(split: Split) -> npt.NDArray[np.intp]:
    """Return an order of the images, intp (n,): every prefix is a fair sample, its classes in proportion.

    Each class, itself in the order of its images' SHA-256, is spread evenly over the whole length.
    """
    # The label settles the order of equal images, so that it does not depend on where they were found.
    digests = [
        (hashlib.sha256(image.data).digest(), int(label))
        for image, label in zip(split.images, split.labels, strict=True)
    ]
    shuffled = np.array(sorted(range(len(split)), key=digests.__getitem__), dtype=np.intp)
    labels = split.labels[shuffled]
    position = np.empty(len(split))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return shuffled[np.argsort(position, kind="stable")]


def remaining(count: int, size: int) -> int:
    """How many of `count` training images are left to train on when `size` are held out; raises as `hold_out`."""
    if not 0 <= size < count:
        raise DataError(f"data.validation is {size}, expected 0 … {count - 1:,} of {count:,} training images")
    return count - size


def hold_out(train: Split, size: int) -> tuple[Split, Split | None]:
    """Divide `train` into what is trained on and `size` images to validate with, the same ones every time.

    Both parts keep the order of `train`, and the classes in proportion to within one image.

    Returns:
        The rest and the held-out part, None if `size` is 0.

    Raises:
        DataError: `size` is negative or leaves nothing to train on.
    """
    remaining(len(train), size)
    if size == 0:
        return train, None
    order = balanced_order(train)
    return train.take(np.sort(order[size:])), train.take(np.sort(order[:size]))
