"""A run or a sweep: feature dumps in, `evaluation.json`, its tables and the "evaluation" of `run.json` out."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from centerloss_core.errors import ExpectedError
from centerloss_core.files.atomic import atomic_write
from centerloss_core.files.untrusted import own_folder
from centerloss_core.limits import CONFUSION_CLASSES
from centerloss_core.metrics.evaluate import SETTINGS, STEPS, SplitEvaluation, evaluate_split
from centerloss_core.metrics.open_set import OpenSet, open_set
from centerloss_core.metrics.thresholds import accepted, thresholds_of
from centerloss_core.run_directory.advice import how_to_complete
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.manifest import FORMAT, SHORT_KEYS, write_json
from centerloss_core.run_directory.names import (
    CONFIG,
    FEATURES,
    features_path,
    is_run,
)
from centerloss_core.run_directory.reader import RunRecord, SweepRecord, read_directory
from centerloss_core.run_directory.thresholds import Threshold, Thresholds
from centerloss_core.run_directory.writer import Run

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
        name: the name of it, with that of its folder where several runs share the name.
        origin: "lambda", "alpha", "seed" and "lambda_eq" as `run.json` has them.
        splits: by name.
        is_angular: whether the loss looks at directions, so that figures by the angle fit it.
        class_points: what the points of its classes are, None where it has none.
        thresholds: from which scores on an image counts as known.
        accepted: the share of the known test images that each of them accepts, where these were measured.
        open_set: how known and unknown test images are told apart; None without unknown ones.
    """

    path: Path
    name: str
    origin: dict[str, Any]
    splits: dict[str, SplitEvaluation]
    is_angular: bool = False
    class_points: str | None = None
    thresholds: Thresholds | None = None
    accepted: dict[Threshold, float] = field(default_factory=dict)
    open_set: OpenSet | None = None


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
    directory: Path | Sequence[Path], splits: Sequence[str] = SPLITS, *, show: ShowStep | None = None
) -> Report:
    """Measure a run, or every completed run of a sweep, from the final feature dumps; replace earlier evaluations.

    Each run gets `evaluation.json`, `evaluation.csv` (a row per split) and `evaluation-classes.csv`, one with unknown
    images `evaluation-open-set.csv` (a row per score), and the
    content of the first as "evaluation" in its `run.json`. A sweep gets the same three files about all its points.
    Equal dumps give equal files. A point that cannot be measured does not keep the others from it.

    Args:
        directory: a run, a sweep, a folder of runs, or several of these.
        splits: "test", "train" or both. The training features are read for either: class means and neighbors come
            from them.
        show: called before each step of the work.

    Raises:
        EvaluationError: nothing is completed, or nothing could be measured.
        FeatureFileError: a feature dump of the run is missing or damaged.
        RunError: there is no run, a `run.json` or `summary.json` is damaged, or the directory cannot be written.
        InUseError: another process works in the run.
        LinkError: a folder of the run is a link.
        OSError: a file cannot be written.
    """
    record = read_directory(directory)
    if isinstance(record, SweepRecord):
        return _evaluate_sweep(record, splits, show)
    return Report([_evaluate_run(record, splits, show)], {}, {}, record.path / EVALUATION)


# ---- A run --------------------------------------------------------------------------------------------------


def _evaluate_run(
    record: RunRecord,
    splits: Sequence[str],
    show: ShowStep | None,
    *,
    index: int = 0,
    runs: int = 1,
    axes: Sequence[str] = (),
) -> RunEvaluation:
    steps = [(split, what) for split in splits for what in STEPS]

    def begin(split: str, what: str) -> None:
        if show is not None:
            number = index * len(steps) + steps.index((split, what)) + 1
            show(Step(record.name, split, what, number, runs * len(steps)))

    if record.problem is not None:
        raise RunError(record.problem)
    if record.status != "completed":
        raise EvaluationError(
            f"{record.path}: its final features are still to come, for the run {how_to_complete(record)}"
        )
    # The lock is held from the first dump to the last file, so that two evaluations do not mix theirs.
    with Run.open(record.path) as run:
        dumps = {split: _read_dump(record, split) for split in dict.fromkeys(("train", *splits))}
        measured = {split: _evaluate_split(record, split, dumps, partial(begin, split)) for split in splits}
        origin = {key: run.manifest.get(key) for key in (*SHORT_KEYS, "lambda_eq")}
        origin |= {key: record.settings.get(key) for key in axes if key not in SHORT_KEYS.values()}
        fits = record.is_angular, record.class_points
        found = _take_thresholds(record, dumps)
        evaluation = RunEvaluation(record.path, record.name, origin, measured, *fits, *found)
        unknown = open_set(dumps["test"], dumps["train"]) if "test" in splits else None
        evaluation = replace(evaluation, open_set=unknown)
        content = {
            **_header(),
            **{split: each.as_dict() for split, each in measured.items()},
            "thresholds": _with_accepted(*found),
            **({} if unknown is None else {"open_set": unknown.as_dict()}),
        }
        run.write_json(EVALUATION, content)
        for name, table in _tables([evaluation]).items():
            with run.writing(name) as file:
                file.write(table)
        run.update(evaluation=content, thresholds=found[0].as_dict())
    return evaluation


def _read_dump(record: RunRecord, split: str) -> FeatureDump:
    path = features_path(record.path, f"{split}-final")
    if not path.is_file():
        raise EvaluationError(
            f"{path} is missing, and a completed run has it: put it back, or train the run again elsewhere: "
            f"cl train --config {shlex.quote(str(record.path / CONFIG))}"
        )
    return record.dump(path.stem)


def _take_thresholds(
    record: RunRecord, dumps: Mapping[str, FeatureDump]
) -> tuple[Thresholds, dict[Threshold, float]]:
    """The thresholds of a run, and what they accept of the test images, if these are among the dumps."""
    has_validation = features_path(record.path, "validation-final").is_file()
    held_out = {"validation": _read_dump(record, "validation")} if has_validation else {}
    try:
        found = thresholds_of(record, {"train": dumps["train"], **held_out})
        return found, accepted(found, dumps["test"], dumps["train"]) if "test" in dumps else {}
    except ValueError as error:
        raise _not_of_one_network(record, "validation", error) from error


def _evaluate_split(
    record: RunRecord, split: str, dumps: dict[str, FeatureDump], show: Callable[[str], None]
) -> SplitEvaluation:
    train = None if split == "train" else dumps["train"]
    try:
        return evaluate_split(dumps[split], train, record.class_names, show=show)
    except ValueError as error:
        raise _not_of_one_network(record, split, error) from error


def _not_of_one_network(record: RunRecord, split: str, error: ValueError) -> EvaluationError:
    return EvaluationError(
        f"{record.path / FEATURES}: {split}-final.npz and train-final.npz are not of one network ({error}); "
        "put back those that the run has written, or train it again"
    )


# ---- A sweep ------------------------------------------------------------------------------------------------


def _evaluate_sweep(sweep: SweepRecord, splits: Sequence[str], show: ShowStep | None) -> Report:
    begun = [run for run in sweep.runs if is_run(run.path) or run.problem is not None]
    skipped = {run.name: "not begun" for run in sweep.runs if run not in begun}
    skipped |= {run.name: run.status for run in begun if run.problem is None and run.status != "completed"}
    chosen = [run for run in sweep.runs if run.name not in skipped]
    runs: list[RunEvaluation] = []
    problems: dict[str, str] = {}
    for index, record in enumerate(chosen):
        try:
            own_folder(record.path)  # its evaluation is written into it
            run = _evaluate_run(record, splits, show, index=index, runs=len(chosen), axes=sweep.axes)
            runs.append(run)
        except ExpectedError as error:
            problems[record.name] = str(error)
    if not runs:
        raise EvaluationError(_nothing_measured(sweep, problems))
    rows = [_sweep_row(run) for run in runs]
    written = sweep.path / EVALUATION
    write_json(written, {**_header(), "runs": rows, "skipped": skipped, "problems": problems})
    for name, table in _tables(runs).items():
        with atomic_write(sweep.path / name) as file:
            file.write(table)
    return Report(runs, skipped, problems, written)


def _nothing_measured(sweep: SweepRecord, problems: dict[str, str]) -> str:
    if problems:
        return f"{sweep.path}: no point could be evaluated:\n" + "\n".join(problems.values())
    if sweep.is_collection:
        return f"{sweep.path}: none of these runs is completed; cl runs says how they are doing"
    return (
        f"{sweep.path}: no point of this sweep is completed yet; wait for it, or resume it: "
        f"cl sweep --resume {shlex.quote(str(sweep.path))}"
    )


# ---- What is written ----------------------------------------------------------------------------------------


def _header() -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "scikit-learn")}
    return {"format": FORMAT, "settings": SETTINGS, "versions": versions}


def _with_accepted(thresholds: Thresholds, shares: Mapping[Threshold, float]) -> dict[str, Any]:
    """The thresholds, each with the share of the test images that it accepts."""
    values = [{**asdict(each), "accepted_of_test": shares.get(each)} for each in thresholds.values]
    return {**thresholds.as_dict(), "values": values}


def _sweep_row(run: RunEvaluation) -> dict[str, Any]:
    """Figures alone: the classes of each point are in its own `evaluation.json`."""
    figures = {split: each.figures for split, each in run.splits.items()}
    unknown = {} if run.open_set is None else {"open_set": run.open_set.as_dict()}
    return {"directory": run.name, **run.origin, **figures, **unknown}


def _tables(runs: Sequence[RunEvaluation]) -> dict[str, bytes]:
    """Files with a row per split; a row per class, where they are few with its rows of the confusion matrices.

    Runs with images of unknown classes have another one with a row per score.
    """
    figures: list[dict[str, Any]] = []
    classes: list[dict[str, Any]] = []
    for run in runs:
        for split, each in run.splits.items():
            origin = {"directory": run.name, **run.origin, "split": split}
            figures.append(origin | each.figures)
            for row in each.per_class:
                counts = {
                    f"{by}_as_{other}": count
                    for by, matrix in each.confusion.items()
                    if len(matrix) <= CONFUSION_CLASSES
                    for other, count in enumerate(matrix[row["class"]])
                }
                classes.append({**origin, **row, **counts})
    unknown = [
        {"directory": run.name, **run.origin, **run.open_set.figures, "score": score, **of_score}
        for run in runs
        if run.open_set is not None
        for score, of_score in run.open_set.scores.items()
    ]
    tables = {"evaluation.csv": _table(figures), "evaluation-classes.csv": _table(classes)}
    return tables | ({"evaluation-open-set.csv": _table(unknown)} if unknown else {})


def _table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """In CSV, with a column for every key that any row has; what is None becomes an empty cell."""
    text = io.StringIO()
    columns = dict.fromkeys(column for row in rows for column in row)
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
