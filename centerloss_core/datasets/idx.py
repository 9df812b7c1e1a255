"""Reading IDX, the format MNIST comes in, gzipped or not.

A known file is accepted only when its SHA-256 is the known one; the checks before say *what* is wrong with a bad
file. None of them holds more than the size that the file should have.
"""

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from centerloss_core.datasets.arrays import DataError, UInt8Array
from centerloss_core.datasets.known_files import UNSIGNED_BYTE, KnownFile
from centerloss_core.limits import DATASET_BYTES

_HEADER_BYTES = 4096  # of a file, gzipped or not: more than enough for a header
_BLOCK_BYTES = 16 << 20  # that are read together where images are looked at one after the other
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS  # zlib's way to ask for a gzip header and its checksum


def read_idx(path: Path, known: KnownFile) -> UInt8Array:
    """Read the file at `path` as a read-only array of shape `known.shape`; DataError if it is not `known`."""
    try:
        with path.open("rb") as file:
            stored = file.read(largest_stored_size(known) + 1)
        return decode_idx(stored, known)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except DataError as error:
        raise DataError(f"{path}: {error}; put the original {known.name}[.gz] in its place") from error


def read_any_idx(path: Path, rank: int) -> UInt8Array:
    """Read unsigned bytes of whatever sizes the file at `path` announces, with so many dimensions.

    Raises:
        DataError: it is something else, or larger than any data set that is read.
    """
    with _readable(path), path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    return read_idx(path, _announced(start, rank, path.name, str(path)))


def may_be_idx(path: Path) -> bool:
    """Whether the file at `path` begins as IDX files do, gzipped or not; DataError if it cannot be read."""
    with _readable(path), path.open("rb") as file:
        return file.read(2) in (_GZIP_MAGIC, b"\0\0")


def read_any_idx_in_blocks(path: Path) -> tuple[int, Iterator[UInt8Array]]:
    """How many images a file announces, and these in blocks (m, h, w).

    Raises:
        DataError: it is something else; while the images are read, also that it is damaged.
    """
    with _readable(path), path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    known = _announced(start, 3, path.name, str(path))
    if not known.body_size:
        read_idx(path, known)  # which says what it is instead, or that it is empty
        raise DataError(f"{path}: holds no images")
    return known.shape[0], _blocks(path, known, is_packed=start.startswith(_GZIP_MAGIC))


def _blocks(path: Path, known: KnownFile, *, is_packed: bool) -> Iterator[UInt8Array]:
    count, *shape = known.shape
    rows = max(1, _BLOCK_BYTES // math.prod(shape))
    with _readable(path), gzip.open(path) if is_packed else path.open("rb") as file:
        file.read(len(known.header))
        for start in range(0, count, rows):
            images = min(rows, count - start)
            content = file.read(images * math.prod(shape))
            if len(content) < images * math.prod(shape):
                raise DataError(f"{path}: truncated: it announces {count:,} images")
            yield np.frombuffer(content, np.uint8).reshape(images, *shape)
        if file.read(1):
            raise DataError(f"{path}: longer than the {known.size:,} bytes that its header announces")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def decode_any_idx(stored: bytes, rank: int, place: str) -> UInt8Array:
    """The same for the bytes of a file; `place` names it in errors."""
    try:
        return decode_idx(stored, _announced(stored[:_HEADER_BYTES], rank, "", place))
    except DataError as error:
        raise DataError(f"{place}: {error}") from error


def _announced(start: bytes, rank: int, name: str, place: str) -> KnownFile:
    """What a file that begins so announces; where that is not what is meant, a file that this one will not match."""
    if start.startswith(_GZIP_MAGIC):
        try:
            start = zlib.decompressobj(_GZIP_WINDOW).decompress(start, 4 + 4 * rank)
        except zlib.error:
            start = b""
    is_meant = start[:4] == bytes([0, 0, UNSIGNED_BYTE, rank]) and len(start) >= 4 + 4 * rank
    shape = struct.unpack(f">{rank}I", start[4 : 4 + 4 * rank]) if is_meant else (0,) * rank
    announced = KnownFile(name.removesuffix(".gz"), "", shape, None, data="")
    if announced.size > DATASET_BYTES:
        raise DataError(f"{place}: announces {_describe(shape)}; at most {DATASET_BYTES:,} are read")
    return announced


def decode_idx(stored: bytes, known: KnownFile) -> UInt8Array:
    """Turn the bytes of a file, gzipped or not, into its array.

    Returns:
        A uint8 array of shape `known.shape`, read-only.

    Raises:
        DataError: with the most specific reason there is; naming the file is left to the caller.
    """
    # By content, not by name: browsers and servers unpack a .gz and keep its name.
    content = _unpack(stored, known) if stored.startswith(_GZIP_MAGIC) else stored
    _check_header(content, known)
    if len(content) < known.size:
        raise DataError(f"truncated: {len(content):,} of {known.size:,} bytes")
    if len(content) > known.size:
        raise DataError(f"longer than the {known.size:,} bytes that its header announces")
    if why := known.why_not_genuine(content):
        raise DataError(f"well-formed, but not the {known.kind} of {known.data} ({why})")
    return np.frombuffer(content, dtype=np.uint8, offset=len(known.header)).reshape(known.shape)


def largest_stored_size(known: KnownFile) -> int:
    """Bytes that a file may take on disk: gzip never adds more than about 0.1 % and a header."""
    return known.size + known.size // 1000 + 1024


def _unpack(stored: bytes, known: KnownFile) -> bytes:
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        # One byte more than expected is enough to see that there is too much.
        content = unpacker.decompress(stored, known.size + 1)
    except zlib.error as error:
        raise DataError(f"damaged gzip data ({error})") from error
    if len(content) <= known.size and not unpacker.eof:
        raise DataError("truncated: the gzip data breaks off")
    if unpacker.unused_data:
        raise DataError(f"{len(unpacker.unused_data)} or more bytes follow the gzip data")
    return content


def _check_header(content: bytes, known: KnownFile) -> None:
    if len(content) < 4:
        raise DataError(f"only {len(content)} bytes, too short for an IDX file")
    zeros, type_code, rank = struct.unpack(">HBB", content[:4])
    if zeros != 0:
        raise DataError(f"neither gzip nor IDX: it starts with {content[:16]!r}")
    if type_code != UNSIGNED_BYTE:
        raise DataError(f"IDX of type 0x{type_code:02x}, expected unsigned bytes (0x{UNSIGNED_BYTE:02x})")
    if rank != len(known.shape):
        found = {1: "labels", 3: "images"}.get(rank, f"an array of {rank} dimensions")
        raise DataError(f"holds {found} where {known.kind} are expected")
    if len(content) < len(known.header):
        raise DataError("truncated within its header")
    shape = struct.unpack(f">{rank}I", content[4 : len(known.header)])
    if shape != known.shape:
        raise DataError(f"announces {_describe(shape)}, expected {_describe(known.shape)}")


def _describe(shape: tuple[int, ...]) -> str:
    sides = " × ".join(str(side) for side in shape)
    return f"{sides} = {math.prod(shape):,} bytes"
