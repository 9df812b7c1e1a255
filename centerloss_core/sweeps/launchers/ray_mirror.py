"""A run that trains on another machine, kept up to date in its run directory here: consistent at every moment.

Files that a run replaces are replaced here, whole; a checkpoint appears whole or not at all; `run.json` comes last, so
that it never says more than the other files bear out. They come in pieces, one at a time, so that neither machine holds
more than one in memory. The functions are generators: each yields a call to the actor and is sent its answer.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from centerloss_core.files.atomic import (
    atomic_directory,
    atomic_write,
    new_file,
    open_own_file,
    remove_directory,
)
from centerloss_core.run_directory.lock import DirectoryLock
from centerloss_core.run_directory.names import MANIFEST
from centerloss_core.sweeps.launchers.launcher import Task
from centerloss_core.sweeps.launchers.ray_paths import Stamp, checked, is_passed_on
from centerloss_core.sweeps.launchers.ray_worker import PIECE, SCRATCH

Calls = Generator[Any, Any, None]
_LONGEST_LINE = 64 * 2**10  # bytes
_FOLDER_THERE = re.compile(rf"/[^\s'\"]*{SCRATCH}\d+-\w+".encode())
_PARTS = ("checkpoints", "features", "plots")


class _ChangedMeanwhileError(Exception):
    """The file has changed since it was listed; the next pull brings it."""


class Mirror:
    """The files of one point.

    Args:
        host: the handle of its actor.
        task: the point, with the directories here.
    """

    def __init__(self, host: Any, task: Task) -> None:
        self._host = host
        self._task = task
        self._same: dict[str, Stamp] = {}  # the worker's files that are here already
        self._printed = 0  # bytes of what the process printed that are here
        self._unfinished = b""  # the last of them, of a line that is being written
        self._log_name = f"logs/{task.name}.log"
        self._lock = DirectoryLock(task.path) if task.path.is_dir() else None

    def close(self) -> None:
        """Let others write into the run directory."""
        with contextlib.suppress(OSError):
            self._log(self._unfinished)
        self._unfinished = b""
        if self._lock is not None:
            self._lock.release()

    def push(self) -> Calls:
        """Send the worker what it needs to begin or resume the run."""
        directory, name = self._task.directory, self._task.name
        yield from self._push(self._task.config.relative_to(directory).as_posix())
        for path in sorted(self._task.path.rglob("*")):
            relative = path.relative_to(directory).as_posix()
            if path.is_file() and not path.is_symlink() and is_passed_on(relative, name):
                self._same[relative] = yield from self._push(relative)

    def _push(self, name: str) -> Generator[Any, Any, Stamp]:
        stamp: Stamp | None = None
        offset = 0
        with (self._task.directory / name).open("rb") as file:
            while (piece := file.read(PIECE)) or stamp is None:
                stamp = yield self._host.write.remote(name, piece, offset)
                offset += len(piece)
        return stamp

    def pull(self) -> Generator[Any, Any, bool]:
        """Bring what is new.

        Returns:
            Whether all files are here that the worker has listed.

        Raises:
            LauncherError: the worker named a file that is not its point's.
            ReplacedError: the run directory was replaced here.
            OSError: a file cannot be written.
        """
        if self._lock is not None:
            self._lock.refuse_if_replaced()
        listed = yield self._host.listing.remote()
        found: dict[str, Stamp] = {name: tuple(stamp) for name, stamp in listed}
        for name in found:
            checked(name, self._task.name, self._task.directory)
        manifest = self._in_run(MANIFEST)
        whole = True
        if not self._task.path.exists() and manifest in found:
            whole = yield from self._tried(self._make(found))
        begun = self._task.path.exists()  # a run that has not begun leaves its log alone
        folders = self._checkpoints(found) if begun else {}
        in_folders = {name for names in folders.values() for name in names}
        files = [
            name
            for name in found
            if name not in in_folders and name != manifest and (begun or name == self._log_name)
        ]
        # Rows come first, for a checkpoint counts them.
        for name in sorted(files, key=self._only_grows, reverse=True):
            if self._same.get(name) != found[name]:
                bring = self._append_log if name == self._log_name else self._replace
                whole = (yield from self._tried(bring(name, found[name]))) and whole
        whole = (yield from self._pull_checkpoints(folders, found)) and whole
        if whole and manifest in found and self._same.get(manifest) != found[manifest]:
            whole = yield from self._tried(self._replace(manifest, found[manifest]))
        return whole

    def _tried(self, calls: Calls) -> Generator[Any, Any, bool]:
        try:
            yield from calls
        except _ChangedMeanwhileError:
            return False
        return True

    def _make(self, found: Mapping[str, Stamp]) -> Calls:
        """Make the run directory, whole or not at all."""
        with atomic_directory(self._task.path) as folder:
            for part in _PARTS:
                (folder / part).mkdir()
            for name in (MANIFEST, "config.yaml"):
                with new_file(folder / name) as file:
                    yield from self._fetch(self._in_run(name), found.get(self._in_run(name)), file)
            lock = DirectoryLock(folder)
        self._lock = lock.moved_to(self._task.path)
        self._same |= {self._in_run(name): found[self._in_run(name)] for name in (MANIFEST, "config.yaml")}

    def _replace(self, name: str, stamp: Stamp) -> Calls:
        path = checked(name, self._task.name, self._task.directory)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            yield from self._fetch(name, stamp, file)
        self._same[name] = stamp

    def _append_log(self, name: str, stamp: Stamp) -> Calls:
        """Append the output of the process to that of earlier ones, line by line."""
        while self._printed < stamp[1]:
            piece = yield self._host.read.remote(name, self._printed, None)
            if not piece:
                raise _ChangedMeanwhileError
            self._printed += len(piece)
            lines, newline, rest = (self._unfinished + piece).rpartition(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines, newline, rest = lines + newline + rest, b"", b""
            self._unfinished = rest
            self._log(lines + newline)
        self._same[name] = stamp

    def _log(self, text: bytes) -> None:
        """Name files as they are here: the scratch folder there is gone when this is read."""
        if text:
            here = shlex.quote(str(self._task.directory)).encode(errors="surrogateescape")
            with os.fdopen(
                open_own_file(self._task.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab"
            ) as log:
                log.write(_FOLDER_THERE.sub(lambda _: here, text))

    def _fetch(self, name: str, stamp: Stamp | None, file: IO[bytes]) -> Calls:
        if stamp is None:
            raise _ChangedMeanwhileError
        offset, unchanged = 0, None if self._only_grows(name) else stamp
        while offset < stamp[1]:
            piece = yield self._host.read.remote(name, offset, unchanged)
            if not piece:
                raise _ChangedMeanwhileError
            file.write(piece[: stamp[1] - offset])  # beyond that may be half a row
            offset += len(piece)

    def _checkpoints(self, found: Mapping[str, Stamp]) -> dict[str, list[str]]:
        """The folders in `checkpoints/`, oldest first, and the files of each."""
        folders: dict[str, list[str]] = {}
        for name in found:
            parts = PurePosixPath(name).parts
            if parts[0] == self._task.name and len(parts) == 4 and parts[1] == "checkpoints":
                folders.setdefault(parts[2], []).append(name)
        return dict(sorted(folders.items()))

    def _pull_checkpoints(
        self, folders: Mapping[str, Sequence[str]], found: Mapping[str, Stamp]
    ) -> Generator[Any, Any, bool]:
        whole = True
        here = self._task.path / "checkpoints"
        for folder, names in folders.items():
            if any(self._same.get(name) != found[name] for name in names) or not (here / folder).is_dir():
                whole = (yield from self._tried(self._pull_folder(here / folder, names, found))) and whole
        if whole and folders:
            for outdated in here.glob("step-*"):
                if outdated.name not in folders:
                    remove_directory(outdated)
        return whole

    def _pull_folder(self, path: Path, names: Sequence[str], found: Mapping[str, Stamp]) -> Calls:
        path.parent.mkdir(exist_ok=True)
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(atomic_directory(path))
            for name in names:
                with new_file(folder / PurePosixPath(name).name) as file:
                    yield from self._fetch(name, found[name], file)
            if path.is_dir():  # a damaged one that was put aside there, and taken anew
                remove_directory(path)
        self._same |= {name: found[name] for name in names}

    def _in_run(self, name: str) -> str:
        return f"{self._task.name}/{name}"

    def _only_grows(self, name: str) -> bool:
        parts = PurePosixPath(name).parts
        return (
            parts[0] == "logs" or parts[1:] in (("metrics.jsonl",), ("log.txt",)) or parts[1] == "tensorboard"
        )
