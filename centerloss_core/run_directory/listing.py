"""The runs that lie in a directory, each as a row. Reads `run.json` only, and imports nothing that takes time."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from centerloss_core.config.axes import canonical
from centerloss_core.errors import ExpectedError
from centerloss_core.files.paths import from_the_root
from centerloss_core.formatting import finite
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.manifest import SHORT_KEYS, Status, mapping, read_summary
from centerloss_core.run_directory.names import MANIFEST, no_directory
from centerloss_core.run_directory.reader import RunRecord, look_at


class ListingError(ExpectedError):
    """A directory that cannot be listed; the message names it and the mend."""


@dataclass(frozen=True)
class RunRow:
    """What a list shows of one run. None stands for whatever is unknown, not there yet, or not a number.

    Attributes:
        name: its directory as seen from the one that is listed: `softer`, `mnist-sweep/lambda0.1-alpha0.5-seed0`.
        record: the run.
        now: when it was looked at.
    """

    name: str
    record: RunRecord
    now: datetime

    @property
    def reason(self) -> str | None:
        """Why it failed, was interrupted or is damaged."""
        return self.record.problem or self.record.reason

    @property
    def data(self) -> str | None:
        """The `data.name` of its config."""
        name = self.record.data.get("name")
        return name if isinstance(name, str) else None

    @property
    def figures(self) -> dict[str, Any]:
        """The figures on the test images, of a completed run, and `is_angular`, which says what fits."""
        return {**mapping(self.record.metrics.get("test")), "is_angular": self.record.is_angular}

    @property
    def created(self) -> datetime | None:
        """When it was begun."""
        return _time(self.record.manifest.get("created"))

    @property
    def age(self) -> float | None:
        """Seconds since it was begun."""
        return None if self.created is None else (self.now - self.created).total_seconds()

    @property
    def duration(self) -> float | None:
        """Seconds at work. Of a resumed run only the last start is on record: its training time, if that is longer."""
        if self.record.status == "completed":
            found = (finite(self.record.metrics.get(key)) for key in ("seconds", "training_seconds"))
            return max((each for each in found if each is not None), default=None)
        if self.created is None or self.record.manifest.get("resumed"):
            return None  # between two starts it was not at work, and nobody noted when the first one ended
        ended = self.now if self.record.status == "running" else _time(self.record.manifest.get("finished"))
        return None if ended is None else (ended - self.created).total_seconds()

    def as_dict(self) -> dict[str, Any]:
        """The row for JSON, with keys that stay: those of `run.json` where it has them."""
        record = self.record
        return {
            "name": self.name,
            "path": str(record.path),
            "status": record.status,
            "reason": self.reason,
            "lambda": record.lambda_,
            "lambda_eq": record.lambda_eq,
            "alpha": record.alpha,
            "seed": record.seed,
            "data": self.data,
            **{key: finite(self.figures.get(key)) for keys in _FIGURES.values() for key in keys},
            "steps": record.steps,
            "created": None if self.created is None else self.created.isoformat(timespec="seconds"),
            "age_seconds": self.age,
            "duration_seconds": self.duration,
            "warnings": len(record.warnings),
            "settings": record.settings,
        }


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value).astimezone(UTC)  # one without a zone is taken as local time
    except (TypeError, ValueError, OverflowError, OSError):
        return None


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
        return [RunRow(from_the_root(directory).name, look_at(directory), now)]
    try:
        records = dict(_runs_below(directory))
    except FileNotFoundError as error:
        raise ListingError(f"{no_directory(directory)}; name the one that your runs are in") from error
    except OSError as error:
        raise ListingError(
            f"{directory}: cannot be listed ({error.strerror}); name the directory that your runs are in"
        ) from error
    return sort_rows([RunRow(name, record, now) for name, record in records.items()], "name")


def _runs_below(directory: Path, levels: int = 2) -> Iterator[tuple[str, RunRecord]]:
    points = _points(directory)
    for name in os.listdir(directory):
        path = directory / name
        if name.startswith(".") or not os.path.isdir(path):  # also a folder that cannot be asked: no error
            continue
        if _has_manifest(path):
            record = look_at(path)
            if name in points:
                record.sweep, record.point = directory, points[name]
            yield name, record
        elif levels > 1:
            with contextlib.suppress(OSError):  # a folder that may not be read, or went away meanwhile
                for below, record in _runs_below(path, levels - 1):
                    yield f"{name}/{below}", record


def _points(directory: Path) -> dict[str, dict[str, Any]]:
    """The rows of a sweep by the names of their directories; none where it is not one."""
    try:
        return {row["directory"]: row for row in read_summary(directory)["runs"]}
    except RunError:  # it says nothing of a run that the run does not know better
        return {}


def _has_manifest(directory: Path) -> bool:
    return os.path.lexists(directory / MANIFEST)  # also a broken link: a run that is damaged is still a run


# ---- Choosing and ordering ----------------------------------------------------------------------------------


def choose_rows(
    rows: Iterable[RunRow],
    *,
    statuses: Collection[str] = (),
    data: Collection[str] = (),
    settings: Mapping[str, Collection[Any]] | None = None,
) -> list[RunRow]:
    """The rows whose status, data set and settings are among those asked for; nothing asked for is anything.

    Args:
        rows: to choose from.
        statuses, data: names.
        settings: values by key: {"loss.lambda": [0.1, 1], "model.feature_dim": [2]}.
    """
    asked = {key: set(map(canonical, values)) for key, values in (settings or {}).items() if values}
    return [
        row
        for row in rows
        if (not statuses or row.record.status in statuses)
        and (not data or row.data in data)
        and all(
            key in row.record.settings and canonical(row.record.settings[key]) in values
            for key, values in asked.items()
        )
    ]


def sort_rows(rows: Iterable[RunRow], by: str, *, reverse: bool = False) -> list[RunRow]:
    """The rows in order, or the other way round; those without the value come last both ways.

    Accuracies and inter/intra begin with the best, anything else with the smallest.

    Args:
        rows: to sort. Statuses are in the order of `Status`: running first, damaged after the rest.
        by: "name", "status", "accuracy", "nearest-center", "nearest-mean", "ratio", "steps", "age", "duration", or
            the key of a setting: "train.batch_size", and "lambda", "alpha" and "seed" for short.
        reverse: the other way round.
    """
    by_name = sorted(rows, key=lambda row: (_text_key(row.name), row.name))
    if by == "name":
        return by_name[::-1] if reverse else by_name
    known = [row for row in by_name if _sort_value(row, by) is not None]
    # Sorting is stable, in reverse too: equal values stay in the order of the names.
    largest_first = reverse is not (by in _FIGURES)
    known.sort(key=lambda row: _sortable(_sort_value(row, by)), reverse=largest_first)
    return [*known, *(row for row in by_name if _sort_value(row, by) is None)]


# By the distance, and by the angle, which fits a loss that looks at directions.
_FIGURES = {
    "accuracy": ("accuracy",),
    "nearest-center": ("nearest_center_accuracy", "nearest_center_accuracy_cosine"),
    "nearest-mean": ("nearest_mean_accuracy", "nearest_mean_accuracy_cosine"),
    "ratio": ("separation_ratio",),
}
SORT_KEYS = ("name", "status", "lambda", "alpha", "seed", *_FIGURES, "steps", "age", "duration")


def _sort_value(row: RunRow, by: str) -> Any:
    if by in _FIGURES:
        return finite(row.figures.get(_FIGURES[by][-1 if row.record.is_angular else 0]))
    if by == "status":
        return get_args(Status).index(row.record.status)
    if by == "steps":
        return row.record.steps
    if by in ("age", "duration"):
        return row.age if by == "age" else row.duration
    return row.record.settings.get(SHORT_KEYS.get(by, by))


def _sortable(value: Any) -> tuple[float, list[Any]]:
    """Numbers by size, before anything else by its text."""
    number = finite(value)
    return (float("inf"), _text_key(str(value))) if number is None else (number, [])


_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


def _text_key(text: str) -> list[list[Any]]:
    """Numbers in a text count as numbers: lambda1e-05 before lambda0.1, run-2 before run-10."""
    parts = map(_NUMBER.split, text.split("/"))  # each is text and numbers in turns
    return [[float(each) if index % 2 else each for index, each in enumerate(part)] for part in parts]
