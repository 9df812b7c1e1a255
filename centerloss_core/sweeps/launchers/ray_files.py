"""The files of a point on their way between two machines; they go through Ray one by one."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath

from centerloss_core.files.atomic import atomic_write, new_file, remove_directory, sync_directory
from centerloss_core.run_directory.lock import LOCK, DirectoryLock
from centerloss_core.run_directory.names import CHECKPOINTS, FEATURES, MANIFEST, PLOTS
from centerloss_core.sweeps.launchers.launcher import Task


def save_below(folder: Path, name: str, content: bytes) -> Path:
    """Write a file that has come to disk, below `folder`; return its path.

    Raises:
        OSError: it would lie elsewhere, or cannot be written.
    """
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise OSError(errno.EINVAL, "a file of a point would lie elsewhere", name)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as file:
        file.write(content)
    return path


def files_in(folder: Path) -> Iterator[Path]:
    """The ordinary files below a folder; a lock and temporary ones stay where they are."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.name != LOCK and path.is_file() and not path.is_symlink():
            yield path


class Mirror:
    """A run that trains on another machine, kept up to date in its run directory here: consistent at every moment.

    A file appears whole, a checkpoint too, and `run.json` comes last: it never says more than the other files do.

    Raises:
        InUseError: another process works in the run directory.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._lock = DirectoryLock(task.path) if task.path.is_dir() else None

    def close(self) -> None:
        """Let others write into the run directory."""
        if self._lock is not None:
            self._lock.release()

    def files(self) -> list[Path]:
        """What the other machine needs to begin or resume the run; its log too, which it appends to."""
        task = self._task
        return [task.config, *files_in(task.path), *([task.log] if task.log.is_file() else [])]

    def folder(self) -> tempfile.TemporaryDirectory[str]:
        """For what comes, until `merge` takes it over."""
        return tempfile.TemporaryDirectory(
            prefix=f".{self._task.name}.", suffix=".tmp", dir=self._task.directory, ignore_cleanup_errors=True
        )

    def merge(self, folder: Path, paths: Sequence[Path], checkpoints: Collection[str]) -> None:
        """Take over what has come.

        Args:
            folder: where it lies.
            paths: the files, in the order in which they came.
            checkpoints: the names of those that are still there.

        Raises:
            ReplacedError: the run directory was replaced here.
            OSError: a file cannot be written.
        """
        task = self._task
        run, log = folder / task.name, folder / task.log.relative_to(task.directory)
        if log in paths:
            with log.open("rb") as printed, atomic_write(task.log) as file:
                shutil.copyfileobj(printed, file)
        if self._lock is None and (run / MANIFEST) in paths:
            for part in (CHECKPOINTS, FEATURES, PLOTS):
                (run / part).mkdir(exist_ok=True)
            lock = DirectoryLock(run)
            run.rename(task.path)
            self._lock = lock.moved_to(task.path)
        elif self._lock is not None:
            self._lock.refuse_if_replaced()
            for path in paths:
                if path.is_relative_to(run) and path.exists():
                    self._take(path, task.path / path.relative_to(run))
        for outdated in (task.path / CHECKPOINTS).glob("step-*") if checkpoints else ():
            if outdated.name not in checkpoints:
                remove_directory(outdated)

    def _take(self, path: Path, target: Path) -> None:
        """Give a file its name; a checkpoint takes its own as a folder."""
        if target.parent.parent == self._task.path / CHECKPOINTS:
            path, target = path.parent, target.parent
            if target.is_dir():
                remove_directory(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        sync_directory(target.parent)
