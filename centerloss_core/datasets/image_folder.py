"""Own images: a folder, or a zip file, with a folder of images for each class.

train/CLASS/*.png, test/CLASS/*.png, and val/CLASS/*.png if there is one
CLASS/*.png, of which `data.test_fraction` is tested on
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from centerloss_core.datasets import own
from centerloss_core.datasets.arrays import DataError, Loaded, Size, UInt8Array
from centerloss_core.datasets.decoding import decode_all
from centerloss_core.datasets.image_cache import ImageCache
from centerloss_core.datasets.image_files import Found, files_below
from centerloss_core.datasets.images import SUFFIXES
from centerloss_core.datasets.memory import room_for_images
from centerloss_core.datasets.stored import Images, images_at
from centerloss_core.limits import DATASET_FILES

if TYPE_CHECKING:
    from centerloss_core.config.data import ImageFolder

_TRAIN, _TEST, _VALIDATION = "train", "test", "val"
_SPLITS = (_TRAIN, _TEST, _VALIDATION)
_MEANT = {
    **dict.fromkeys(("train", "training", "trainset"), _TRAIN),
    **dict.fromkeys(("test", "testing", "testset", "tests"), _TEST),
    **dict.fromkeys(("val", "valid", "validation", "dev"), _VALIDATION),
}
_LAYOUT = "expected train/CLASS/ and test/CLASS/ with images, or CLASS/ with images and data.test_fraction"


def load(data: ImageFolder) -> Loaded:
    """Read all images; see `own.divide` for their order.

    Raises:
        DataError: with the file, what is wrong, and the mend.
    """
    path, source, title = own.found_at(data.dir, data.name)
    with files_below(path) as found:
        files, notes = _by_split(path, found)
        every = [each for split in files.values() for each in split]
        images, kept = _decoded(path, every, data)
    broken = [each.name for each, is_kept in zip(every, kept, strict=True) if not is_kept]
    if broken:
        notes.append(f"broken images, left out: {len(broken):,} ({own.listed(broken)})")
    parts = {}
    first = image = 0  # of a split, among all files and among those that were read
    for split, its_files in files.items():
        read = [each for each, is_kept in zip(its_files, kept[first:], strict=False) if is_kept]
        parts[split] = own.Part(
            f"{path}/{split}" if len(files) > 1 else str(path),
            images_at(images, slice(image, image + len(read))),
            np.array([each.parts[-2] for each in read]),
            np.array([each.name for each in read]),
        )
        first, image = first + len(its_files), image + len(read)
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
    _refuse_other_names(path, {each.parts[top] for each in files if len(each.parts) == top + 3})
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


def _refuse_other_names(path: Path, folders: Iterable[str]) -> None:
    """Raise DataError for a folder of folders whose name is nearly that of a split: its images would be left out."""
    meant = {name: _MEANT.get(name.casefold()) for name in sorted(folders) if name not in _SPLITS}
    for name, split in meant.items():
        if split is not None:
            raise DataError(f"{path}: {_LAYOUT}; found {name}/: did you mean {split}/? Rename it")


def _decoded(path: Path, files: Sequence[Found], data: ImageFolder) -> tuple[Images, npt.NDArray[np.bool_]]:
    """All images that can be read, in memory or in the cache; and which those are."""
    room = room_for_images(data.memory)
    sizes = _Sizes(path)
    held: list[UInt8Array | None] = []
    for file, image in zip(files, decode_all(path, files, data), strict=True):
        held.append(image)
        if image is None:
            continue
        sizes.add(image, file)
        if image.nbytes * len(files) > room:
            sizes.refuse_several()
            held.clear()
            return _cached(path, files, data, image)
    sizes.refuse_several()
    kept = np.array([image is not None for image in held])
    return _stacked([image for image in held if image is not None]), kept


def _cached(
    path: Path, files: Sequence[Found], data: ImageFolder, like: UInt8Array
) -> tuple[Images, npt.NDArray[np.bool_]]:
    """The same from the cache. What was decoded until it was clear that memory does not hold them is decoded again."""

    def checked() -> Iterator[UInt8Array | None]:
        sizes = _Sizes(path)
        for file, image in zip(files, decode_all(path, files, data), strict=True):
            if image is not None:
                sizes.add(image, file)
                sizes.refuse_several()
            yield image

    asked = f"color={data.color} size={data.size} skip_broken={data.skip_broken}"
    stamps = (f"{file.name} {file.change()}" for file in files)
    return ImageCache(path, asked, stamps).get(checked(), like, may_be_colour=data.color is None)


class _Sizes:
    """The sizes of images, and the first image of each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: Counter[tuple[int, ...]] = Counter()
        self._examples: dict[tuple[int, ...], str] = {}

    def add(self, image: UInt8Array, file: Found) -> None:
        self._counts[image.shape[:2]] += 1
        self._examples.setdefault(image.shape[:2], file.name)

    def refuse_several(self) -> None:
        """Raise DataError unless all images have one size."""
        if len(self._counts) == 1:
            return
        common = self._counts.most_common(2)
        first, second = ("{}×{} pixels ({})".format(*each, self._examples[each]) for each, _ in common)
        height, width = common[0][0]
        raise DataError(
            f"{self._path}: its images have {len(self._counts):,} sizes, such as {first} and {second}: "
            f"set data.size, such as data.size=[{height},{width}], to stretch all to one"
        )


def _stacked(images: list[UInt8Array]) -> UInt8Array:
    """(n, h, w) where all images of all splits are grey, else (n, h, w, 3)."""
    is_grey = all(image.ndim == 2 for image in images)
    shape = images[0].shape[:2] if is_grey else (*images[0].shape[:2], 3)
    stacked = np.empty((len(images), *shape), np.uint8)
    images.reverse()
    for place in stacked:
        image = images.pop()  # what is copied is freed
        place[...] = image if is_grey or image.ndim == 3 else image[..., np.newaxis]
    return stacked
