"""The runs of a report. One damaged run of a sweep becomes a note, not the end of the report."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centerloss_core.config import Config
from centerloss_core.config.axes import ALPHA, LAMBDA, SEED, short, sign, value_of, varying
from centerloss_core.config.problems import shortened
from centerloss_core.errors import ExpectedError
from centerloss_core.plotting.titles import settings_title
from centerloss_core.run_directory.history import History
from centerloss_core.run_directory.loss_names import name_losses
from centerloss_core.run_directory.manifest import mapping
from centerloss_core.run_directory.reader import RunRecord, SweepRecord, read_directory


@dataclass(eq=False)
class Record:
    """A run with what the report needs of it.

    Attributes:
        reason: why it is not completed, or how to resume it.
        values: the settings that tell it from the others, each as it is written, by sign: {"λ": "0.01", "seed": "0"}.
        label: the same on one line, `λ = 0.01 (λ_eq = 1), seed 0`.
        problems: what could not be read.
    """

    run: RunRecord
    reason: str | None
    config: Config | None = None
    history: History = field(default_factory=lambda: History([], []))
    values: dict[str, str] = field(default_factory=dict)
    label: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def is_completed(self) -> bool:
        return self.run.status == "completed"

    def value(self, key: str) -> Any:
        """A setting; None where the run does not have it."""
        return value_of(self.run.settings, key)

    def final(self) -> dict[str, Any]:
        """The test figures at the end of the run, or after the newest epoch of one that is not completed."""
        found = mapping(self.run.metrics.get("test"))
        if not found and self.history.epochs:
            return mapping(self.history.epochs[-1].get("test"))
        return found

    def evaluation(self, split: str) -> dict[str, Any]:
        """What `cl evaluate` has measured on a split."""
        return mapping(mapping(self.run.manifest.get("evaluation")).get(split))


@dataclass(frozen=True)
class Contents:
    """A run or a sweep."""

    path: Path
    records: Sequence[Record]
    keys: Sequence[str]  # the dotted settings that tell the runs apart; of a single run λ, α and the seed
    is_sweep: bool
    command: str | None = None  # that made the sweep

    @property
    def title(self) -> str:
        return self.path.resolve().name or str(self.path)

    @property
    def kinds(self) -> set[str | None]:
        """What the points of the classes are in these runs."""
        return {record.run.class_points for record in self.records}

    @property
    def data_title(self) -> str | None:
        return next((title for each in self.records if (title := each.run.data_title)), None)


def read_contents(directory: Path | Sequence[Path]) -> Contents:
    """Read everything but the feature dumps.

    Raises:
        RunError: it is neither a run nor a sweep, or the run, or the summary of the sweep, is damaged.
    """
    found = read_directory(directory)
    if not isinstance(found, SweepRecord):
        record = _read(found)
        keys = [key for key in (LAMBDA, ALPHA, SEED) if key in found.settings]
        _give_label(record, keys[:1] if LAMBDA in keys else [])
        return Contents(found.path, [record], keys, is_sweep=False)
    found = name_losses(found)
    records = [_read(run, found) for run in found.runs]
    keys = varying([run.settings for run in found.runs], found.axes)
    for record in records:
        _give_label(record, keys or [LAMBDA])
    return Contents(found.path, records, keys, is_sweep=True, command=found.command)


def _read(run: RunRecord, sweep: SweepRecord | None = None) -> Record:
    command, path = "train", run.path
    if sweep is not None and not sweep.is_collection:
        command, path = "sweep", sweep.path
    advice = f"resume with: cl {command} --resume {shlex.quote(str(path))}"
    record = Record(run, advice if run.status == "stopped" else run.reason)
    if run.problem:
        record.problems.append(run.problem)
    try:
        record.config = run.config()
    except ExpectedError as error:
        if run.manifest:
            record.problems.append(str(error))
    if run.manifest and run.has_rows:
        try:
            record.history = run.history()
        except ExpectedError as error:
            record.problems.append(str(error))
    return record


def _give_label(record: Record, keys: Sequence[str]) -> None:
    known = [key for key in keys if record.value(key) is not None]
    record.values = {sign(key, keys): written(record.value(key), key) for key in known}
    record.label = settings_title(record.run, keys) or record.name


def written(value: object, key: str = "") -> str:
    """The value of a setting, as in a title."""
    return "–" if value is None else shortened(short(value, key))
