"""What a data set is once it is loaded: arrays, and a fingerprint to tell whether two are the same."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels, in the same order. Both arrays are read-only.

    Attributes:
        images: uint8 (n, 28, 28), C-contiguous, 0 is paper and 255 is ink.
        labels: uint8 (n,), the digit 0 … 9.
    """

    images: UInt8Array
    labels: UInt8Array

    def __post_init__(self) -> None:
        # The fingerprint is taken once, at loading; writing into the arrays afterwards would make it a lie.
        for field in ("images", "labels"):
            locked = np.ascontiguousarray(getattr(self, field)).view()
            locked.flags.writeable = False
            object.__setattr__(self, field, locked)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: npt.NDArray[np.intp]) -> "Split":
        """Return the images and labels at `indices`, in that order."""
        return Split(self.images[indices], self.labels[indices])

    def thinned(self, size: int | None) -> "Split":
        """Return `size` of the images, in their order; all of them for None or if there are fewer.

        Each class in proportion, and evenly spread over its images: every so manieth of all would be no fair sample
        of an order that has a rhythm, as that of the packaged digits.
        """
        if size is None or size >= len(self):
            return self
        by_class = np.argsort(self.labels, kind="stable")
        return self.take(np.sort(by_class[np.arange(size) * len(self) // size]))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A loaded data set, divided into what is trained on, what is held out of it, and what is tested on.

    Attributes:
        name: as in `data.name`, "mnist" or "mnist5k".
        title: the plain name for figures and tables.
        source: where the images were found, in words.
        fingerprint: SHA-256 in hex of the arrays alone, see `fingerprint_of`.
        validation: None where nothing is held out.
    """

    name: str
    title: str
    source: str
    fingerprint: str
    train: Split
    validation: Split | None
    test: Split


def fingerprint_of(train: Split, validation: Split | None, test: Split) -> str:
    """Return the SHA-256 (hex) of the contents, shapes and dtypes of the three parts.

    Neither the name nor the place enters: the same images from a cache, a folder or an .npz agree.
    """
    digest = hashlib.sha256()
    for part, split in (("train", train), ("validation", validation), ("test", test)):
        if split is None:
            digest.update(f"{part}: none\n".encode())
            continue
        for field, array in (("images", split.images), ("labels", split.labels)):
            digest.update(f"{part}.{field}: {array.dtype.name} {array.shape}\n".encode())
            digest.update(array.data)
    return digest.hexdigest()
