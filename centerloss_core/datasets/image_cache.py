"""Decoded images that memory does not hold, kept in the user's cache: decoded once, then mapped into memory."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from centerloss_core.datasets.arrays import DataError, UInt8Array
from centerloss_core.datasets.cache import user_cache
from centerloss_core.datasets.stored import StoredImages
from centerloss_core.files.atomic import atomic_directory, clear_temporaries, new_file, remove_directory

Tell = Callable[[str], None]

DECODING = "decoding"  # how what is told begins

# Who is told of it: of all sources only this one has something to say before it is done.
_tell: ContextVar[Tell | None] = ContextVar("tell", default=None)

_FORMAT = 1  # of the files, and how images are decoded
_IMAGES, _KEPT, _KEY = "images.npy", "kept.npy", "key.txt"
_HEADER_BYTES = 128  # of an .npy file with so few dimensions: the images begin here
_MEND = "make room, set data.size to make the images smaller, or hold them in memory with data.memory"


@contextmanager
def telling(tell: Tell | None) -> Iterator[None]:
    """In this block, call `tell` before a cache is made; None: standard error."""
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


class Cached(NamedTuple):
    """What the cache has of some files.

    Attributes:
        images: of those that could be read, in their order.
        kept: which those are, bool, one for each file.
    """

    images: StoredImages
    kept: npt.NDArray[np.bool_]


class ImageCache:
    """The decoded images of one folder or zip file.

    The images of a place, and of what is asked of them, have one folder in the cache. It holds the key of what they
    were made from, and is made anew where that differs now.

    Args:
        place: of the files.
        asked: all settings that decoded images depend on.
        stamps: of each file, in order: its name, and what tells that it was changed.
    """

    def __init__(self, place: Path, asked: str, stamps: Iterable[str]) -> None:
        root = user_cache("hold the images in memory with data.memory") / "images"
        name = hashlib.sha256(f"{place}\n{asked}".encode()).hexdigest()[:12]
        self.folder = root / f"{place.stem}-{name}"
        digest = hashlib.sha256(f"{_FORMAT}\n{asked}".encode())
        self._files = 0
        for stamp in stamps:
            digest.update(f"\n{stamp}".encode(errors="surrogateescape"))
            self._files += 1
        self._key = digest.hexdigest()

    def get(
        self, decoded: Iterable[UInt8Array | None], like: UInt8Array, *, may_be_colour: bool = False
    ) -> Cached:
        """The images as they lie in the cache, put there if they are not; place and size are told beforehand.

        Args:
            decoded: of each file, the image, (h, w) or (h, w, 3), all of one size; None for one to leave out.
            like: one of them, by which their size on disk is told.
            may_be_colour: whether all become colour, three times as large, if a later one is; only reading them tells.

        Raises:
            DataError: the disk is full or cannot be written; or whatever `decoded` raises.
        """
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with _alone(self.folder.parent):  # another process may be making the same
                found = self._find()
                if found is None:
                    self._make(decoded, like, may_be_colour=may_be_colour and like.ndim == 2)
                    found = self._find()
        except OSError as error:
            is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            why = "the disk is full" if is_full else error.strerror or str(error)
            mend = _MEND if is_full else "make that place writable, or hold them in memory with data.memory"
            raise DataError(f"{self.folder}: cannot keep the decoded images there ({why}): {mend}") from error
        if found is None:
            raise DataError(f"{self.folder}: what was written there cannot be read again: check that disk")
        return found

    def _find(self) -> Cached | None:
        """None where the files are missing or damaged, or of other images."""
        try:
            if (self.folder / _KEY).read_text() != self._key:
                return None
            file = np.load(self.folder / _IMAGES, mmap_mode="r", allow_pickle=False)
            kept = np.load(self.folder / _KEPT, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        is_whole = file.dtype == np.uint8 and file.ndim == 4 and kept.dtype == bool
        is_whole = is_whole and len(kept) == self._files and kept.sum() == len(file)
        return Cached(StoredImages(file), kept) if is_whole else None

    def _make(self, decoded: Iterable[UInt8Array | None], like: UInt8Array, *, may_be_colour: bool) -> None:
        clear_temporaries(self.folder.parent)  # of processes that were killed
        if self.folder.exists():
            remove_directory(self.folder)
        size = self._files * like.nbytes
        free = shutil.disk_usage(self.folder.parent).free
        if size > free:
            raise DataError(
                f"{self.folder}: the decoded images take {_in_gib(size)}, and {_in_gib(free)} are free: {_MEND}"
            )
        tell = _tell.get() or (lambda message: print(message, file=sys.stderr))
        more = f", {_in_gib(3 * size)} if one of them is in colour" if may_be_colour else ""
        tell(f"{DECODING} {self._files:,} images, once, into {self.folder} ({_in_gib(size)}{more})")
        with atomic_directory(self.folder) as folder:
            kept = _write(folder, decoded)
            with new_file(folder / _KEPT) as file:
                np.save(file, kept, allow_pickle=False)
            with new_file(folder / _KEY) as file:
                file.write(self._key.encode())


def _write(folder: Path, decoded: Iterable[UInt8Array | None]) -> npt.NDArray[np.bool_]:
    """Write the images, grey until one in colour comes; return which files there are images of."""
    kept: list[bool] = []
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(new_file(folder / _IMAGES))
        file.write(bytes(_HEADER_BYTES))
        shape: tuple[int, ...] = ()
        for image in decoded:
            kept.append(image is not None)
            if image is None:
                continue
            in_colour = image if image.ndim == 3 else image[..., np.newaxis]
            if shape and in_colour.shape[-1] > shape[-1]:
                stack.close()
                file = stack.enter_context(_in_colour(folder, shape))
            shape = max(shape, in_colour.shape)
            file.write(np.ascontiguousarray(np.broadcast_to(in_colour, shape)).data)
        file.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (sum(kept), *shape)}
        np.lib.format.write_array_header_1_0(file, header)
        assert file.tell() == _HEADER_BYTES
    return np.array(kept, bool)


@contextmanager
def _in_colour(folder: Path, shape: Sequence[int]) -> Iterator[IO[bytes]]:
    """The file of grey images of this shape, (h, w, 1), once more, each pixel three times."""
    grey = folder / f"grey-{_IMAGES}"
    (folder / _IMAGES).rename(grey)
    with new_file(folder / _IMAGES) as file:
        file.write(bytes(_HEADER_BYTES))
        with grey.open("rb") as source:
            source.seek(_HEADER_BYTES)
            while block := source.read(int(np.prod(shape))):
                file.write(np.repeat(np.frombuffer(block, np.uint8), 3).data)
        grey.unlink()
        yield file


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Wait until no other process makes a folder in there."""
    with (root / "lock").open("ab") as file:
        if (
            sys.platform != "win32"
        ):  # there two may do the same work, and the second finds the folder of the first
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _in_gib(size: int) -> str:
    return f"{size / (1 << 30):.3g} GiB"
