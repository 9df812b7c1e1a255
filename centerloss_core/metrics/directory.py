"""A run or a sweep: feature dumps in, `evaluation.json`, its tables and the "evaluation" of `run.json` out."""

from __future__ import annotations

import importlib.metadata
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from centerloss_core.errors import ExpectedError
from centerloss_core.files.untrusted import own_folder
from centerloss_core.metrics.evaluate import SETTINGS, STEPS, SplitEvaluation, evaluate_split
from centerloss_core.metrics.tables import write_tables
from centerloss_core.run_directory.advice import how_to_finish, status_of, what_is_missing
from centerloss_core.run_directory.feature_dumps import FeatureDump, read_features
from centerloss_core.run_directory.manifest import FORMAT, read_manifest, write_json
from centerloss_core.run_directory.names import MANIFEST
from centerloss_core.run_directory.writer import Run
from centerloss_core.sweeps.summary import SUMMARY, read_summary

EVALUATION = "evaluation.json"
SPLITS = ("test", "train")


class EvaluationError(ExpectedError):
    """A directory that cannot be evaluated; the message names it and the mend."""


@dataclass(frozen=True)
class Step:
    """What is under way.

    Attributes:
        run: name of the run's directory.
        split: "test" or "train".
        what: what is being measured.
        number: 1 … total.
        total: steps of the whole evaluation.
    """

    run: str
    split: str
    what: str
    number: int
    total: int


@dataclass(frozen=True)
class RunEvaluation:
    """What was measured on one run.

    Attributes:
        path: the run directory.
        origin: "lambda", "alpha", "seed" and "lambda_eq" as `run.json` has them.
        splits: by name.
    """

    path: Path
    origin: dict[str, Any]
    splits: dict[str, SplitEvaluation]


@dataclass(frozen=True)
class Report:
    """What became of a directory.

    Attributes:
        runs: the runs that were measured, in the order of the sweep; of a run directory that one.
        skipped: points of the sweep that have not come to their end, and their status.
        problems: points that could not be measured, and why.
        written: the main file.
    """

    runs: list[RunEvaluation]
    skipped: dict[str, str]
    problems: dict[str, str]
    written: Path


ShowStep = Callable[[Step], None]


def evaluate_directory(
    directory: Path, splits: Sequence[str] = SPLITS, *, show: ShowStep | None = None
) -> Report:
    """Measure a run, or every completed run of a sweep, from the final feature dumps; replace earlier evaluations.

    Each run gets `evaluation.json`, `evaluation.csv` (a row per split) and `evaluation-classes.csv`, and the
    content of the first as "evaluation" in its `run.json`. A sweep gets the same three files about all its points.
    Equal dumps give equal files. A point that cannot be measured does not keep the others from it.

    Args:
        directory: a run directory (with `run.json`) or a sweep directory (with `summary.json`).
        splits: "test", "train" or both. The training features are read for either: class means and neighbors come
            from them.
        show: called before each step of the work.

    Raises:
        EvaluationError: no such directory, nothing completed in it, or none of its points could be measured.
        FeatureFileError: a feature dump of the run is missing or damaged.
        RunError: a `run.json` or `summary.json` is damaged, or the directory cannot be written.
        InUseError: another process works in the run.
        LinkError: a folder of the run is a link.
        OSError: a file cannot be written.
    """
    if (directory / MANIFEST).is_file():
        run = _evaluate_run(directory, splits, _Counter(show, len(splits) * len(STEPS)))
        return Report([run], {}, {}, directory / EVALUATION)
    if (directory / SUMMARY).is_file():
        return _evaluate_sweep(directory, splits, show)
    raise EvaluationError(what_is_missing(directory))


# ---- A run --------------------------------------------------------------------------------------------------


@dataclass
class _Counter:
    """Numbers the steps of several runs from 1 on."""

    show: ShowStep | None
    total: int
    number: int = 0

    def next(self, run: str, split: str, what: str) -> None:
        self.number += 1
        if self.show is not None:
            self.show(Step(run, split, what, self.number, self.total))


def _evaluate_run(path: Path, splits: Sequence[str], counter: _Counter) -> RunEvaluation:
    manifest = read_manifest(path)
    if status_of(path, manifest) != "completed":
        raise EvaluationError(
            f"{path}: its final features are still to come, for the run {how_to_finish(path, manifest)}"
        )
    # The lock is held from the first dump to the last file, so that two evaluations do not mix theirs.
    with Run.open(path) as run:
        dumps = {split: _read_dump(run, split) for split in dict.fromkeys(("train", *splits))}
        measured = {
            split: _evaluate_split(path, split, dumps, partial(counter.next, _name(path), split))
            for split in splits
        }
        origin = {key: run.manifest.get(key) for key in ("lambda", "alpha", "seed", "lambda_eq")}
        evaluation = RunEvaluation(path, origin, measured)
        content = {**_header(), **{split: each.as_dict() for split, each in measured.items()}}
        run.refuse_if_replaced()
        write_json(path / EVALUATION, content)
        write_tables(path, _figure_rows([evaluation]), _class_rows([evaluation]))
        run.update(evaluation=content)
    return evaluation


def _read_dump(run: Run, split: str) -> FeatureDump:
    path = run.features_path(f"{split}-final")
    if not path.is_file():
        raise EvaluationError(
            f"{path} is missing, and a completed run has it: put it back, or train the run again elsewhere: "
            f"cl train --config {shlex.quote(str(run.path / 'config.yaml'))}"
        )
    return read_features(path)


def _evaluate_split(
    path: Path, split: str, dumps: dict[str, FeatureDump], show: Callable[[str], None]
) -> SplitEvaluation:
    try:
        return evaluate_split(dumps[split], None if split == "train" else dumps["train"], show=show)
    except ValueError as error:
        raise EvaluationError(
            f"{path / 'features'}: {split}-final.npz and train-final.npz are not of one network ({error}); "
            "put back those that the run has written, or train it again"
        ) from error


# ---- A sweep ------------------------------------------------------------------------------------------------


def _evaluate_sweep(directory: Path, splits: Sequence[str], show: ShowStep | None) -> Report:
    names = [row["directory"] for row in read_summary(directory) or []]
    problems: dict[str, str] = {}
    statuses: dict[str, str] = {}
    for name in names:
        try:
            statuses[name] = _status(directory / name)
        except ExpectedError as error:
            problems[name] = str(error)
    skipped = {name: status for name, status in statuses.items() if status != "completed"}
    completed = [name for name in statuses if name not in skipped]
    steps_per_run = len(splits) * len(STEPS)
    counter = _Counter(show, len(completed) * steps_per_run)
    runs = []
    for done, name in enumerate(completed, start=1):
        try:
            runs.append(_evaluate_run(directory / name, splits, counter))
        except ExpectedError as error:
            problems[name] = str(error)
        counter.number = done * steps_per_run  # also where it came to nothing
    if not runs:
        raise EvaluationError(_nothing_measured(directory, problems))
    rows = [_sweep_row(run) for run in runs]
    write_json(directory / EVALUATION, {**_header(), "runs": rows, "skipped": skipped, "problems": problems})
    write_tables(directory, _figure_rows(runs), _class_rows(runs))
    return Report(runs, skipped, problems, directory / EVALUATION)


def _status(path: Path) -> str:
    own_folder(path)  # its evaluation is written into it
    if not (path / MANIFEST).is_file():
        return "not begun"
    return status_of(path, read_manifest(path))


def _nothing_measured(directory: Path, problems: dict[str, str]) -> str:
    if problems:
        return f"{directory}: no point could be evaluated:\n" + "\n".join(problems.values())
    return (
        f"{directory}: no point of this sweep is completed yet; wait for it, or resume it: "
        f"cl sweep --resume {shlex.quote(str(directory))}"
    )


# ---- What is written ----------------------------------------------------------------------------------------


def _header() -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "scikit-learn")}
    return {"format": FORMAT, "settings": SETTINGS, "versions": versions}


def _sweep_row(run: RunEvaluation) -> dict[str, Any]:
    """Figures alone: the classes of each point are in its own `evaluation.json`."""
    figures = {split: each.figures for split, each in run.splits.items()}
    return {"directory": _name(run.path), **run.origin, **figures}


def _figure_rows(runs: Sequence[RunEvaluation]) -> list[dict[str, Any]]:
    return [
        {"directory": _name(run.path), **run.origin, "split": split, **each.figures}
        for run in runs
        for split, each in run.splits.items()
    ]


def _class_rows(runs: Sequence[RunEvaluation]) -> list[dict[str, Any]]:
    """A row per class, with its rows of the confusion matrices behind its figures."""
    return [
        {
            "directory": _name(run.path),
            **run.origin,
            "split": split,
            **row,
            **{
                f"{by}_as_{other}": count
                for by, matrix in each.confusion.items()
                for other, count in enumerate(matrix[row["class"]])
            },
        }
        for run in runs
        for split, each in run.splits.items()
        for row in each.per_class
    ]


def _name(path: Path) -> str:
    return path.resolve().name  # "." has a name, too
