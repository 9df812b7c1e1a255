"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_SUFFIX = ".tmp"


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
    temporary = _sibling(path)
    try:
        with errors_name(path), new_file(temporary) as file:
            yield file
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # a read-only disk: what is raised must be what went wrong first
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)  # the name that a person knows
        raise
    sync_directory(path.parent)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a new binary file that is on disk when the block ends; for a name that is not read yet."""
    with errors_name(path), path.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Make a folder that takes the name `path` only once it is complete; the block fills it with `new_file`.

    Yields:
        A hidden sibling to put the files into.

    Raises:
        FileExistsError: something that is not an empty folder has the name by then.
        OSError: the parent does not exist or cannot be written, or the disk is full.
    """
    temporary = _sibling(path)
    try:
        temporary.mkdir()
        yield temporary
        sync_directory(temporary)
        try:
            os.rename(temporary, path)
        except OSError as error:
            if path.exists():  # "Directory not empty" would sound like a fault of the sibling
                raise FileExistsError(error.errno, "exists already", str(path)) from error
            raise
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and f"{error.filename}{os.sep}".startswith(f"{temporary}{os.sep}"):
            # The name that a person knows.
            error.filename = f"{path}{str(error.filename).removeprefix(str(temporary))}"
        raise
    sync_directory(path.parent)


@contextmanager
def atomic_entries(*paths: Path) -> Iterator[Path]:
    """Make files and folders of one folder that take their names together, in this order, once all are complete.

    Yields:
        A hidden sibling; the block puts all into it, by any means, under the names that they will have.

    Raises:
        FileExistsError: something has one of the names already.
        OSError: the folder does not exist or cannot be written, or the disk is full. None is left then.
    """
    temporary, named = _sibling(paths[-1]), []
    try:
        with errors_name(temporary):
            temporary.mkdir()
        yield temporary
        for folder, _, files in os.walk(temporary):
            for name in files:
                _sync_file(Path(folder, name))
            sync_directory(Path(folder))
        for path in paths:
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, "exists already", str(path))
            os.replace(temporary / path.name, path)
            named.append(path)
        temporary.rmdir()
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        for path in named:
            with contextlib.suppress(OSError):
                remove_directory(path) if path.is_dir() else path.unlink()
        if isinstance(error, OSError) and str(error.filename or "").startswith(str(temporary)):
            error.filename = str(paths[-1])  # the name that a person knows
        raise
    sync_directory(paths[-1].parent)


def _sync_file(path: Path) -> None:
    with path.open("r+b") as file:  # Windows syncs no file that is only read
        os.fsync(file.fileno())


def remove_directory(path: Path) -> None:
    """Remove a folder so that its name never stands for a part of it."""
    temporary = _sibling(path)
    os.rename(path, temporary)
    shutil.rmtree(temporary, ignore_errors=True)  # what a kill leaves is cleared like any other temporary


def temporaries(directory: Path) -> list[Path]:
    """The files and folders in it that have yet to take their names, or whose processes were killed before."""
    return list(directory.glob(f".*{_SUFFIX}"))


def clear_temporaries(directory: Path) -> None:
    """Remove what killed processes left behind, from a directory that no other process writes to."""
    for path in temporaries(directory):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def open_own_file(path: Path, flags: int) -> int:
    """Open a file that is written in place, and never what a link under its name leads to.

    An untrusted directory may hold links to the user's own files.

    Raises:
        OSError: it cannot be opened, or is not an ordinary file; then its text names the mend.
    """
    try:
        descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a pipe without a reader, or a socket
            raise _not_ordinary(path) from error
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise _not_ordinary(path)


def _not_ordinary(path: Path) -> OSError:
    return OSError(errno.ELOOP, "is not an ordinary file: remove it, or put a copy in its place", str(path))


@contextmanager
def errors_name(path: Path) -> Iterator[None]:
    """Give an OSError from writing ("No space left on device") the name of the file, which it lacks."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def sync_directory(directory: Path) -> None:
    """Make the names in a folder survive a power cut: renaming changes the folder, not the file."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sibling(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{_SUFFIX}")
