"""Images that stay in a file and are read when they are asked for, by all who take images a part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.uint8]

_BLOCK_BYTES = 16 << 20


class StoredImages:
    """Some of the images in a file, in an order of their own; a part of them is an array like any other.

    Args:
        file: all images, uint8 (n, h, w, c), mapped into memory and read-only.
        rows: which of them, (m,), in this order; None: all.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, file: _Array, rows: npt.NDArray[np.intp] | None = None) -> None:
        self._file = np.asarray(file)  # as np.memmap each image would be an object of a slow class
        self._rows = np.arange(len(file)) if rows is None else rows

    @property
    def shape(self) -> tuple[int, ...]:
        """(m, h, w, c)."""
        return len(self._rows), *self._file.shape[1:]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[_Array]:
        return (self._file[row] for row in self._rows)

    def __getitem__(self, index: Any) -> _Array:
        """Read an image, (h, w, c), or those of a slice, of numbers or of a mask, (i, h, w, c)."""
        read: _Array = self._file[self._rows[index]]
        return read

    def at(self, index: Any) -> StoredImages:
        """The images of a slice, of numbers or of a mask, in that order. Nothing is read."""
        return StoredImages(self._file, self._rows[index])

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("these images may not fit into memory: take some at a time")


Images = _Array | StoredImages


def images_at(images: Images, index: Any) -> Images:
    """The images of a slice, of numbers or of a mask; those in a file are not read for that."""
    return images.at(index) if isinstance(images, StoredImages) else images[index]


def blocks_of(images: Images) -> Iterator[_Array]:
    """All images in their order, as arrays of 16 MiB at most, but of one image at least."""
    size = max(1, _BLOCK_BYTES // max(1, bytes_of(images) // max(1, len(images))))
    for start in range(0, len(images), size):
        yield images[start : start + size]


def bytes_of(images: Images) -> int:
    """What they take as an array."""
    return int(np.prod(images.shape, dtype=np.int64))
