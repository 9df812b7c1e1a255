"""The run directory: the only state that a run has. Written before the first step, readable after a crash.

config.yaml      resolved and complete: `cl train --config <run>/config.yaml` repeats the run
run.json         status, provenance, final metrics; replaced whole at each change
metrics.jsonl    a row per interval and per epoch; only ever appended to
log.txt          what TensorFlow had to say
checkpoints/     whole training states
features/        feature dumps
plots/           figures, made by `cl plot`
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

from centerloss_core.atomic import atomic_write, errors_name
from centerloss_core.config import Config, dump_yaml
from centerloss_core.errors import ExpectedError

Status = Literal["running", "completed", "failed", "interrupted"]

MANIFEST = "run.json"
FORMAT = 1


class RunError(ExpectedError):
    """A run directory that cannot be made or read; the message names it and the mend."""


class Run:
    """One run directory. Made by `create`; `path` and its parts are all that others need to know."""

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def create(cls, path: Path, config: Config, provenance: Mapping[str, Any]) -> Run:
        """Make the directory and write what is known before the first step.

        Raises:
            RunError: the directory exists already (nothing is ever overwritten) or cannot be made.
        """
        make_directory(path)
        for part in ("checkpoints", "features", "plots"):
            (path / part).mkdir()
        with atomic_write(path / "config.yaml") as file:
            file.write(dump_yaml(config).encode())
        run = cls(
            path,
            {
                "format": FORMAT,
                "name": path.name,
                "status": "running",
                "reason": None,
                "created": _now(),
                "finished": None,
                "lambda": config.loss.lambda_,
                "alpha": config.loss.alpha,
                "reduction": config.loss.reduction,
                "lambda_eq": config.lambda_eq,
                "seed": config.train.seed,
                **provenance,
                "metrics": {},
            },
        )
        run._write_manifest()
        return run

    def update(self, **fields: Any) -> None:
        """Change fields of `run.json`."""
        self.manifest.update(fields)
        self._write_manifest()

    def finish(self, status: Status, reason: str | None = None, **fields: Any) -> None:
        """Write the final word on this run."""
        self.update(status=status, reason=reason, finished=_now(), **fields)

    def log_row(self, row: Mapping[str, Any]) -> None:
        """Append one row to `metrics.jsonl`; it is in the file, not in a buffer, when this returns."""
        line = json.dumps(row, allow_nan=False) + "\n"
        path = self.path / "metrics.jsonl"
        with errors_name(path), path.open("ab", buffering=0) as file:
            file.write(line.encode())

    def open_log(self) -> IO[bytes]:
        """Open `log.txt` for appending."""
        return (self.path / "log.txt").open("ab", buffering=0)

    def features_path(self, name: str) -> Path:
        """Where the feature dump `name` ("test-final", "test-epoch-0001", …) lives."""
        return self.path / "features" / f"{name}.npz"

    def checkpoint_path(self, step: int) -> Path:
        """Where the checkpoint taken after `step` steps lives."""
        return self.path / "checkpoints" / f"step-{step:08d}.npz"

    def checkpoints(self) -> list[Path]:
        """All checkpoints that are there, oldest first."""
        return sorted((self.path / "checkpoints").glob("step-*.npz"))

    def _write_manifest(self) -> None:
        write_json(self.path / MANIFEST, self.manifest)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all; NaN is refused, because JSON has none."""
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: the file is missing or is not one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def read_manifest(path: Path) -> dict[str, Any]:
    """Read the `run.json` of the run directory `path`.

    Raises:
        RunError: it is missing or is not a JSON object.
    """
    if not (path / MANIFEST).exists():
        raise RunError(f"{path} is not a run directory: it has no {MANIFEST}")
    return read_json(path / MANIFEST)


def update_manifest(path: Path, **fields: Any) -> dict[str, Any]:
    """Change fields in the `run.json` of a run whose process is gone; return the whole of it."""
    manifest = read_manifest(path) | fields
    write_json(path / MANIFEST, manifest)
    return manifest


def last_row(path: Path, *, kind: str) -> dict[str, Any] | None:
    """Return the newest whole row of a kind in the `metrics.jsonl` of run directory `path`, if there is one.

    Reads only the end of the file, so that watching a long run costs nothing.
    """
    try:
        with (path / "metrics.jsonl").open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 8192))
            tail = file.read().split(b"\n")[:-1]  # what follows the last newline is still being written
    except OSError:
        return None
    return next(_rows_of_kind(reversed(tail), kind), None)


def _rows_of_kind(lines: Iterator[bytes], kind: str) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:  # the first line of the tail may be cut
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
    """Raise RunError if there is anything under this name: nothing is ever overwritten."""
    if path.exists() or path.is_symlink():
        raise RunError(
            f"{path} exists already and nothing is overwritten: choose another --run-dir or --name, or remove it"
        )


def make_directory(path: Path) -> None:
    """Make a new directory, and its parents.

    Raises:
        RunError: it exists, or cannot be made.
    """
    refuse_existing(path)
    try:
        path.mkdir(parents=True)
    except OSError as error:  # somebody else's, made between the two lines, included
        raise RunError(
            f"{path} cannot be made ({error.strerror}): choose a --run-dir that can be written"
        ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
