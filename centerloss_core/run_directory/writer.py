"""The run directory: the only state that a run has. Written before the first step, readable after a crash.

config.yaml      resolved and complete: `cl train --config <run>/config.yaml` repeats the run
run.json         status, provenance, final metrics; replaced whole at each change
metrics.jsonl    a row per interval and per epoch; only ever appended to
log.txt          what TensorFlow had to say
checkpoints/     whole training states, the last two
lock             held by the process that works here; see `locks`
features/        feature dumps
tensorboard/     the same for TensorBoard, if `train.tensorboard` asks for it
plots/           figures, made by `cl plot`
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

from centerloss_core.config import Config, dump_yaml
from centerloss_core.files.atomic import (
    atomic_directory,
    clear_temporaries,
    errors_name,
    new_file,
    open_own_file,
)
from centerloss_core.files.untrusted import MOST_IN_A_ROW, own_folder
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.lock import LOCK, DirectoryLock, InUseError, holder
from centerloss_core.run_directory.manifest import (
    FORMAT,
    Written,
    read_manifest,
    write_json,
)
from centerloss_core.run_directory.names import (
    CHECKPOINTS,
    CONFIG,
    FEATURES,
    LOG,
    MANIFEST,
    METRICS,
    PLOTS,
    TENSORBOARD,
    checkpoint_path,
    checkpoints,
    features_path,
)

_PARTS = (CHECKPOINTS, FEATURES, PLOTS)
_MOST_WARNINGS = 100  # whatever a run meets with, its `run.json` can be read


class Run:
    """One run directory, and the exclusive right to write into it. Made by `create` or `open`; `close` gives it back.

    Used as a context, it is closed at the end. Each method that writes raises ReplacedError, and writes nothing, where
    the directory has become another one; whoever writes by `path` asks `refuse_if_replaced` first.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], lock: DirectoryLock) -> None:
        self.path = path
        self.manifest = manifest
        self._lock = lock
        self._watchers: list[Callable[[Mapping[str, Any]], None]] = []

    @classmethod
    def create(cls, path: Path, config: Config, provenance: Mapping[str, Any]) -> Run:
        """Make the directory with what is known before the first step: all of that, or nothing.

        Raises:
            RunError: the directory exists already (nothing is ever overwritten) or cannot be made.
        """
        refuse_existing(path)
        manifest = {
            "format": FORMAT,
            "name": path.name,
            "status": "running",
            "reason": None,
            "created": _now(),
            "finished": None,
            "resumed": [],
            "warnings": [],
            "lambda": config.loss.lambda_,
            "alpha": config.loss.alpha,
            "reduction": config.loss.reduction,
            "lambda_eq": config.lambda_eq,
            "seed": config.train.seed,
            "config": config.model_dump(mode="json", by_alias=True),
            **provenance,
            "metrics": {},
        }
        with new_directory(path) as folder:
            for part in _PARTS:
                (folder / part).mkdir()
            with new_file(folder / CONFIG) as file:
                file.write(dump_yaml(config).encode())
            write_json(folder / MANIFEST, manifest)
            lock = DirectoryLock(folder)  # nobody can have it yet, and it goes with the folder to its name
        return cls(path, manifest, lock.moved_to(path))

    @classmethod
    def open(cls, path: Path) -> Run:
        """Take over the directory of a run whose process has ended.

        Raises:
            RunError: it is not a run directory, or cannot be written.
            InUseError: its process has not ended.
            LinkError: one of its folders is a link.
        """
        read_manifest(path)
        refuse_links(path)
        lock = take_over(path)
        try:
            manifest = read_manifest(path)  # again, now that nobody changes it
            for part in _PARTS:
                (path / part).mkdir(exist_ok=True)
                clear_temporaries(path / part)
            clear_temporaries(path)
        except BaseException:
            lock.release()
            raise
        return cls(path, manifest, lock)

    def close(self) -> None:
        """Let others write here."""
        self._lock.release()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def refuse_if_replaced(self) -> None:
        """Raise ReplacedError unless `path` is still the directory that was locked; see `DirectoryLock`."""
        self._lock.refuse_if_replaced()

    def update(self, **fields: Any) -> None:
        """Change fields of `run.json`."""
        self.refuse_if_replaced()
        self.manifest.update(fields)
        self._write_manifest()

    def resume(self, step: int, provenance: Mapping[str, Any]) -> None:
        """Note that the run goes on from `step`, and on what."""
        earlier = self.manifest.get("resumed")
        row = {"at": _now(), "step": step, **provenance}
        self.update(
            status="running",
            reason=None,
            finished=None,
            resumed=[*(earlier if isinstance(earlier, list) else []), row],
        )

    def warn(self, message: str) -> None:
        """Keep a warning in `run.json`, once, and of very many the first."""
        earlier = self.manifest.get("warnings")
        warnings = earlier if isinstance(earlier, list) else []
        if message not in warnings and len(warnings) < _MOST_WARNINGS:
            self.update(warnings=[*warnings, message])

    def finish(self, status: Written, reason: str | None = None, **fields: Any) -> None:
        """Write the final word on this run."""
        self.update(status=status, reason=reason, finished=_now(), **fields)

    def log_row(self, row: Mapping[str, Any]) -> None:
        """Append one row to `metrics.jsonl`; it is in the file, not in a buffer, when this returns."""
        line = json.dumps(row, allow_nan=False) + "\n"
        path = self._metrics_path
        self.refuse_if_replaced()
        with errors_name(path), _open_to_append(path) as file:
            file.write(line.encode())
        for watch in self._watchers:
            watch(row)

    def watch_rows(self, watch: Callable[[Mapping[str, Any]], None]) -> None:
        """Have `watch` called with each row from now on, once it is in the file."""
        self._watchers.append(watch)

    def metrics_bytes(self) -> int:
        """Length of `metrics.jsonl`, all of it on disk when this returns."""
        self.refuse_if_replaced()
        with _open_to_append(self._metrics_path) as file:
            os.fsync(file.fileno())
            return file.tell()

    def forget_rows_after(self, length: int) -> bool:
        """Cut `metrics.jsonl` back to its first `length` bytes: the rows of steps that will be taken again.

        Returns:
            Whether it had as many; if not, its last whole row stays the last.
        """
        self.refuse_if_replaced()
        with _open_to_append(self._metrics_path, "a+b") as file:
            found = file.tell()
            if found < length:
                file.truncate(_end_of_last_row(file))
                return False
            file.truncate(length)
        return True

    def open_log(self) -> IO[bytes]:
        """Open `log.txt` for appending."""
        self.refuse_if_replaced()
        return _open_to_append(self.path / LOG, buffering=0)

    def features_path(self, name: str) -> Path:
        """Where the feature dump `name` ("test-final", "test-epoch-0001", …) lives."""
        return features_path(self.path, name)

    def checkpoint_path(self, step: int) -> Path:
        """Where the checkpoint taken after `step` steps lives."""
        return checkpoint_path(self.path, step)

    def checkpoints(self) -> list[Path]:
        """All checkpoints that are there, oldest first."""
        return checkpoints(self.path)

    @property
    def _metrics_path(self) -> Path:
        return self.path / METRICS

    def _write_manifest(self) -> None:
        write_json(self.path / MANIFEST, self.manifest)


def refuse_links(path: Path) -> None:
    """Raise LinkError if a folder that a run in `path` writes into is a link; where they are missing, all is well."""
    for part in (*_PARTS, TENSORBOARD):
        own_folder(path / part)


def _open_to_append(path: Path, mode: Literal["ab", "a+b"] = "ab", buffering: int = -1) -> IO[bytes]:
    return os.fdopen(open_own_file(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), mode, buffering)


def _end_of_last_row(file: IO[bytes]) -> int:
    """How many bytes a file has up to its last newline, that included; looked for from its end."""
    begin = file.seek(0, 2)
    while begin:
        end, begin = begin, max(0, begin - MOST_IN_A_ROW)
        file.seek(begin)
        if (found := file.read(end - begin).rfind(b"\n")) >= 0:
            return begin + found + 1
    return 0


def refuse_existing(path: Path) -> None:
    """Raise an error if there is anything under this name: nothing is ever overwritten.

    Raises:
        InUseError: a process works there.
        RunError: there is something else.
    """
    if not path.exists() and not path.is_symlink():
        return
    if words := holder(path):
        raise InUseError(f"{path} is in use by {words}: choose another --run-dir or --name")
    others = "choose another --run-dir or --name, or remove it"
    if (path / MANIFEST).is_file():
        others = f"continue it with --resume {shlex.quote(str(path))}, choose another --run-dir or --name, or remove it"
    raise RunError(f"{path} exists already and nothing is overwritten: {others}")


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Make a directory, and its parents, that is there with all that the block puts into it, or not at all.

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
            refuse_existing(path)  # somebody else's, made in the meantime
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
            raise RunError(
                f"{lock} is in the way, for a lock is an ordinary file: remove it, or move it away"
            ) from error
        raise RunError(
            f"{path} cannot be written ({error.strerror}): make it writable, or copy it and resume the copy"
        ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
