"""What a data set is once it is loaded: arrays, and a fingerprint to tell whether two are the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from centerloss_core.datasets.stored import Images, StoredImages, blocks_of, images_at
from centerloss_core.errors import ExpectedError

UInt8Array = npt.NDArray[np.uint8]
Int64Array = npt.NDArray[np.int64]

UNKNOWN = -1  # the label of an image of a class that training does not know


class DataError(ExpectedError):
    """Data that is missing, damaged or not what it claims to be; the message names the file, the fault and the mend."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels, in the same order. Both arrays are read-only.

    Attributes:
        images: uint8 (n, h, w, c), C-contiguous; an array (n, h, w) is given one channel. Images that memory does not
            hold are `StoredImages`, of which a part at a time is read.
        labels: int64 (n,), the class 0 … k−1, or −1 for an image of an unknown class.
        names: of the images' files, (n,), text; None where they have none.
        part: the split of the source that the images are numbered in, such as "train" of those that are held out of it.
        numbers: int64 (n,), of the images in that, from 0: rows of a table or of an array. Default: as they come.
        original_labels: int64 (n,), the class in the whole data set, where not all classes are known; else None.
    """

    images: Images
    labels: Int64Array
    names: npt.NDArray[np.str_] | None = None
    part: str = ""
    numbers: Int64Array | None = None
    original_labels: Int64Array | None = None

    def __post_init__(self) -> None:
        fields: dict[str, npt.NDArray[Any]] = {"labels": self.labels.astype(np.int64, copy=False)}
        if not isinstance(self.images, StoredImages):
            fields["images"] = self.images[..., np.newaxis] if self.images.ndim == 3 else self.images
        # The fingerprint is taken once, at loading: a later change of the arrays would make it wrong.
        for field, array in fields.items():
            locked = np.ascontiguousarray(array).view()
            locked.flags.writeable = False
            object.__setattr__(self, field, locked)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: npt.NDArray[np.intp]) -> Split:
        """Return the images and labels at `indices`, in that order."""
        return Split(
            images_at(self.images, indices),
            self.labels[indices],
            None if self.names is None else self.names[indices],
            self.part,
            np.asarray(indices, np.int64) if self.numbers is None else self.numbers[indices],
            None if self.original_labels is None else self.original_labels[indices],
        )

    def name(self, index: int) -> str:
        """What an image is called: its file, or its number where it came from, such as `train 17`."""
        if self.names is not None:
            return str(self.names[index])
        return f"{self.part} {index if self.numbers is None else self.numbers[index]}"

    def thinned(self, size: int | None) -> Split:
        """Return `size` of the images, in their order; all of them for None or if there are fewer; see `thin`."""
        return self if size is None or size >= len(self) else self.take(thin(self.labels, size))


def shape_of(split: Split) -> tuple[int, int, int]:
    """Height, width and channels of its images."""
    height, width, channels = split.images.shape[1:]
    return height, width, channels


def thin(labels: npt.NDArray[np.integer[Any]], size: int) -> npt.NDArray[np.intp]:
    """Return which `size` of the images stand for all, ascending, by their labels alone.

    Each class in proportion, and evenly spread over its images, also where the order of classes has a rhythm.
    """
    by_class = np.argsort(labels, kind="stable")
    return np.sort(by_class[np.arange(size) * len(labels) // size])


class Loaded(NamedTuple):
    """What a source hands over.

    Attributes:
        train, test: the two splits.
        class_names: in the order of the labels.
        source: where the images were found, in words.
        title: the plain name for figures and tables.
        validation: images that the source itself keeps apart; None where it does not.
        warnings: what a person should know before training on it.
    """

    train: Split
    test: Split
    class_names: tuple[str, ...]
    source: str
    title: str
    validation: Split | None = None
    warnings: tuple[str, ...] = ()


class Size(NamedTuple):
    """What is known of a data set before it is read: how many training images, and (height, width, channels)."""

    train: int
    image_shape: tuple[int, int, int]


class OpenSet(NamedTuple):
    """What is known of the unknown images of a data set.

    Attributes:
        source: where they come from, in words.
        images: how many there are.
        class_names: by `Split.original_labels`: all classes of the data set, then those of another.
    """

    source: str
    images: int
    class_names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A loaded data set, divided into what is trained on, what is held out of it, and what is tested on.

    Attributes:
        name: as in `data.name`.
        title: the plain name for figures and tables.
        source: where the images were found, in words.
        fingerprint: SHA-256 in hex of the arrays alone, see `fingerprint_of`.
        validation: None where nothing is held out.
        class_names: one for each class, in the order of the labels.
        warnings: what a person should know before training on it.
        excluded: how many images `data.exclude` leaves out, by split; None without it.
        open_set: of a data set whose test split has images of unknown classes, where they come from.
    """

    name: str
    title: str
    source: str
    fingerprint: str
    train: Split
    validation: Split | None
    test: Split
    class_names: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    excluded: dict[str, int] | None = None
    open_set: OpenSet | None = None

    @property
    def num_classes(self) -> int:
        """Number of classes k."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        return shape_of(self.train)


def fingerprint_of(train: Split, validation: Split | None, test: Split) -> str:
    """Return the SHA-256 (hex) of the contents, shapes and dtypes of the three parts.

    Neither the name nor the place enters: the same images from a cache, a folder or an .npz agree. Images of one
    channel enter as (n, h, w), and labels as uint8 where they fit: so they did before there were others.
    """
    digest = hashlib.sha256()
    for part, split in (("train", train), ("validation", validation), ("test", test)):
        if split is None:
            digest.update(f"{part}: none\n".encode())
            continue
        shape = split.images.shape
        fits = split.labels.size == 0 or (split.labels.min() >= 0 and split.labels.max() <= 255)
        labels = split.labels.astype(np.uint8) if fits else split.labels
        digest.update(f"{part}.images: uint8 {shape[:-1] if shape[-1] == 1 else shape}\n".encode())
        for block in blocks_of(split.images):
            digest.update(block.data)
        digest.update(f"{part}.labels: {labels.dtype.name} {labels.shape}\n".encode())
        digest.update(labels.data)
        if split.original_labels is not None:
            digest.update(np.ascontiguousarray(split.original_labels, np.int64).data)
    return digest.hexdigest()
