"""How a directory of a run or a sweep is made, and taken over from a process that has ended."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from centerloss_core.files.atomic import atomic_directory
from centerloss_core.files.untrusted import own_folder
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.lock import LOCK, DirectoryLock, InUseError, holder
from centerloss_core.run_directory.names import (
    CHECKPOINTS,
    FEATURES,
    PLOTS,
    TENSORBOARD,
    broken_link,
    is_run,
    is_sweep,
)


def refuse_existing(path: Path) -> None:
    """Raise an error if there is anything under this name: nothing is ever overwritten.

    Raises:
        InUseError: a process works there.
        RunError: there is something else, or a link on the way leads nowhere, as to a disk that is not mounted.
    """
    if link := broken_link(path):
        raise RunError(f"{link}: mount its disk, remove the link, or choose another --run-dir")
    if not path.exists():
        above = next((each for each in path.parents if each.exists()), None)
        if above is not None and not above.is_dir():
            raise RunError(f"{above} is a file, and {path} cannot be made in it: choose another --run-dir")
        return
    if words := holder(path):
        raise InUseError(f"{path} is in use by {words}: choose another --run-dir or --name")
    others = "choose another --run-dir or --name, or remove it"
    if is_run(path) or is_sweep(path):
        others = f"continue it with --resume {shlex.quote(str(path))}, {others}"
    raise RunError(f"{path} exists already and nothing is overwritten: {others}")


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Make a directory, and its parents, with all that the block puts into it, or not at all.

    Raises:
        RunError: it exists, or cannot be made.
        InUseError: it exists, and a process works there.
    """
    refuse_existing(path)
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_directory(path) as folder:
            yield folder
    except OSError as error:
        if isinstance(error, FileExistsError):
            refuse_existing(path)  # another process has made it in the meantime
        raise RunError(
            f"{path} cannot be made ({error.strerror}): choose a --run-dir that can be written"
        ) from error


def take_over(path: Path) -> DirectoryLock:
    """Take the lock of a directory whose process has ended.

    Raises:
        InUseError: its process has not ended.
        RunError: it cannot be written.
    """
    try:
        return DirectoryLock(path)
    except OSError as error:
        lock = path / LOCK
        if lock.is_symlink() or (lock.exists() and not lock.is_file()):
            raise RunError(f"{lock} is not an ordinary file: remove it, or move it away") from error
        raise RunError(
            f"{path} cannot be written ({error.strerror}): make it writable, or copy it and resume the copy"
        ) from error


def refuse_links(path: Path) -> None:
    """Raise LinkError if a folder that the run in `path` writes into is a link; a missing one is fine."""
    for part in (CHECKPOINTS, FEATURES, PLOTS, TENSORBOARD):
        own_folder(path / part)
