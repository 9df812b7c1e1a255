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
import re
import reprlib
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

from pydantic import ValidationError

from centerloss_core.config import Config, dump_yaml, load_config
from centerloss_core.errors import PUT_BACK, ExpectedError
from centerloss_core.files.atomic import (
    atomic_directory,
    atomic_write,
    clear_temporaries,
    errors_name,
    new_file,
    open_own_file,
)
from centerloss_core.files.untrusted import MOST_IN_A_ROW, open_to_read, own_folder, read_object
from centerloss_core.run_directory.lock import LOCK, DirectoryLock, InUseError, holder
from centerloss_core.run_directory.resume_check import ChangedError, refuse_changes

Status = Literal["running", "completed", "failed", "interrupted"]

MANIFEST = "run.json"
FORMAT = 1


class RunError(ExpectedError):
    """A run directory that cannot be made or read; the message names it and the mend."""


_PARTS = ("checkpoints", "features", "plots")
_MOST_WARNINGS = 100  # whatever a run meets with, its `run.json` can be read
TENSORBOARD = "tensorboard"  # made when it is asked for


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
            with new_file(folder / "config.yaml") as file:
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
            refuse_another_format(path / MANIFEST, manifest)
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

    def finish(self, status: Status, reason: str | None = None, **fields: Any) -> None:
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
        return _open_to_append(self.path / "log.txt", buffering=0)

    def features_path(self, name: str) -> Path:
        """Where the feature dump `name` ("test-final", "test-epoch-0001", …) lives."""
        return self.path / "features" / f"{name}.npz"

    def checkpoint_path(self, step: int) -> Path:
        """Where the checkpoint taken after `step` steps lives."""
        return self.path / "checkpoints" / f"step-{step:08d}"

    def checkpoints(self) -> list[Path]:
        """All checkpoints that are there, oldest first."""
        return _checkpoints(self.path)

    @property
    def _metrics_path(self) -> Path:
        return self.path / "metrics.jsonl"

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


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all; NaN is refused, because JSON has none."""
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: the file is missing, is not one, or is far too large for it.
    """
    try:
        return read_object(path)
    except PermissionError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}): make it readable") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error})") from error


def refuse_another_format(path: Path, content: Mapping[str, Any]) -> None:
    """Raise RunError unless this program wrote it: what it does not know, it must not write to."""
    found = content.get("format")
    if found != FORMAT:
        raise RunError(
            f"{path}: is of format {reprlib.repr(found)}, and this version of centerloss knows {FORMAT}: "
            "use the version that wrote it"
        )


def read_manifest(path: Path) -> dict[str, Any]:
    """Read the `run.json` of the run directory `path`.

    Raises:
        RunError: it is missing or is not a JSON object.
    """
    if not (path / MANIFEST).exists():
        if not path.exists():
            raise RunError(f"{path}: no such directory")
        if (path / "config.yaml").is_file() and (path / "checkpoints").is_dir():
            raise RunError(f"{path / MANIFEST} was lost: {_put_back(path)}")
        raise RunError(f"{path} is not a run directory: it has no {MANIFEST}")
    try:
        return read_json(path / MANIFEST)
    except RunError as error:
        if isinstance(error.__cause__, OSError):  # the content may be as it was
            raise
        raise RunError(f"{error}: {_put_back(path)}") from error


def _put_back(path: Path) -> str:
    """What to do without the `run.json` of the run in `path`."""
    anew = f"cl train --config {shlex.quote(str(path / 'config.yaml'))}"
    return f"{PUT_BACK}: {anew}"


def begun_config(path: Path) -> Config:
    """The config that the run in `path` was begun with.

    Raises:
        RunError: it is not a run directory, or its `config.yaml` is missing.
        ConfigError: its `config.yaml` is wrong.
    """
    if (path / "summary.json").is_file():
        raise RunError(f"{path} is a sweep: cl sweep --resume {shlex.quote(str(path))}")
    read_manifest(path)
    config = path / "config.yaml"
    if not os.path.lexists(config):
        raise RunError(f"{config} is missing, and a run goes on as it was begun: {_config_back(path)}")
    return load_config(config)


def _config_back(path: Path) -> str:
    """Where the `config.yaml` of the run in `path` can be had again."""
    config = path / "config.yaml"
    copies = [each / "config.yaml" for each in _checkpoints(path) if (each / "config.yaml").is_file()]
    if copies:  # to the letter, as going on from that checkpoint asks for
        return f"put it back: {shlex.join(['cp', str(copies[-1]), str(config)])}"
    return (
        f'put it back as it was ({path / MANIFEST} keeps it as "config"), or begin anew in another directory'
    )


def refuse_another_config(path: Path, begun: Config, asked: Config) -> None:
    """Raise ChangedError, with the difference, unless the run in `path` was begun with the config asked for."""
    complaint = f"{path} was begun with another config, and a run goes on as it was begun"
    refuse_changes(dump_yaml(begun), dump_yaml(asked), complaint)


def refuse_changed_config(path: Path, manifest: Mapping[str, Any], config: Config) -> None:
    """Raise ChangedError, with the difference, if `config.yaml` is not what the run's manifest keeps of it."""
    kept = manifest.get("config")
    if kept is None:  # of a version that kept none
        return
    try:
        begun = Config.model_validate(kept)
    except ValidationError as error:
        raise ChangedError(f"{path / MANIFEST}: its config was changed: put it back as it was") from error
    complaint = (
        f"{path / 'config.yaml'} was changed after the run was begun, and a run goes on as it was begun"
    )
    refuse_changes(dump_yaml(begun), dump_yaml(config), complaint)


def is_completed(path: Path) -> bool:
    """Whether the run in `path` has reached its end."""
    return (path / MANIFEST).is_file() and read_manifest(path).get("status") == "completed"


def last_saved_step(path: Path) -> int:
    """The step of the newest checkpoint of the run in `path`, whole or not; 0 where there is none."""
    return max((int(each.name.removeprefix("step-")) for each in _checkpoints(path)), default=0)


_CHECKPOINT = re.compile(r"step-([0-9]{8,10})")  # eight digits, or as many as the step has


def _checkpoints(path: Path) -> list[Path]:
    folder = path / "checkpoints"
    try:
        names = os.listdir(folder)  # glob would show none where it may not look
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{folder} cannot be read ({error.strerror}): make it readable") from error
    found = (match for name in names if (match := _CHECKPOINT.fullmatch(name)))
    return [folder / match[0] for match in sorted(found, key=lambda match: int(match[1]))]


def last_row(path: Path, *, kind: str) -> dict[str, Any] | None:
    """Return the newest whole row of a kind in the `metrics.jsonl` of run directory `path`, if there is one.

    Reads only the end of the file, so that watching a long run costs nothing.
    """
    try:
        with open_to_read(path / "metrics.jsonl") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 8192))
            tail = file.read(8192).split(b"\n")[:-1]  # what follows the last newline is still being written
    except (OSError, ValueError):
        return None
    return next(_rows_of_kind(reversed(tail), kind), None)


def _rows_of_kind(lines: Iterator[bytes], kind: str) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):  # the first line of the tail may be cut
            continue
        if isinstance(row, dict) and row.get("kind") == kind:
            yield row


def point_name(config: Config) -> str:
    """What tells one point of a sweep from the others: `lambda0.01-alpha0.5-seed0`."""
    loss = config.loss
    return f"lambda{_short(loss.lambda_)}-alpha{_short(loss.alpha)}-seed{config.train.seed}"


def _short(value: float) -> str:
    """The shortest text that no other number has: 1, not 1.0."""
    return repr(value).removesuffix(".0")


def free_path(directory: Path, name: str) -> Path:
    """The first of `name`, `name-2`, `name-3`, … that is not taken in `directory`."""
    number, path = 1, directory / name
    while path.exists():
        number += 1
        path = directory / f"{name}-{number}"
    return path


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
