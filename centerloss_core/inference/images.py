"""Images from the outside, as a run's network takes them: by the preprocessing of the run, a batch after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np

from centerloss_core.config.data import ImageFolder
from centerloss_core.datasets import DataError, Split
from centerloss_core.datasets.array_file import unlabelled as images_of_archive
from centerloss_core.datasets.arrays import UInt8Array
from centerloss_core.datasets.decoding import decoded
from centerloss_core.datasets.idx import may_be_idx, read_any_idx_in_blocks
from centerloss_core.datasets.image_files import Found, file_at, files_below
from centerloss_core.datasets.images import SUFFIXES, Color
from centerloss_core.datasets.pixel_table import unlabelled as images_of_table
from centerloss_core.limits import DATASET_FILES, EVALUATION_BATCH
from centerloss_core.run_directory.names import broken_link
from centerloss_core.run_directory.reader import RunRecord

Item = tuple[str, UInt8Array | DataError]  # the name of an image; what it is, or what is wrong with it
_KINDS = "an image file, a folder or zip file of these, or a file in .npz, .csv or IDX"


@dataclass(frozen=True)
class Preprocessing:
    """How the images of a run were made.

    Attributes:
        shape: height, width and channels.
        color, size: of `data`, for image files; None where these were taken as they are.
    """

    shape: tuple[int, int, int]
    color: Color = None
    size: tuple[int, ...] | None = None

    def fitted(self, image: UInt8Array) -> UInt8Array:
        """An image (h, w), (h, w, 1) or (h, w, 3) in the shape of the run; DataError where it has another."""
        height, width, channels = self.shape
        if image.ndim == 2:
            image = image[..., np.newaxis]
        if image.shape[:2] != (height, width):
            raise DataError(
                f"has {image.shape[0]}×{image.shape[1]} pixels, and the run was trained on {height}×{width}: resize "
                "it, or train with data.size, by which images are resized"
            )
        if image.shape[2] == 1 and channels == 3:  # as in training, where some images are grey and others not
            return np.repeat(image, 3, axis=2)
        if image.shape[2] != channels:
            raise DataError(
                "is in colour, and the run was trained on grey images: convert it, or train with data.color"
            )
        return image


@dataclass(frozen=True)
class Batch:
    """Some images, or none.

    Attributes:
        images: uint8 (m, h, w, c).
        names: of each, (m,).
        broken: what is wrong with others that came between them, each with its name.
    """

    images: UInt8Array
    names: tuple[str, ...]
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Images:
    """Images in an order, read when they are asked for.

    Attributes:
        count: how many there are, broken ones included; None where only reading tells.
        batches: of `EVALUATION_BATCH` images each, but for the last. Once.
        left_out: how many files beside them are no images.
    """

    count: int | None
    batches: Iterator[Batch]
    left_out: int = 0


def preprocessing_of(run: RunRecord) -> Preprocessing:
    """That of a run; its `run.json` must name the shape of its images."""
    assert run.image_shape is not None
    data = run.config().data
    if isinstance(data, ImageFolder):
        return Preprocessing(run.image_shape, data.color, data.size)
    return Preprocessing(run.image_shape)


@contextmanager
def open_images(places: Sequence[Path], made: Preprocessing, *, strict: bool = False) -> Iterator[Images]:
    """Images of files and folders, in this order; those of a folder by their names. Labels are not needed.

    Args:
        places: image files, folders or zip files of these, .npz (`images`, or one array), CSV (a row of pixels each,
            with or without a label) or IDX.
        made: how the images of the run were made.
        strict: raise DataError for a broken image, which is handed on otherwise.

    Raises:
        DataError: a place is missing or none of these, or its images have another shape; also while they are read.
    """
    with ExitStack() as stack:
        sources = [_source(path, made, stack) for path in places]
        counts = [count for count, _, _ in sources]
        known = [count for count in counts if count is not None]
        items = chain.from_iterable(items for _, items, _ in sources)
        yield Images(
            sum(known) if len(known) == len(counts) else None,
            _ahead(batched(items, made, strict=strict), stack),
            sum(left_out for _, _, left_out in sources),
        )


def images_of_array(images: UInt8Array, made: Preprocessing) -> Images:
    """The images of an array (n, h, w) or (n, h, w, c); DataError, while they are read, where they do not fit."""
    items = ((f"image {index}", image) for index, image in enumerate(images))
    return Images(len(images), batched(items, made, strict=True))


def images_of(split: Split) -> Images:
    """The images of a split of a data set."""
    shape = split.images.shape
    made = Preprocessing((shape[1], shape[2], shape[3]))
    items = ((split.name(index), image) for index, image in enumerate(split.images))
    return Images(len(split), batched(items, made))


def batched(items: Iterable[Item], made: Preprocessing, *, strict: bool = False) -> Iterator[Batch]:
    """Images in batches; see `open_images`."""
    images: list[UInt8Array] = []
    names: list[str] = []
    broken: list[str] = []
    none = np.empty((0, *made.shape), np.uint8)
    for name, item in items:
        try:
            if isinstance(item, DataError):
                raise item
            images.append(made.fitted(item))
        except DataError as error:
            message = f"{name}: {error}"
            if strict:
                raise DataError(message) from error
            broken.append(message)
            continue
        names.append(name)
        if len(images) == EVALUATION_BATCH:
            yield Batch(np.stack(images), tuple(names), tuple(broken))
            images, names, broken = [], [], []
    if images or broken:
        yield Batch(np.stack(images) if images else none, tuple(names), tuple(broken))


def _ahead(batches: Iterator[Batch], stack: ExitStack) -> Iterator[Batch]:
    """The same, the next one read by a thread while the one before is used."""
    thread = stack.enter_context(ThreadPoolExecutor(1, "read"))
    following = thread.submit(next, batches, None)
    while (batch := following.result()) is not None:
        following = thread.submit(next, batches, None)
        yield batch


# ---- Places ---------------------------------------------------------------------------------------------------


def _source(path: Path, made: Preprocessing, stack: ExitStack) -> tuple[int | None, Iterable[Item], int]:
    """How many images there are, these, and how many files are none."""
    kind = path.suffix.lower()
    if not path.exists():
        raise DataError(f"{broken_link(path) or f'{path}: no such file'}; name {_KINDS}")
    if path.is_dir() or kind == ".zip":
        return _below(path, made, stack)
    if kind in SUFFIXES:
        return 1, _decoded([str(path)], [file_at(path)], made), 0
    if kind == ".npz":
        count, blocks = images_of_archive(path)
        return count, _of_blocks(path, blocks, made), 0
    if kind == ".csv":
        return None, _of_blocks(path, images_of_table(path, made.shape), made), 0
    if not may_be_idx(path):
        raise DataError(f"{path}: is a file of another kind; name {_KINDS}")
    count, blocks = read_any_idx_in_blocks(path)
    return count, _of_blocks(path, blocks, made), 0


def _below(path: Path, made: Preprocessing, stack: ExitStack) -> tuple[int, Iterable[Item], int]:
    below = islice(stack.enter_context(files_below(path)), DATASET_FILES)
    found = [each for each in below if each.read is not None]
    files = [each for each in found if each.name.lower().endswith(SUFFIXES)]
    if not files:
        raise DataError(f"{path}: holds no image files ({', '.join(SUFFIXES)}); name {_KINDS}")
    files.sort(key=lambda each: each.parts)
    names = [f"{path}/{each.name}" for each in files]
    return len(files), _decoded(names, files, made), len(found) - len(files)


def _decoded(names: Sequence[str], files: Sequence[Found], made: Preprocessing) -> Iterator[Item]:
    return zip(names, decoded(files, made.color, made.size), strict=True)


def _of_blocks(path: Path, blocks: Iterable[UInt8Array], made: Preprocessing) -> Iterator[Item]:
    """Images of one shape, which is wrong for all or for none."""
    number = 0
    for block in blocks:
        try:
            made.fitted(block[0])
        except DataError as error:
            raise DataError(f"{path}: each image {error}") from error
        for image in block:
            yield f"{path} {number}", image
            number += 1
