"""The files in a folder or a zip file that may be images, as untrusted: nothing outside is read, nothing unpacked."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from centerloss_core.datasets import own
from centerloss_core.datasets.arrays import DataError
from centerloss_core.files.untrusted import open_to_read
from centerloss_core.limits import IMAGE_FILE_BYTES, ZIP_DIRECTORY_BYTES

_DEEPEST = 4  # folders: a zip file's own, a split, a class, and one more, whose files are counted
_OF_SYSTEMS = ("__MACOSX", "Thumbs.db", "desktop.ini")  # beside what begins with a point
_END_OF_ZIP = (
    22 + 65_535 + 76
)  # bytes: its last record with a comment, and those of a large archive before it


@dataclass(frozen=True)
class Found:
    """A file, or a folder, by its place below the top: ("train", "cat", "1.png").

    Attributes:
        parts: the folders and the name.
        read: returns the content, or raises DataError with what is wrong; None for a folder.
        change: what tells that the content is another than before, without reading it.
    """

    parts: tuple[str, ...]
    read: Callable[[], bytes] | None
    change: Callable[[], object] = lambda: None

    @property
    def name(self) -> str:
        """The place as text."""
        return "/".join(self.parts)


@contextmanager
def files_below(path: Path) -> Iterator[Iterator[Found]]:
    """What is in a folder or in a zip file, in no special order; it can be read until the context ends.

    Raises:
        DataError: it cannot be read, or leads out of itself.
    """
    with ExitStack() as stack:
        with _naming(path):
            if path.is_dir():
                found = _in_folder(path, os.path.realpath(path), ())
            else:
                file = stack.enter_context(open_to_read(path))
                _refuse_long_directory(file)
                found = _in_zip(stack.enter_context(zipfile.ZipFile(file)))
        yield _named(path, found)


def _named(path: Path, found: Iterator[Found]) -> Iterator[Found]:
    with _naming(path):  # of what is found, and not of what is done with it
        yield from found


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    # RuntimeError: an encrypted archive; ValueError: offsets that no file can have.
    except (OSError, zipfile.BadZipFile, RuntimeError, ValueError) as error:
        raise DataError(
            f"{path}: not a folder or a readable zip file of images ({own.reason_of(error)})"
        ) from error


def file_at(path: Path) -> Found:
    """A file by itself."""
    return Found((path.name,), lambda: _content(path), lambda: _change(path))


def _in_folder(folder: Path, top: str, parts: tuple[str, ...]) -> Iterator[Found]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _is_meant(entry.name):
                continue
            path = folder / entry.name
            if entry.is_symlink() and os.path.commonpath([top, real := os.path.realpath(path)]) != top:
                raise DataError(
                    f"{path}: is a link that leads out of the folder, to {real}: put a copy in its place, or set "
                    "data.dir to the folder that holds all images"
                )
            inside = (*parts, entry.name)
            if not entry.is_dir():
                read = lambda path=path: _content(path)  # noqa: E731
                yield Found(inside, read, lambda path=path: _change(path))  # type: ignore[misc]
            elif len(inside) < _DEEPEST:
                yield Found(inside, None)
                yield from _in_folder(path, top, inside)


def _content(path: Path) -> bytes:
    try:
        with open_to_read(path) as file:
            return _limited(file.read(IMAGE_FILE_BYTES + 1))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read ({own.reason_of(error)})") from error


def _change(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:  # reading it will say so
        return ()
    return found.st_size, found.st_mtime_ns


def _in_zip(archive: zipfile.ZipFile) -> Iterator[Found]:
    for entry in archive.infolist():
        parts = tuple(entry.filename.rstrip("/").split("/"))
        if ".." in parts or "" in parts or "\\" in entry.filename:
            raise DataError(f"{archive.filename}: the name {entry.filename!r} in it leads out of it")
        if all(map(_is_meant, parts)):
            read = lambda entry=entry: _unpacked(archive, entry)  # noqa: E731
            change = lambda entry=entry: (entry.file_size, entry.CRC)  # noqa: E731
            yield Found(parts, None if entry.is_dir() else read, change)


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(entry) as member:
            return _limited(member.read(IMAGE_FILE_BYTES + 1))
    # As for the archive; NotImplementedError, which is a RuntimeError: a compression that zipfile does not know.
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise DataError(f"cannot be unpacked ({error})") from error


def _limited(content: bytes) -> bytes:
    if len(content) > IMAGE_FILE_BYTES:
        raise DataError(f"has more than {IMAGE_FILE_BYTES >> 20} MiB")
    return content


def _is_meant(name: str) -> bool:
    """Whether a person put it there, and not a file manager."""
    return not name.startswith(".") and name not in _OF_SYSTEMS


def _refuse_long_directory(file: IO[bytes]) -> None:
    """Raise ValueError for an archive whose table of contents, which zipfile reads whole, would fill the memory."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_OF_ZIP))
    tail = file.read()
    end, large = tail.rfind(b"PK\5\6"), tail.rfind(b"PK\6\6")
    listed = struct.unpack_from("<I", tail, end + 12)[0] if 0 <= end <= len(tail) - 22 else 0
    if listed == 0xFFFFFFFF and 0 <= large <= len(tail) - 48:
        listed = struct.unpack_from("<Q", tail, large + 40)[0]
    if listed > ZIP_DIRECTORY_BYTES:
        raise ValueError("lists more files than are read")
