"""Own images: a folder, or a zip file, with a folder of images for each class.

train/CLASS/*.png, test/CLASS/*.png, and val/CLASS/*.png if there is one
CLASS/*.png, of which `data.test_fraction` is tested on
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from centerloss_core.datasets import own
from centerloss_core.datasets.arrays import DataError, Loaded, Size, UInt8Array
from centerloss_core.datasets.image_files import Found, files_below
from centerloss_core.datasets.images import SUFFIXES, decode
from centerloss_core.limits import DATASET_BYTES, DATASET_FILES, DECODERS

if TYPE_CHECKING:
    from centerloss_core.config.data import ImageFolder

_TRAIN, _TEST, _VALIDATION = "train", "test", "val"
_SPLITS = (_TRAIN, _TEST, _VALIDATION)
_LAYOUT = "expected train/CLASS/ and test/CLASS/ with images, or CLASS/ with images and data.test_fraction"


def load(data: ImageFolder) -> Loaded:
    """Read all images; see `own.divide` for their order.

    Raises:
        DataError: with the file, what is wrong, and the mend.
    """
    path, source, title = own.found_at(data.dir, data.name)
    with files_below(path) as found:
        files, notes = _by_split(path, found)
        images, broken = _decoded(path, [each for split in files.values() for each in split], data)
    if broken:
        notes.append(f"broken images, left out: {len(broken):,} ({own.listed(broken)})")
    _refuse_several_sizes(path, images)
    is_grey = all(image.ndim == 2 for image in images.values())
    parts = {}
    for split, every in files.items():
        kept = [each for each in every if each in images]
        parts[split] = own.Part(
            f"{path}/{split}" if len(files) > 1 else str(path),
            _stacked([images.pop(each) for each in kept], is_grey=is_grey),
            np.array([each.parts[-2] for each in kept]),
            np.array([each.name for each in kept]),
        )
    return own.divide(
        parts[_TRAIN],
        parts.get(_TEST),
        parts.get(_VALIDATION),
        test_fraction=data.test_fraction,
        source=source,
        title=title,
        warnings=notes,
    )


def locate(data: ImageFolder) -> str:
    """Say where the images are looked for."""
    return own.place_of(data.dir, data.name)


def size(data: ImageFolder) -> Size | None:
    """Only the images tell."""
    return None


def _by_split(path: Path, found: Iterable[Found]) -> tuple[dict[str, list[Found]], list[str]]:
    """The images of each split, sorted by file name and class; and warnings of what is left out.

    Without splits, all are images of "train".
    """
    every = list(islice(found, DATASET_FILES + 1))
    if len(every) > DATASET_FILES:
        raise DataError(f"{path}: holds more than {DATASET_FILES:,} files")
    files = [each for each in every if each.read is not None]
    tops = {each.parts[0] for each in every}
    # A zip file often has one folder, with all in it.
    is_wrapped = len(tops) == 1 and tops.isdisjoint(_SPLITS) and all(len(each.parts) > 2 for each in files)
    top = 1 if is_wrapped else 0
    has_splits = any(each.parts[top] == _TRAIN and len(each.parts) == top + 3 for each in files)
    depth = top + (
        3 if has_splits else 2
    )  # parts of the place of an image: its split, its class and its name
    splits: dict[str, list[Found]] = {}
    strangers: list[str] = []
    for each in files:
        split = each.parts[top] if has_splits else _TRAIN
        if len(each.parts) == depth and split in _SPLITS and each.name.lower().endswith(SUFFIXES):
            splits.setdefault(split, []).append(each)
        else:
            strangers.append(each.name)
    images = [each for found_files in splits.values() for each in found_files]
    no_classes = set() if has_splits else {each.parts[top] for each in images} & {_TRAIN, _TEST}
    if no_classes:
        raise DataError(f"{path}: {_LAYOUT}; found images in {max(no_classes)}/")
    if not images:
        there = own.listed(sorted(tops)) if tops else "nothing"
        raise DataError(f"{path}: {_LAYOUT}; found {there}")
    notes = []
    if strangers:
        names = own.listed(sorted(strangers))
        notes.append(f"files that are no images of a class: {len(strangers):,} ({names})")
    folders = {each.parts for each in every if each.read is None and len(each.parts) == depth - 1}
    if empty := sorted(folders - {each.parts[:-1] for each in images}):
        notes.append(
            f"folders without an image: {len(empty):,} ({own.listed(['/'.join(each) for each in empty])})"
        )
    for found_files in splits.values():
        found_files.sort(key=lambda each: (each.parts[-1], each.parts))
    return splits, notes


def _decoded(
    path: Path, files: Sequence[Found], data: ImageFolder
) -> tuple[dict[Found, UInt8Array], list[str]]:
    """The images that can be read, and the names of the others, if those may be skipped."""

    def read(file: Found) -> UInt8Array | DataError:
        assert file.read is not None
        try:
            return decode(file.read(), data.color, data.size)
        except DataError as error:
            return error

    images: dict[Found, UInt8Array] = {}
    broken: list[str] = []
    held = 0
    with warnings.catch_warnings(), ThreadPoolExecutor(DECODERS) as pool:
        warnings.simplefilter("ignore")  # of Pillow: what it warns of is refused here or harmless
        try:
            for file, image in zip(files, pool.map(read, files), strict=True):
                if not isinstance(image, DataError):
                    images[file] = image
                    held += image.nbytes
                elif data.skip_broken:
                    broken.append(file.name)
                else:
                    raise DataError(
                        f"{path / file.name}: {image}; mend or remove it, or leave out such images with "
                        "data.skip_broken=true"
                    ) from image
                if held > DATASET_BYTES:
                    raise DataError(
                        f"{path}: its images take more than {DATASET_BYTES >> 30} GiB: make them smaller with data.size"
                    )
        finally:
            pool.shutdown(cancel_futures=True)
    if not images:
        raise DataError(f"{path}: none of its {len(files):,} images can be read")
    return images, broken


def _refuse_several_sizes(path: Path, images: dict[Found, UInt8Array]) -> None:
    sizes = Counter(image.shape[:2] for image in images.values())
    if len(sizes) == 1:
        return
    examples = {image.shape[:2]: file.name for file, image in reversed(images.items())}
    first, second = ("{}×{} pixels ({})".format(*each, examples[each]) for each, _ in sizes.most_common(2))
    height, width = sizes.most_common(1)[0][0]
    raise DataError(
        f"{path}: its images have {len(sizes):,} sizes, such as {first} and {second}: "
        f"set data.size, such as data.size=[{height},{width}], to stretch all to one"
    )


def _stacked(images: list[UInt8Array], *, is_grey: bool) -> UInt8Array:
    """(n, h, w) where all images of all splits are grey, else (n, h, w, 3)."""
    if not images:
        return np.empty((0, 1, 1), np.uint8)
    shape = images[0].shape[:2] if is_grey else (*images[0].shape[:2], 3)
    stacked = np.empty((len(images), *shape), np.uint8)
    for place, image in zip(stacked, images, strict=True):
        place[...] = image if is_grey or image.ndim == 3 else image[..., np.newaxis]
    return stacked
