"""EMNIST (Cohen et al., 2017): handwritten digits and letters in the form of MNIST, in six ways to divide them.

Its IDX files hold images that are transposed, and `letters` counts its labels from 1; both are put right here.
"""

from __future__ import annotations

import string
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from centerloss_core.datasets.archive import Archive
from centerloss_core.datasets.arrays import DataError, Loaded, Size, Split, UInt8Array
from centerloss_core.datasets.cache import FROM_MIRRORS
from centerloss_core.datasets.idx import decode_any_idx, read_any_idx
from centerloss_core.datasets.idx_files import find_four, four_of
from centerloss_core.files.untrusted import open_to_read
from centerloss_core.limits import DATASET_BYTES

if TYPE_CHECKING:
    from centerloss_core.config.data import Emnist

ARCHIVE = Archive(
    title="EMNIST",
    name="emnist-gzip.zip",
    url="https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
    md5="58c8d27c78d21e728a6bc7b3cc06412e",
    most=700_000_000,
)
_NAMES_OF_ARCHIVE = ("gzip.zip", "emnist-gzip.zip")  # as it is offered, and as it is kept
_FOLDERS = (".", "gzip", "EMNIST/raw", "EMNIST")


class Division(NamedTuple):
    """A way to divide the characters into classes: its training images, and the classes by label."""

    train: int
    classes: str


_MERGED = string.digits + string.ascii_uppercase + "abdefghnqrt"  # letters whose two forms differ
DIVISIONS = {
    "letters": Division(124_800, string.ascii_lowercase),
    "balanced": Division(112_800, _MERGED),
    "digits": Division(240_000, string.digits),
    "mnist": Division(60_000, string.digits),
    "byclass": Division(697_932, string.digits + string.ascii_uppercase + string.ascii_lowercase),
    "bymerge": Division(697_932, _MERGED),
}


def load(data: Emnist) -> Loaded:
    """Read `data.split`; DataError if it cannot be had."""
    prefix = f"emnist-{data.split}-"
    place, source = ARCHIVE.find(data.dir, lambda folder: _in_folder(folder, prefix))
    arrays = _from_folder(place, prefix) if place.is_dir() else _from_zip(place, prefix)
    classes = DIVISIONS[data.split].classes
    first = 1 if data.split == "letters" else 0
    splits = []
    for images, labels in (arrays[:2], arrays[2:]):
        if len(images) != len(labels):
            raise DataError(f"{place}: {len(images):,} images of {data.split}, and {len(labels):,} labels")
        if labels.size == 0 or labels.min() < first or labels.max() >= len(classes) + first:
            raise DataError(
                f"{place}: the labels of {data.split} are not {first} … {len(classes) + first - 1}"
            )
        splits.append(Split(images.transpose(0, 2, 1), labels.astype(np.int64) - first))
    train, test = splits
    return Loaded(train, test, tuple(classes), source, f"EMNIST {data.split}")


def locate(data: Emnist) -> str:
    """Say where it is looked for."""
    return ARCHIVE.place(data.dir)


def size(data: Emnist) -> Size | None:
    """What its authors say, before it is downloaded; else the files tell."""
    return Size(DIVISIONS[data.split].train, (28, 28, 1)) if locate(data).startswith(FROM_MIRRORS) else None


def _in_folder(folder: Path, prefix: str) -> Path | None:
    for place in _FOLDERS:
        if any(
            (folder / place / each).is_dir() and any((folder / place / each).glob(f"{prefix}*"))
            for each in (".", "raw")
        ):
            return folder / place
    return next((path for name in _NAMES_OF_ARCHIVE if (path := folder / name).is_file()), None)


def _from_folder(folder: Path, prefix: str) -> list[UInt8Array]:
    return [
        read_any_idx(path, rank) for path, rank in zip(find_four(folder, prefix), (3, 1, 3, 1), strict=True)
    ]


def _from_zip(path: Path, prefix: str) -> list[UInt8Array]:
    try:
        with open_to_read(path) as file, zipfile.ZipFile(file) as archive:
            names = {name.rpartition("/")[2]: name for name in archive.namelist()}
            arrays = []
            for name, rank in zip(four_of(sorted(names), prefix, path), (3, 1, 3, 1), strict=True):
                with archive.open(names[name]) as member:
                    arrays.append(decode_any_idx(member.read(DATASET_BYTES), rank, f"{path}, {name}"))
            return arrays
    # RuntimeError: a member that is encrypted, or of a kind that zipfile does not read.
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise DataError(f"{path}: not a readable zip file ({error})") from error
