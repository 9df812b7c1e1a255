"""Reading `mnist.npz`, the archive that Keras keeps MNIST in."""

import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from centerloss_core.datasets.arrays import DataError, UInt8Array
from centerloss_core.datasets.idx import decode_idx
from centerloss_core.datasets.known_files import KnownFile
from centerloss_core.files.arrays import open_archive, read_header


def read_npz(path: Path, files: tuple[KnownFile, ...]) -> list[UInt8Array]:
    """Read the arrays of `files`, in that order, from the archive at `path`.

    `np.load` allocates what an array's own header asks for. Here shape and dtype are compared first, so nothing larger
    than MNIST is read, and nothing is unpickled.

    Raises:
        DataError: the archive is damaged or holds anything else.
    """
    try:
        with open_archive(path) as archive:
            return [_read_array(archive, known) for known in files]
    except DataError as error:
        raise DataError(f"{path}: {error}; put the original mnist.npz in its place") from error
    # RuntimeError: a member that is encrypted, or of a kind that zipfile does not read.
    # ValueError: an offset that no file can have.
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise DataError(f"{path}: not a readable .npz archive ({error})") from error


def _read_array(archive: zipfile.ZipFile, known: KnownFile) -> UInt8Array:
    try:
        entry = archive.getinfo(f"{known.npz_key}.npy")
    except KeyError:
        raise DataError(f"lacks the array {known.npz_key}") from None
    # NumPy writes no others, and zipfile cannot bound what they unpack to.
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{known.npz_key} is neither stored nor deflated")
    with archive.open(entry) as member:
        _check_header(member, known)
        body = member.read(known.body_size + 1)
    try:
        return decode_idx(known.header + body, known)  # the same numbers, as the IDX file has them
    except DataError as error:
        raise DataError(f"{known.npz_key} is {error}") from error


def _check_header(member: IO[bytes], known: KnownFile) -> None:
    try:
        header = read_header(member, known.npz_key)
    except ValueError as error:
        raise DataError(str(error)) from error
    if header.dtype.hasobject:
        raise DataError(f"{known.npz_key} holds pickled Python objects, which are never loaded")
    if header.dtype != np.uint8:
        raise DataError(f"{known.npz_key} is {header.dtype}, expected uint8")
    if header.shape != known.shape:
        raise DataError(f"{known.npz_key} has shape {header.shape}, expected {known.shape}")
    if header.fortran_order and len(header.shape) > 1:
        raise DataError(f"{known.npz_key} is in Fortran order, expected C order")
