"""Named arrays in an `.npz` file, written so that equal arrays give equal bytes, and read as untrusted."""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from centerloss_core.files.untrusted import open_to_read
from centerloss_core.limits import ARCHIVE_BYTES, ARCHIVE_DIRECTORY_BYTES, ARRAY_ERROR

# A zip entry carries a date. A fixed one (the earliest that zip can hold) keeps equal arrays equal on disk.
ZIP_DATE = (1980, 1, 1, 0, 0, 0)

# The end of an archive without a comment, as NumPy writes it; PK\6\7 before it would announce a 64-bit one.
_END = struct.Struct("<4s8xIIH")
_END_64_SIZE = 20


class ArrayFileError(ValueError):
    """A file of arrays that cannot be read, or holds other arrays than expected; the message lacks the file's name."""


@dataclass(frozen=True)
class Header:
    """What a file announces of an array: enough to refuse it before its numbers are read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool = False

    @property
    def nbytes(self) -> int:
        """Size of the numbers; Python integers, so that a forged shape cannot overflow."""
        return math.prod(self.shape) * self.dtype.itemsize


def write_arrays(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays, which `numpy.load` opens too. Objects are refused, because they would be pickled."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", ZIP_DATE)
            with archive.open(entry, "w", force_zip64=True) as member:
                npy.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


def read_arrays(path: Path, check: Callable[[Mapping[str, Header]], None]) -> dict[str, NDArray[Any]]:
    """Read the arrays at `path`, after `check` has seen their headers. Nothing is ever unpickled.

    Args:
        path: the file.
        check: raises ValueError unless names, shapes and dtypes are those expected; no array is allocated before.

    Raises:
        FileNotFoundError: there is no such file.
        ArrayFileError: the file is damaged, or `check` refused it.
    """
    try:
        with open_archive(path) as archive:
            entries = archive.infolist()
            _check_entries(entries, path.stat().st_size)
            headers = {entry.filename.removesuffix(".npy"): _read_header(archive, entry) for entry in entries}
            check(headers)
            return {name: _read_array(archive, name) for name in headers}
    except FileNotFoundError:
        raise
    except zipfile.BadZipFile as error:
        raise ArrayFileError(f"damaged or not an .npz file ({error})") from error
    # RuntimeError: zip entries that are encrypted or patched, which this program does not write.
    except (ValueError, EOFError, OSError, RuntimeError) as error:
        # NumPy's parser repeats the whole of a header that it cannot read.
        raise ArrayFileError(str(error)[:ARRAY_ERROR]) from error


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an `.npz` file after a look at its size and at what its end says of its directory.

    Raises:
        ValueError: it is no regular file, too large, or lists more than any archive of arrays.
        zipfile.BadZipFile: it is no archive.
        OSError: it cannot be opened.
    """
    with open_to_read(path) as file:
        size = file.seek(0, 2)
        if size > ARCHIVE_BYTES:
            raise ValueError(f"has {size} bytes, the limit is {ARCHIVE_BYTES}")
        file.seek(max(0, size - _END.size - _END_64_SIZE))
        before, end = (tail := file.read())[: -_END.size], tail[-_END.size :]
        if not end.startswith(b"PK\5\6") or len(end) < _END.size:
            raise zipfile.BadZipFile("File is not a zip file")
        _, directory, _, comment = _END.unpack(end)
        if directory > ARCHIVE_DIRECTORY_BYTES or comment or before.startswith(b"PK\6\7"):
            raise ValueError("lists more than any archive of arrays")
        with zipfile.ZipFile(file) as archive:
            yield archive


def _check_entries(entries: list[zipfile.ZipInfo], available: int) -> None:
    """Nothing is written compressed here, so what a file asks for it must bring: a small one stays small."""
    if len({entry.filename for entry in entries}) != len(entries):
        raise ValueError("holds two entries of one name")
    for entry in entries:
        # Names are shown to a person, whose terminal they must not steer.
        if not entry.filename.isprintable():
            raise ValueError("holds an entry with a name that cannot be printed")
        if not entry.filename.endswith(".npy"):
            raise ValueError(f"{entry.filename} is no array in .npy format")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise ValueError(f"{entry.filename} is compressed; expected arrays as numpy.savez writes them")
    announced = sum(entry.file_size for entry in entries)
    if announced > available:
        raise ValueError(f"announces {announced} bytes but has {available}")


def _read_header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Header:
    with archive.open(entry) as member:
        header = read_header(member, entry.filename)
        if header.dtype.hasobject:
            raise ValueError(f"{entry.filename} holds Python objects, which are never loaded")
        if member.tell() + header.nbytes != entry.file_size:
            raise ValueError(
                f"{entry.filename} announces {header.nbytes} bytes of numbers but holds another amount"
            )
    return header


def read_header(member: IO[bytes], name: str) -> Header:
    """Read the header of an array in .npy format; ValueError where it is another format, or damaged."""
    try:
        version = npy.read_magic(member)
        # Later versions are for headers over 64 KiB, which nothing here has.
        if version == (1, 0):
            shape, fortran_order, dtype = npy.read_array_header_1_0(member)
            return Header(shape, dtype, fortran_order)
    # The header is a Python literal: a damaged one fails in whatever way its parsers fail.
    except Exception as error:
        raise ValueError(f"{name} is not in .npy format ({error})") from error
    raise ValueError(f"{name} is in .npy format {version}, expected (1, 0)")


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as member:
        array: NDArray[Any] = npy.read_array(member, allow_pickle=False)
        return array
