"""The runs of a study as they lie in its sweep directories, and which of them answer which question."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.study.statistics import Unit, Values
from centerloss_core.formatting import finite
from centerloss_core.metrics.directory import evaluate_directory
from centerloss_core.run_directory.collection import runs_in
from centerloss_core.run_directory.manifest import mapping, read_summary
from centerloss_core.run_directory.reader import RunRecord, read_run

CURVE = "curve-"  # how the variants begin whose features were kept between steps
ALPHA = 0.1  # of Eq. 4 in all questions but d


@dataclass(frozen=True)
class Measure:
    """A figure of `evaluation.json`.

    Attributes:
        key: there; below `open_set` with dots.
        title: in tables and sentences.
        better: which end is the good one.
        is_share: a fraction, written in percent.
        by_angle: the key that takes its place for a loss that looks at directions, where there is one.
        is_compared: whether a difference between arms says something of them.
    """

    key: str
    title: str
    better: str = "higher"
    is_share: bool = True
    by_angle: str = ""
    is_compared: bool = True

    def of(self, run: StudyRun) -> float | None:
        """Its value in a run, in percent if it is a share."""
        value: Any = run.figures
        for key in (self.by_angle if self.by_angle and run.record.is_angular else self.key).split("."):
            value = mapping(value).get(key)
        number = finite(value)
        return number if number is None or not self.is_share else 100 * number


@dataclass(frozen=True)
class StudyRun:
    """A completed run with its settings, and its figures on the test images."""

    record: RunRecord
    figures: dict[str, Any]

    @cached_property
    def variant(self) -> str:
        return str(self.record.settings.get("variant"))

    @cached_property
    def known(self) -> str:
        """The classes that were learnt, `2 4 5 9 8 3`; "" for all."""
        return " ".join(map(str, self.record.settings.get("data.known") or ()))

    @property
    def dimensions(self) -> int:
        return int(self.record.settings["model.feature_dim"])

    @property
    def rule(self) -> str:
        return str(self.record.settings.get("loss.center_update"))

    @property
    def together(self) -> int:
        """How many runs of its sweep ran at a time."""
        return 1 if self.record.sweep is None else int(read_summary(self.record.sweep).get("jobs") or 1)

    def having(self, name: str, figures: Mapping[str, float | None]) -> StudyRun:
        """The run with further figures, below a name."""
        return replace(self, figures={**self.figures, name: dict(figures)})

    @property
    def unit(self) -> Unit:
        return self.known, int(self.record.seed or 0)


def read_runs(directories: Iterable[Path]) -> tuple[list[StudyRun], list[RunRecord]]:
    """The completed runs of some sweeps, in order, and the others; a run that is not evaluated is evaluated first.

    Raises:
        ExpectedError: a directory holds no run, or a run cannot be read.
    """
    done, others = [], []
    for record in (record for directory in directories for record in runs_in(directory)):
        if record.status != "completed":
            others.append(record)
            continue
        found = mapping(record.manifest.get("evaluation"))
        if "test" not in found or (record.settings.get("data.known") and "open_set" not in found):
            evaluate_directory(record.path, ("test",))
            found = mapping(read_run(record.path).manifest["evaluation"])
        figures = {**mapping(found["test"]), "open_set": mapping(found.get("open_set"))}
        done.append(StudyRun(record, figures))
    return sorted(done, key=lambda run: (run.record.name, str(run.record.path))), others


def arms(
    runs: Sequence[StudyRun], name: Callable[[StudyRun], str | None], order: Sequence[str] = ()
) -> dict[str, list[StudyRun]]:
    """The runs of each arm, by the name that it has; a run without one is in none. Those of `order` come first."""
    found: dict[str, list[StudyRun]] = {each: [] for each in order}
    for run in runs:
        if (arm := name(run)) is not None:
            found.setdefault(arm, []).append(run)
    return {arm: members for arm, members in found.items() if members}


def values_of(members: Mapping[str, Sequence[StudyRun]], measure: Measure) -> dict[str, Values]:
    """The values of a figure in each arm, by split and seed; an arm without any is left out."""
    found = {
        arm: {run.unit: value for run in runs if (value := measure.of(run)) is not None}
        for arm, runs in members.items()
    }
    return {arm: values for arm, values in found.items() if values}
