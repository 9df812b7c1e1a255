"""What a run or sweep directory says, run by run. One bad run of a sweep becomes a note, not the end of the report."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centerloss_core.config import Config, load_config
from centerloss_core.errors import ExpectedError
from centerloss_core.formatting import exact, finite, number
from centerloss_core.plotting import PlotError
from centerloss_core.plotting.records import History, Run, is_run, is_sweep, read_history, read_run
from centerloss_core.report.errors import ReportError
from centerloss_core.report.markup import mapping
from centerloss_core.run_directory.advice import what_is_missing
from centerloss_core.run_directory.listing import status_now
from centerloss_core.run_directory.lock import holder
from centerloss_core.run_directory.manifest import read_json, read_manifest
from centerloss_core.run_directory.names import MANIFEST
from centerloss_core.sweeps import read_summary


@dataclass(eq=False)
class Record:
    """One run, as far as it has come.

    Attributes:
        label: what tells it from the others, made of numbers alone: `λ = 0.01 (λ_eq = 1)`, with α and seed where
            they vary.
        status: as `cl runs` has it: "stopped" for one that says running and is not, "damaged" for one that cannot be
            read.
        run: what figures need of `run.json`; None where there is no run to draw.
        problems: what could not be read, in words.
    """

    directory: Path
    status: str
    reason: str | None
    weight: float | None
    weight_eq: float | None
    alpha: float | None
    seed: float | None  # an int, unless somebody has edited it
    manifest: dict[str, Any] = field(default_factory=dict)
    config: Config | None = None
    history: History | None = None
    run: Run | None = None
    problems: list[str] = field(default_factory=list)
    label: str = ""

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def warnings(self) -> list[str]:
        found = self.manifest.get("warnings")
        return [str(each) for each in found] if isinstance(found, list) else []


@dataclass(frozen=True)
class Contents:
    """A run or a sweep. `command` is the one that made the sweep; a run keeps its own."""

    directory: Path
    records: Sequence[Record]
    is_sweep: bool
    command: str | None = None

    @property
    def title(self) -> str:
        return self.directory.resolve().name or str(self.directory)


def read_directory(directory: Path) -> Contents:
    """Read everything but the feature dumps.

    Raises:
        ReportError: it is neither a run nor a sweep, or a sweep without runs.
        ExpectedError: the run, or the summary of the sweep, is damaged.
    """
    if is_run(directory):
        record = _read_record(directory, read_manifest(directory), directory / "config.yaml")
        _name_apart([record])
        return Contents(directory, [record], is_sweep=False)
    if is_sweep(directory):
        return _read_sweep(directory)
    raise ReportError(what_is_missing(directory))


def _read_sweep(directory: Path) -> Contents:
    summary = directory / "summary.json"
    rows = read_summary(directory)
    if not rows:
        raise ReportError(f"{summary}: names no run; `cl sweep` adds them as it trains")
    records = [_read_point(directory, str(row["directory"]), row) for row in rows]
    _name_apart(records)
    command = read_json(summary).get("command")
    return Contents(directory, records, is_sweep=True, command=command if isinstance(command, str) else None)


def _read_point(directory: Path, name: str, row: dict[str, Any]) -> Record:
    path, config_path = directory / name, directory / "points" / f"{name}.yaml"
    try:
        record = _read_record(path, read_manifest(path), path / "config.yaml")
    except ExpectedError as error:
        record = _bare(path, row)
        if os.path.lexists(path / MANIFEST):
            record.status, record.reason = "damaged", None
            record.problems.append(str(error))
        if config_path.is_file():
            _read_config(record, config_path)
    if record.status == "stopped":
        status = str(row.get("status"))
        if status in ("failed", "interrupted"):  # the sweep has seen how it ended
            record.status, record.reason = status, _text(row.get("reason"))
        else:
            record.reason = f"go on with: cl sweep --resume {shlex.quote(str(directory))}"
    return record


def _bare(path: Path, row: dict[str, Any]) -> Record:
    status = str(row.get("status") or "missing")
    if status == "completed":
        status = "missing"  # completed once, and its directory is gone since
    elif status == "running" and holder(path.parent) is None:
        status = "stopped"  # before it came to a run directory, with the sweep itself
    return Record(path, status, _text(row.get("reason")), *_grid(row))


def _read_record(path: Path, manifest: dict[str, Any], config_path: Path) -> Record:
    run = read_run(path)
    record = Record(
        path, run.status, _text(manifest.get("reason")), *_grid(manifest), manifest=manifest, run=run
    )
    with suppress(ValueError):  # a status of another version stays what it is
        record.status = status_now(path, manifest)
    if record.status == "stopped":
        record.reason = f"go on with: cl train --resume {shlex.quote(str(path))}"
    _read_config(record, config_path)
    if record.status == "completed" or _has_rows(path):
        try:
            record.history = read_history(run)
        except PlotError as error:
            record.problems.append(str(error))
    return record


def _has_rows(path: Path) -> bool:
    """Whether a run has logged anything; of one that has not come to its end, it is no news that it has not."""
    try:
        return (path / "metrics.jsonl").stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError:
        return True  # reading it tells why not


def _read_config(record: Record, path: Path) -> None:
    try:
        record.config = load_config(path)
    except ExpectedError as error:
        record.problems.append(str(error))


def _grid(row: dict[str, Any]) -> tuple[float | None, float | None, float | None, float | None]:
    weight, weight_eq, alpha, seed = (
        finite(row.get(key)) for key in ("lambda", "lambda_eq", "alpha", "seed")
    )
    return weight, weight_eq, alpha, seed


def _name_apart(records: Sequence[Record]) -> None:
    """Give each record its label. Only numbers go in: labels reach the charts, which know more than plain text."""
    varying = [
        sign
        for sign, key in (("α", "alpha"), ("seed", "seed"))
        if len({getattr(r, key) for r in records}) > 1
    ]
    for record in records:
        parts = [f"λ = {exact(record.weight)}"]
        if record.weight_eq not in (None, record.weight):
            parts[0] += f" (λ_eq = {number(record.weight_eq, 'g')})"
        if "α" in varying:
            parts.append(f"α = {exact(record.alpha)}")
        if "seed" in varying:
            parts.append(f"seed {exact(record.seed)}")
        record.label = ", ".join(parts)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def sweep_data(records: Sequence[Record]) -> dict[str, Any]:
    """The `data` of the first run that has any."""
    return next(
        (mapping(record.manifest.get("data")) for record in records if record.manifest.get("data")), {}
    )
