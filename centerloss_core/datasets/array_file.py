"""Own images as arrays in an `.npz` file, read as untrusted.

x_train, y_train, x_test, y_test and, if there are any, x_val, y_val; or images and labels, of which
`data.test_fraction` is tested on.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from centerloss_core.datasets import own
from centerloss_core.datasets.arrays import DataError, Loaded, Size, UInt8Array
from centerloss_core.datasets.images import fractions_as_bytes
from centerloss_core.files.arrays import Header, open_archive, read_header
from centerloss_core.limits import DATASET_BYTES

if TYPE_CHECKING:
    from centerloss_core.config.data import Npz

_TRAIN = (("x_train", "y_train"), ("images", "labels"))
_TEST, _VALIDATION = ("x_test", "y_test"), ("x_val", "y_val")
_BLOCK_BYTES = 16 << 20  # that are read together where images are looked at one after the other
_LAYOUT = "expected x_train, y_train, x_test and y_test, or images and labels"


def load(data: Npz) -> Loaded:
    """Read all images; see `own.divide` for their order.

    Raises:
        DataError: with the array, what is wrong, and the mend.
    """
    path, source, title = own.found_at(data.dir, data.name)
    with _opened(path) as archive:
        there = _names(archive)
        train = next((names for names in _TRAIN if there.issuperset(names)), None)
        if train is None:
            raise DataError(f"{path}: {_LAYOUT}; found {own.listed(sorted(there)) or 'nothing'}")
        pairs = [train, *(names for names in (_TEST, _VALIDATION) if there.intersection(names))]
        if lacking := [name for names in pairs for name in names if name not in there]:
            raise DataError(f"{path}: {_LAYOUT}; lacks {', '.join(lacking)}")
        parts = {names: _part(path, archive, *names) for names in pairs}
    return own.divide(
        parts[train],
        parts.get(_TEST),
        parts.get(_VALIDATION),
        test_fraction=data.test_fraction,
        source=source,
        title=title,
    )


def locate(data: Npz) -> str:
    """Say where the images are looked for."""
    return own.place_of(data.dir, data.name)


def size(data: Npz) -> Size | None:
    """Only the images tell."""
    return None


def unlabelled(path: Path) -> tuple[int, Iterator[UInt8Array]]:
    """How many images an archive holds as `images`, or as its only array, and these in blocks, as `load` reads them.

    Raises:
        DataError: with the array, what is wrong, and the mend; also while the images are read.
    """
    with _opened(path) as archive:
        there = _names(archive)
        name = "images" if "images" in there or len(there) != 1 else next(iter(there))
        if name not in there:
            raise DataError(
                f"{path}: expected an array `images`; found {own.listed(sorted(there)) or 'nothing'}: "
                "save the images under that name"
            )
        with _member(archive, name) as (_, header):
            count = header.shape[0] if header.shape else 0
    return count, _blocks(path, name)


def _blocks(path: Path, name: str) -> Iterator[UInt8Array]:
    with _opened(path) as archive, _member(archive, name) as (member, header):
        try:
            # In Fortran's order the pixels of an image lie apart; an empty array and a number are refused as they are.
            if header.fortran_order or not header.nbytes or not header.shape:
                yield as_images(_content(member, header, name), name)
                return
            count, *shape = header.shape
            rows = max(1, _BLOCK_BYTES * count // header.nbytes)
            for start in range(0, count, rows):
                part = replace(header, shape=(min(rows, count - start), *shape))
                yield as_images(_content(member, part, name), name)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with open_archive(path) as archive:
            yield archive
    # RuntimeError: a member that is encrypted, or of a kind that zipfile does not read; KeyError: that is not there.
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a readable .npz file ({own.reason_of(error)})") from error


def _names(archive: zipfile.ZipFile) -> set[str]:
    return {name.removesuffix(".npy") for name in archive.namelist()}


def _part(path: Path, archive: zipfile.ZipFile, images: str, labels: str) -> own.Part:
    try:
        pixels = as_images(_read(archive, images), images)
        classes = _as_labels(_read(archive, labels), labels)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if len(pixels) != len(classes):
        raise DataError(
            f"{path}: {len(pixels):,} images in {images}, and {len(classes):,} labels in {labels}"
        )
    return own.Part(f"{path}, {images}", pixels, classes)


def _read(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    """An array of numbers or text; nothing is unpickled."""
    with _member(archive, name) as (member, header):
        return _content(member, header, name)


@contextmanager
def _member(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[IO[bytes], Header]]:
    """An array as far as its header, which is one that is read."""
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as member:
        header = read_header(member, name)
        if header.dtype.hasobject:
            raise DataError(
                f"{name} holds Python objects, which are never loaded: save numbers, or text as dtype str"
            )
        if header.nbytes > DATASET_BYTES:
            raise DataError(f"{name} has {header.nbytes:,} bytes; at most {DATASET_BYTES:,} are read")
        if member.tell() + header.nbytes != entry.file_size:
            raise DataError(f"{name} announces {header.nbytes:,} bytes of numbers but holds another amount")
        yield member, header


def _content(member: IO[bytes], header: Header, name: str) -> npt.NDArray[Any]:
    """The next numbers, as many as the header says."""
    content = member.read(header.nbytes)
    if len(content) != header.nbytes:
        raise DataError(f"{name} is truncated")
    array = np.frombuffer(content, header.dtype)
    return array.reshape(header.shape, order="F" if header.fortran_order else "C")


def as_images(pixels: npt.NDArray[Any], name: str) -> UInt8Array:
    """An array (n, h, w) or (n, h, w, 1 or 3) as bytes: whole numbers to 255, fractions to 1, or bool.

    Raises:
        DataError: it is something else.
    """
    if pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[3] not in (1, 3)):
        raise DataError(
            f"{name} has shape {pixels.shape}; expected (n, height, width) or (n, height, width, 1 or 3): reshape it, "
            "or move its channels to the end (numpy.moveaxis)"
        )
    if pixels.size == 0:
        raise DataError(f"{name} holds no images")
    if pixels.dtype.kind == "f":
        try:
            return fractions_as_bytes(pixels)
        except DataError as error:
            raise DataError(f"{name} {error}") from error
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind not in "ui":
        raise DataError(f"{name} is {pixels.dtype}; expected uint8, or numbers from 0 to 1 as float")
    if pixels.dtype != np.uint8 and (pixels.min() < 0 or pixels.max() > 255):
        raise DataError(f"{name} has values outside 0 … 255")
    return pixels.astype(np.uint8, copy=False)


def _as_labels(labels: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    if labels.ndim == 2 and labels.shape[1] == 1:  # as Keras and MedMNIST keep them
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "uiU":
        raise DataError(
            f"{name} is {labels.dtype} of shape {labels.shape}; expected a whole number or text for each image"
        )
    return labels
