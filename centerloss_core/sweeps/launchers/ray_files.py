"""The files of a point on their way between two machines: as a tar archive, which goes through Ray piece by piece."""

from __future__ import annotations

import contextlib
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from centerloss_core.files.atomic import atomic_write, new_file, remove_directory, sync_directory
from centerloss_core.run_directory.lock import LOCK, DirectoryLock
from centerloss_core.run_directory.names import CHECKPOINTS, FEATURES, MANIFEST, PLOTS
from centerloss_core.sweeps.launchers.launcher import Task

PIECE = 4 * 2**20  # bytes


def pack(files: Iterable[tuple[str, IO[bytes]]]) -> IO[bytes]:
    """An archive of open files, each as long as it is now, under these names."""
    bundle: IO[bytes] = tempfile.SpooledTemporaryFile(PIECE)  # noqa: SIM115
    with tarfile.open(fileobj=bundle, mode="w") as archive:
        for name, file in files:
            member = tarfile.TarInfo(name)
            member.size = file.seek(0, 2)
            file.seek(0)
            archive.addfile(member, file)
    bundle.seek(0)
    return bundle


def unpack(bundle: IO[bytes], folder: Path) -> list[Path]:
    """Write the files of an archive to disk, below `folder`; return their paths, in the order of the archive.

    Raises:
        tarfile.TarError: one would lie elsewhere, or is not an ordinary file.
    """
    bundle.seek(0)
    paths = []
    with tarfile.open(fileobj=bundle) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                raise tarfile.TarError(f"{member.name!r} is not an ordinary file")
            path = folder / tarfile.data_filter(member, str(folder)).name  # which refuses what lies elsewhere
            path.parent.mkdir(parents=True, exist_ok=True)
            with new_file(path) as file:
                shutil.copyfileobj(content, file)
            paths.append(path)
    return paths


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

    def bundle(self) -> IO[bytes]:
        """What the other machine needs to begin or resume the run; its log too, which it appends to."""
        task = self._task
        paths = [task.config, *files_in(task.path), *([task.log] if task.log.is_file() else [])]
        with contextlib.ExitStack() as opened:
            return pack(
                (path.relative_to(task.directory).as_posix(), opened.enter_context(path.open("rb")))
                for path in paths
            )

    def merge(self, bundle: IO[bytes], checkpoints: Iterable[str]) -> None:
        """Take over what is new there.

        Args:
            bundle: the files.
            checkpoints: the names of those that are still there.

        Raises:
            tarfile.TarError: the archive is damaged, or holds something else.
            ReplacedError: the run directory was replaced here.
            OSError: a file cannot be written.
        """
        task = self._task
        with tempfile.TemporaryDirectory(
            prefix=f".{task.name}.", suffix=".tmp", dir=task.directory, ignore_cleanup_errors=True
        ) as name:
            folder = Path(name)
            paths = unpack(bundle, folder)
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
        self._remove_outdated(set(checkpoints))

    def _take(self, path: Path, target: Path) -> None:
        """Give a file its name; a checkpoint takes its own as a folder."""
        if target.parent.parent == self._task.path / CHECKPOINTS:
            path, target = path.parent, target.parent
            if target.is_dir():
                remove_directory(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        sync_directory(target.parent)

    def _remove_outdated(self, kept: set[str]) -> None:
        for outdated in (self._task.path / CHECKPOINTS).glob("step-*") if kept else ():
            if outdated.name not in kept:
                remove_directory(outdated)
