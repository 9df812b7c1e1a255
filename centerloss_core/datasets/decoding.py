"""Image files, decoded by several threads, some at a time."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from centerloss_core.datasets.arrays import DataError, UInt8Array
from centerloss_core.datasets.image_files import Found
from centerloss_core.datasets.images import Color, decode
from centerloss_core.limits import DECODED_BYTES, DECODERS

if TYPE_CHECKING:
    from centerloss_core.config.data import ImageFolder

Read = Callable[[Found], UInt8Array | DataError]


def decode_all(path: Path, files: Sequence[Found], data: ImageFolder) -> Iterator[UInt8Array | None]:
    """The image of each file, in order, (h, w) or (h, w, 3); None for one that is broken, if such may be skipped.

    Raises:
        DataError: an image is broken, all are, or together they are too large.
    """

    size = 0
    for file, image in zip(files, decoded(files, data.color, data.size), strict=True):
        if not isinstance(image, DataError):
            size += image.nbytes
            yield image
        elif data.skip_broken:
            yield None
        else:
            raise DataError(
                f"{path / file.name}: {image}; mend or remove it, or leave out such images with "
                "data.skip_broken=true"
            ) from image
        if size > DECODED_BYTES:
            raise DataError(
                f"{path}: its images take more than {DECODED_BYTES >> 30} GiB: make them smaller with data.size"
            )
    if not size:
        raise DataError(f"{path}: none of its {len(files):,} images can be read")


def decoded(
    files: Sequence[Found], color: Color, size: tuple[int, ...] | None
) -> Iterator[UInt8Array | DataError]:
    """The image of each file, in order, or what is wrong with it; see `images.decode`."""

    def read(file: Found) -> UInt8Array | DataError:
        assert file.read is not None
        try:
            return decode(file.read(), color, size)
        except DataError as error:
            return error

    with warnings.catch_warnings(), ThreadPoolExecutor(DECODERS) as pool:
        warnings.simplefilter("ignore")  # of Pillow: what it warns of is refused here or harmless
        yield from _in_order(pool, read, files)


def _in_order(
    pool: ThreadPoolExecutor, read: Read, files: Sequence[Found]
) -> Iterator[UInt8Array | DataError]:
    """What `read` returns for each file; few are waiting, whoever is slower."""
    waiting: deque[Future[UInt8Array | DataError]] = deque()
    for file in files:
        waiting.append(pool.submit(read, file))
        if len(waiting) > DECODERS:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
