"""The runs that lie in a directory, each as a row. Reads `run.json` only, and imports nothing that takes time."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from centerloss_core.errors import ExpectedError
from centerloss_core.files.untrusted import read_object
from centerloss_core.formatting import finite
from centerloss_core.run_directory.lock import holder

Status = Literal["running", "stopped", "completed", "failed", "interrupted", "damaged"]
SortKey = Literal[
    "name", "status", "lambda", "alpha", "seed", "accuracy", "nearest-center", "ratio", "age", "duration"
]

# Not `runs.MANIFEST`: importing `runs` costs pydantic, which takes longer than reading a thousand manifests.
_MANIFEST, _SUMMARY = "run.json", "summary.json"
_WRITTEN: tuple[Status, ...] = ("running", "completed", "failed", "interrupted")


class ListingError(ExpectedError):
    """A directory that cannot be listed; the message names it and the mend."""


@dataclass(frozen=True)
class RunRow:
    """What a list shows of one run. None stands for whatever is unknown, not there yet, or no number.

    Attributes:
        name: its directory as seen from the one that is listed: `softer`, `mnist-sweep/lambda0.1-alpha0.5-seed0`.
        path: its directory.
        status: as in `run.json`; "stopped" if it says running but no process holds the lock (killed, say: resume it);
            "damaged" if it cannot be read.
        reason: why it failed, was interrupted or is damaged.
        lambda_, lambda_eq, alpha, seed, data: its settings; `data` is `data.name`.
        accuracy, nearest_center_accuracy, separation_ratio: on the test images, of a completed run.
        created: when it was begun, ISO 8601.
        age: seconds since then.
        duration: seconds at work. Only the last start of a resumed run is on record, so this is its training time,
            which is, or that start if it took longer.
        warnings: how many `run.json` keeps.
    """

    name: str
    path: Path
    status: Status
    reason: str | None = None
    lambda_: float | None = None
    lambda_eq: float | None = None
    alpha: float | None = None
    seed: int | None = None
    data: str | None = None
    accuracy: float | None = None
    nearest_center_accuracy: float | None = None
    separation_ratio: float | None = None
    created: str | None = None
    age: float | None = None
    duration: float | None = None
    warnings: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The row for JSON, with keys that stay: those of `run.json` where it has them."""
        return {
            "name": self.name,
            "path": str(self.path),
            "status": self.status,
            "reason": self.reason,
            "lambda": self.lambda_,
            "lambda_eq": self.lambda_eq,
            "alpha": self.alpha,
            "seed": self.seed,
            "data": self.data,
            "accuracy": self.accuracy,
            "nearest_center_accuracy": self.nearest_center_accuracy,
            "separation_ratio": self.separation_ratio,
            "created": self.created,
            "age_seconds": self.age,
            "duration_seconds": self.duration,
            "warnings": self.warnings,
        }


# ---- Finding ------------------------------------------------------------------------------------------------


def list_runs(directory: Path, *, now: datetime | None = None) -> list[RunRow]:
    """Every run in `directory` and one level deeper, where a sweep has its points; `directory` itself if it is one.

    What is hidden is left out: a run that is being made, or was half made when its process died.

    Args:
        directory: usually `runs/`.
        now: for the ages.

    Raises:
        ListingError: `directory` is not there, or cannot be read.
    """
    now = now or datetime.now(UTC)
    if _has_manifest(directory):
        return [_row(directory.absolute().name, directory, now)]
    try:
        found = list(_runs_below(directory))
    except FileNotFoundError as error:
        raise ListingError(f"{directory}: no such directory; name the one that your runs are in") from error
    except OSError as error:
        raise ListingError(
            f"{directory}: cannot be listed ({error.strerror}); name the directory that your runs are in"
        ) from error
    rows = [_row(name, directory / name, now) for name in found]
    return sort_rows(rows, "name")


def _runs_below(directory: Path) -> Iterator[str]:
    for name in _folders(directory):
        if _has_manifest(directory / name):
            yield name
            continue
        try:
            below = _folders(directory / name)
        except OSError:  # a folder that is not ours to read, or went away meanwhile, is none of our runs
            continue
        yield from (f"{name}/{point}" for point in below if _has_manifest(directory / name / point))


def _folders(directory: Path) -> list[str]:
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries if not entry.name.startswith(".") and _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, say
        return False


def _has_manifest(directory: Path) -> bool:
    return os.path.lexists(directory / _MANIFEST)  # also a broken link: a run that is damaged is still a run


# ---- Reading ------------------------------------------------------------------------------------------------


def _row(name: str, path: Path, now: datetime) -> RunRow:
    try:
        manifest = read_object(path / _MANIFEST)
        written = _status(manifest)
        status = status_now(path, manifest)
        if status not in (written, "stopped"):  # it has come to its end meanwhile
            manifest = read_object(path / _MANIFEST)
    except (OSError, ValueError) as error:
        reason = (
            (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        )
        return RunRow(name, path, "damaged", f"{path / _MANIFEST}: {reason}")
    metrics = _dict(manifest.get("metrics"))
    test = _dict(metrics.get("test"))
    warnings = manifest.get("warnings")
    created = _time(manifest.get("created"))
    return RunRow(
        name=name,
        path=path,
        status=status,
        reason=_text(manifest.get("reason")),
        lambda_=finite(manifest.get("lambda")),
        lambda_eq=finite(manifest.get("lambda_eq")),
        alpha=finite(manifest.get("alpha")),
        seed=_whole(manifest.get("seed")),
        data=_text(_dict(manifest.get("data")).get("name")),
        accuracy=finite(test.get("accuracy")),
        nearest_center_accuracy=finite(test.get("nearest_center_accuracy")),
        separation_ratio=finite(test.get("separation_ratio")),
        created=None if created is None else created.isoformat(timespec="seconds"),
        age=None if created is None else (now - created).total_seconds(),
        duration=_duration(status, manifest, metrics, created, now),
        warnings=len(warnings) if isinstance(warnings, list) else 0,
    )


def sweep_of(run: Path) -> Path | None:
    """The sweep that a run is a point of."""
    return run.parent if (run.parent / _SUMMARY).is_file() else None


def status_now(path: Path, manifest: Mapping[str, Any]) -> Status:
    """The status of the run in `path`, whose `run.json` reads `manifest`: "stopped" if it was killed, say.

    Such a run says running for ever, but no process holds its lock.

    Raises:
        ValueError: `run.json` has no status that a run can have.
    """
    status = _status(manifest)
    if status != "running" or holder(path) is not None:
        return status
    with contextlib.suppress(OSError, ValueError):
        # It may have come to its end, and given the lock back, since the manifest was read.
        status = _status(read_object(path / _MANIFEST))
    return "stopped" if status == "running" else status


def _status(manifest: Mapping[str, Any]) -> Status:
    status = manifest.get("status")
    for known in _WRITTEN:
        if status == known:
            return known
    raise ValueError(f"its status is none of {', '.join(_WRITTEN)}")


def _duration(
    status: Status, manifest: dict[str, Any], metrics: dict[str, Any], created: datetime | None, now: datetime
) -> float | None:
    if status == "completed":
        seconds = finite(metrics.get("seconds"))
        training = finite(metrics.get("training_seconds"))
        return max((each for each in (seconds, training) if each is not None), default=None)
    if created is None or manifest.get("resumed"):
        return None  # between two starts it was not at work, and nobody noted when the first one ended
    ended = now if status == "running" else _time(manifest.get("finished"))
    return None if ended is None else (ended - created).total_seconds()


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _time(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC)  # one without a zone is taken as local time
    except (TypeError, ValueError, OverflowError, OSError):
        return None


# ---- Choosing and ordering ----------------------------------------------------------------------------------


def choose_rows(
    rows: Iterable[RunRow],
    *,
    statuses: Collection[str] = (),
    lambdas: Collection[float] = (),
    alphas: Collection[float] = (),
    seeds: Collection[int] = (),
    data: Collection[str] = (),
) -> list[RunRow]:
    """The rows whose status, λ, α, seed and data set are among those asked for; nothing asked for is anything."""
    return [
        row
        for row in rows
        if (not statuses or row.status in statuses)
        and (not lambdas or row.lambda_ in lambdas)
        and (not alphas or row.alpha in alphas)
        and (not seeds or row.seed in seeds)
        and (not data or row.data in data)
    ]


def sort_rows(rows: Iterable[RunRow], by: SortKey, *, reverse: bool = False) -> list[RunRow]:
    """The rows from the smallest to the largest, or the other way; those without the figure come last both ways.

    Statuses are in the order of `Status`: what is at work first, what cannot be read last.
    """
    by_name = sorted(rows, key=_name_key)
    if by == "name":
        return by_name[::-1] if reverse else by_name
    values = [_sort_value(row, by) for row in by_name]
    with_value = [(value, row) for value, row in zip(values, by_name, strict=True) if value is not None]
    # Sorting is stable, in reverse too: equal figures stay in the order of the names.
    with_value.sort(key=lambda pair: pair[0], reverse=reverse)
    without = [row for value, row in zip(values, by_name, strict=True) if value is None]
    return [*(row for _, row in with_value), *without]


def _sort_value(row: RunRow, by: SortKey) -> float | None:
    values: dict[str, float | None] = {
        "status": get_args(Status).index(row.status),
        "lambda": row.lambda_,
        "alpha": row.alpha,
        "seed": row.seed,
        "accuracy": row.accuracy,
        "nearest-center": row.nearest_center_accuracy,
        "ratio": row.separation_ratio,
        "age": row.age,
        "duration": row.duration,
    }
    return values[by]


_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


def _name_key(row: RunRow) -> tuple[list[list[tuple[int, float, str]]], str]:
    """Numbers in a name count as numbers: lambda1e-05 before lambda0.1, run-2 before run-10."""
    return [_part_key(part) for part in row.name.split("/")], row.name


def _part_key(text: str) -> list[tuple[int, float, str]]:
    pieces = _NUMBER.split(text)  # text and numbers in turns
    return [(1, float(piece), "") if index % 2 else (0, 0.0, piece) for index, piece in enumerate(pieces)]


def count_statuses(rows: Sequence[RunRow]) -> dict[str, int]:
    """How many runs there are of each status, the most frequent first."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.status] = counts.get(row.status, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
