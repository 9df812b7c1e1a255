"""The one writer of run directories: made before the first step, readable after a crash.

docs/run-directory.md says what each file is. `metrics.jsonl` and `log.txt` are appended to; all others are replaced
whole at each change.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from centerloss_core.config import Config, dump_yaml
from centerloss_core.files.atomic import (
    atomic_write,
    clear_temporaries,
    errors_name,
    new_file,
    open_own_file,
    remove_directory,
)
from centerloss_core.files.untrusted import own_folder, read_text
from centerloss_core.limits import ROW_BYTES, WARNINGS
from centerloss_core.run_directory.directories import new_directory, refuse_links, take_over
from centerloss_core.run_directory.lock import DirectoryLock
from centerloss_core.run_directory.manifest import FORMAT, Written, items, mapping, read_manifest, write_json
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

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from centerloss_core.run_directory.checkpoints import Position
    from centerloss_core.run_directory.feature_dumps import FeatureDump
    from centerloss_core.run_directory.progress import Progress

_PARTS = (CHECKPOINTS, FEATURES, PLOTS)
_KEPT = 2  # checkpoints: the newest, and one more in case that one turns out damaged


class Run(AbstractContextManager["Run"]):
    """One run directory, and the exclusive right to write into it. Made by `create` or `open`; `close` gives it back.

    Used as a context, it is closed at the end. Nothing else writes into the directory meanwhile: each method that
    writes raises ReplacedError, and writes nothing, where the directory has become another one.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], lock: DirectoryLock) -> None:
        self.path = path
        self.manifest = manifest
        self._lock = lock

    @classmethod
    def create(cls, path: Path, config: Config, provenance: Mapping[str, Any]) -> Run:
        """Make the directory with what is known before the first step: all of that, or nothing.

        Raises:
            RunError: the directory exists already (nothing is ever overwritten) or cannot be made.
        """
        manifest = {
            "format": FORMAT,
            "name": path.name,
            "status": "running",
            "reason": None,
            "created": _now(),
            "finished": None,
            "resumed": [],
            "warnings": [],
            **config.in_short(),
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

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- run.json -------------------------------------------------------------------------------------------

    def update(self, **fields: Any) -> None:
        """Change fields of `run.json`."""
        self._lock.refuse_if_replaced()
        self.manifest.update(fields)
        write_json(self.path / MANIFEST, self.manifest)

    def resume(self, step: int, provenance: Mapping[str, Any]) -> None:
        """Note that the run resumes from `step`, and on what."""
        row = {"at": _now(), "step": step, **provenance}
        self.manifest.pop("pace", None)
        resumed = [*items(self.manifest.get("resumed")), row]
        self.update(status="running", reason=None, finished=None, resumed=resumed)

    def note_pace(self, progress: Progress) -> None:
        """Keep how fast the first steps were, for a sweep that waits for the first row; until the run ends."""
        keys = ("step", "epoch", "images_per_second")
        self.update(pace={key: getattr(progress, key) for key in keys})

    def change_config(self, config: Config) -> None:
        """Replace `config.yaml`, and what `run.json` keeps of it: the data was moved, or the run becomes longer."""
        self.update(config=config.model_dump(mode="json", by_alias=True))
        with self.writing(CONFIG) as file:
            file.write(dump_yaml(config).encode())

    def forget_the_end(self, warnings: Collection[str]) -> None:
        """Remove what belongs to the end of a completed run, and these warnings: it is to be trained longer."""
        kept = [each for each in items(self.manifest.get("warnings")) if each not in warnings]
        self.update(warnings=kept, metrics={}, evaluation={}, thresholds={})
        for path in [*(self.path / FEATURES).glob("*-final.npz"), *self.path.glob("evaluation*.*")]:
            path.unlink()

    def warn(self, message: str) -> None:
        """Keep a warning, once; of more than 100 the first ones."""
        warnings = items(self.manifest.get("warnings"))
        if message not in warnings and len(warnings) < WARNINGS:
            self.update(warnings=[*warnings, message])

    def finish(self, status: Written, reason: str | None = None, **fields: Any) -> None:
        """Note how the run has ended."""
        self.manifest.pop("pace", None)
        self.update(status=status, reason=reason, finished=_now(), **fields)

    # ---- Logs -----------------------------------------------------------------------------------------------

    def log_row(self, row: Mapping[str, Any]) -> None:
        """Append one row to `metrics.jsonl`; it is in the file, not in a buffer, when this returns."""
        self.append(METRICS, (json.dumps(row, allow_nan=False) + "\n").encode())

    def metrics_bytes(self) -> int:
        """Length of `metrics.jsonl`, all of it on disk when this returns."""
        with self._open_to_append(METRICS) as file:
            os.fsync(file.fileno())
            return file.tell()

    def forget_rows_after(self, length: int) -> bool:
        """Cut `metrics.jsonl` back to its first `length` bytes: the rows of steps that will be taken again.

        Returns:
            Whether it had as many; if not, its last whole row stays the last.
        """
        with self._open_to_append(METRICS, "a+b") as file:
            found = file.tell()
            if found < length:
                file.truncate(_end_of_last_row(file))
                return False
            file.truncate(length)
        return True

    def open_log(self) -> IO[bytes]:
        """Open `log.txt` for appending."""
        return self._open_to_append(LOG, buffering=0)

    # ---- Whole files ----------------------------------------------------------------------------------------

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Open the file `name` ("evaluation.csv", "tensorboard/labels.tsv"), which is replaced whole or not at all."""
        self._lock.refuse_if_replaced()
        with atomic_write(self.path / name) as file:
            yield file

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace the file `name`; NaN is refused, because JSON has none."""
        self._lock.refuse_if_replaced()
        write_json(self.path / name, content)

    def append(self, name: str, content: bytes) -> None:
        """Add to the file `name`; the bytes are in it, not in a buffer, when this returns."""
        with errors_name(self.path / name), self._open_to_append(name) as file:
            file.write(content)

    def tensorboard_folder(self) -> Path:
        """Make the folder for TensorBoard, without what killed processes left there; LinkError if it is a link."""
        self._lock.refuse_if_replaced()
        folder = own_folder(self.path / TENSORBOARD)
        folder.mkdir(exist_ok=True)
        clear_temporaries(folder)
        return folder

    # ---- Features and checkpoints ---------------------------------------------------------------------------

    def write_features(self, name: str, dump: FeatureDump) -> None:
        """Replace the feature dump `name` ("test-final", "test-epoch-0001", …)."""
        from centerloss_core.run_directory.feature_dumps import write_features

        self._lock.refuse_if_replaced()
        write_features(features_path(self.path, name), dump)

    def write_checkpoint(self, arrays: Mapping[str, NDArray[Any]], position: Position) -> None:
        """Keep a whole training state, the one before, and that of the best epoch; remove older ones.

        Raises:
            OSError: it could not be written, or there is one of that step already; earlier checkpoints stay.
        """
        from centerloss_core.run_directory.checkpoints import write_checkpoint

        self._lock.refuse_if_replaced()
        # A run comes to each step once, so a checkpoint that is there already is not its own.
        write_checkpoint(checkpoint_path(self.path, position.step), arrays, position, self.config_text())
        self._lock.refuse_if_replaced()  # writing takes its time, and the outdated ones must be its own
        best = mapping(self.manifest.get("best")).get("step")
        for outdated in checkpoints(self.path)[:-_KEPT]:
            if not isinstance(best, int) or outdated != checkpoint_path(self.path, best):
                remove_directory(outdated)

    def put_aside(self, checkpoint: Path) -> Path:
        """Rename a damaged checkpoint, so that it is no longer one; it may be the disk that misreads it."""
        self._lock.refuse_if_replaced()
        aside = checkpoint.with_name(f"damaged-{checkpoint.name}-{time.time_ns()}")
        checkpoint.rename(aside)
        return aside

    def config_text(self) -> str:
        """Its `config.yaml`."""
        return read_text(self.path / CONFIG)

    def _open_to_append(self, name: str, mode: Literal["ab", "a+b"] = "ab", buffering: int = -1) -> IO[bytes]:
        self._lock.refuse_if_replaced()
        return os.fdopen(
            open_own_file(self.path / name, os.O_RDWR | os.O_CREAT | os.O_APPEND), mode, buffering
        )


def _end_of_last_row(file: IO[bytes]) -> int:
    """How many bytes a file has up to its last newline, that included; looked for from its end."""
    begin = file.seek(0, 2)
    while begin:
        end, begin = begin, max(0, begin - ROW_BYTES)
        file.seek(begin)
        if (found := file.read(end - begin).rfind(b"\n")) >= 0:
            return begin + found + 1
    return 0


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
