"""One process at a time in a run directory; the operating system frees the lock of a process that dies."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from centerloss_core.errors import ExpectedError
from centerloss_core.files.atomic import open_own_file
from centerloss_core.limits import LOCK_BYTES, LOCK_COMMAND

LOCK = "lock"
_LOOKS, _MOMENT = 20, 0.01  # seconds


class InUseError(ExpectedError):
    """Another process works in this directory; the message names it."""


class ReplacedError(ExpectedError):
    """The directory in which this process worked is gone, or another's by now; the message names it."""


class DirectoryLock(contextlib.AbstractContextManager["DirectoryLock"]):
    """The exclusive right to write into `directory`, until released or until this process ends, however it ends.

    The file `lock` in it says who holds the right. That it exists means nothing: after a kill it stays, and the next
    process takes it over. A lock taken in a folder stays held when that folder is renamed.

    What is locked is a file, and what is written goes by path. A folder that is moved or removed takes the
    locked file along, and another process may make one of the same name: ask `refuse_if_replaced` before each write.

    Raises:
        InUseError: another process has it.
        OSError: the file cannot be made, or is a link.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK
        self._descriptor = _open_and_lock(self._path)
        if self._descriptor is None:
            raise InUseError(
                f"{directory} is in use by {holder(directory) or 'another process'}: wait for it, or stop it"
            )
        command = shlex.join(["cl", *sys.argv[1:]])
        signature = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command if len(command) <= LOCK_COMMAND else f"{command[:LOCK_COMMAND]}…",
        }
        with contextlib.suppress(OSError):  # a full disk: the right is what counts, not the signature
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, json.dumps(signature).encode())

    def moved_to(self, directory: Path) -> DirectoryLock:
        """Note that the folder has another name now."""
        self._path = directory / LOCK
        return self

    def is_in_place(self) -> bool:
        """Whether the directory still holds the locked file, in some microseconds; OSError if that cannot be told."""
        return self._descriptor is not None and _is_at(self._descriptor, self._path)

    def refuse_if_replaced(self) -> None:
        """Raise an error unless what is written by path now goes to the directory that was locked.

        Raises:
            ReplacedError: it would go to another directory of that name, or to none.
            OSError: that cannot be told.
        """
        if self.is_in_place():
            return
        directory = self._path.parent
        fate = "was replaced, or its lock removed," if directory.is_dir() else "was removed or moved away"
        raise ReplacedError(f"{directory} {fate} while this process worked there: nothing more is written")

    def release(self) -> None:
        """Give the right back; a second call does nothing."""
        if self._descriptor is None:
            return
        # While it is held and in place, so that no other process's is removed. Windows removes no open file, a
        # read-only disk none at all: a lock that is not held may stay.
        with contextlib.suppress(OSError):
            if self.is_in_place():
                self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = None

    def __exit__(self, *_: object) -> None:
        self.release()


def holder(directory: Path) -> str | None:
    """Who holds the lock of `directory`, in words; None where nobody does, or what lies there is no lock."""
    try:
        descriptor = _open_to_ask(directory / LOCK)
    except PermissionError:
        return "another process, perhaps (its lock cannot be read)"
    except OSError:
        return None
    try:
        for _ in range(_LOOKS):  # it may have the lock and not yet have signed
            if _try_lock(descriptor):
                return None
            if words := _read_words(descriptor):
                return words
            time.sleep(_MOMENT)
        return "another process"
    except OSError:  # over a network, a file that is open to be read cannot be locked
        return _read_words(descriptor)
    finally:
        os.close(descriptor)


def _open_to_ask(path: Path) -> int:
    try:
        return open_own_file(path, os.O_RDWR)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
    return open_own_file(path, os.O_RDONLY)  # another user's run, or a disk that is mounted read-only


def _read_words(descriptor: int) -> str | None:
    """The signature of a process that lives; a dead one's stays until the next has signed."""
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        found = json.loads(os.read(descriptor, LOCK_BYTES))
        if found["host"] == socket.gethostname() and not lives(found["pid"]):
            return None
        words = f"process {found['pid']} on {found['host']} ({found['command']}, since {found['since']})"
        return words if words.isprintable() else words.encode("unicode_escape").decode()
    # The file may hold anything: a number without end, a thousand brackets.
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def lives(pid: int) -> bool:
    """Whether there is such a process on this machine; True where that cannot be asked."""
    if sys.platform == "win32":  # no way to ask that does not end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


def _open_and_lock(path: Path) -> int | None:
    """The descriptor of the locked file, or None where another process has it."""
    looks = 0
    while True:
        descriptor = open_own_file(path, os.O_RDWR | os.O_CREAT)
        if not _try_lock(descriptor):
            held = _read_words(descriptor) is not None
            os.close(descriptor)
            looks += 1
            if held or looks > _LOOKS:
                return None
            time.sleep(_MOMENT)  # `holder`, which only looks whether it is held, lets go at once
            continue
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # it was released and removed between the two lines: take the new one


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether `path` is the name of the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError as error:
        # Over a network, a file that was removed elsewhere is "stale".
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
            return False
        raise


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            # Far behind the words, which others must be able to read.
            os.lseek(descriptor, LOCK_BYTES, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
