"""Files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that takes the name `path` only once it is complete and on disk.

    The bytes go to a hidden sibling, because `os.replace` is atomic only within one file system. When the
    block ends well, the sibling replaces whatever had the name before; when it raises (Ctrl-C included), the
    sibling is removed and the earlier file, if any, is untouched.

    Yields:
        A binary file open for writing and seeking.

    Raises:
        OSError: the folder does not exist or cannot be written, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with errors_name(path), temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


@contextmanager
def errors_name(path: Path) -> Iterator[None]:
    """Give an OSError from writing ("No space left on device") the name of the file, which it lacks."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def _sync_directory(directory: Path) -> None:
    """Make the new name itself survive a power cut: renaming changes the folder, not the file."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
