"""What the files of a run or sweep directory say, checked and typed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centerloss_core.config.problems import shortened
from centerloss_core.errors import PUT_BACK
from centerloss_core.files.untrusted import TooManyRowsError, read_rows, read_text
from centerloss_core.formatting import finite
from centerloss_core.plotting.errors import PlotError
from centerloss_core.run_directory.feature_dumps import FeatureDump, read_features
from centerloss_core.sweeps.summary import SUMMARY, read_summary

Row = dict[str, Any]

# Of anybody's words, in letters: what a figure has room for.
_LONGEST_TITLE = 120
_LONGEST_STATUS = 20


@dataclass(frozen=True)
class Run:
    """The part of `run.json` that figures show."""

    directory: Path
    status: str
    weight: float  # λ
    weight_eq: float  # λ_eq: the weight that the paper's reduction, a mean over the batch, would need
    alpha: float
    data_title: str
    seed: int
    final: Mapping[str, Any] = field(
        default_factory=dict, hash=False
    )  # figures per split, once it is completed


@dataclass(frozen=True)
class Snapshot:
    """The features of one split of a run: the final ones, or those after `epoch`."""

    run: Run
    split: str
    dump: FeatureDump
    epoch: int | None = None


@dataclass(frozen=True)
class SweepPoint:
    """One row of a sweep's `summary.json`."""

    directory: Path
    status: str
    weight: float
    alpha: float
    seed: int
    weight_eq: float | None = None


@dataclass(frozen=True)
class History:
    """The rows of `metrics.jsonl`: means over training batches, and evaluations after each epoch."""

    steps: list[Row]
    epochs: list[Row]


def is_run(directory: Path) -> bool:
    return (directory / "run.json").is_file()


def is_sweep(directory: Path) -> bool:
    return (directory / SUMMARY).is_file()


def read_run(directory: Path) -> Run:
    """Raise PlotError if `run.json` is missing or damaged, or lacks what a figure's title needs."""
    path = directory / "run.json"
    content = _read_object(path)
    metrics = content.get("metrics")
    try:
        return Run(
            directory=directory,
            status=shortened(str(content["status"]), _LONGEST_STATUS),
            weight=_number(content, "lambda"),
            weight_eq=_number(content, "lambda_eq"),
            alpha=_number(content, "alpha"),
            data_title=shortened(str(_object(content, "data")["title"]), _LONGEST_TITLE),
            seed=int(_number(content, "seed")),
            final=metrics if isinstance(metrics, dict) and content["status"] == "completed" else {},
        )
    except (KeyError, ValueError) as error:
        raise PlotError(f"{path}: cannot be drawn: {_reason(error)}; {PUT_BACK}") from error


def read_sweep(directory: Path) -> list[SweepPoint]:
    """Raise PlotError if `summary.json` lacks what a title needs or names no run, RunError if it is damaged."""
    path = directory / SUMMARY
    try:
        points = [
            SweepPoint(
                directory=directory / row["directory"],
                status=shortened(str(row["status"]), _LONGEST_STATUS),
                weight=_number(row, "lambda"),
                alpha=_number(row, "alpha"),
                seed=int(_number(row, "seed")),
                weight_eq=finite(row.get("lambda_eq")),
            )
            for row in read_summary(directory) or []
        ]
    except (KeyError, ValueError) as error:
        raise PlotError(
            f"{path}: cannot be drawn: {_reason(error)}; put the file back as the sweep wrote it"
        ) from error
    if not points:
        raise PlotError(f"{path}: names no run; `cl sweep` adds them as it trains")
    return points


def read_snapshot(run: Run, split: str) -> Snapshot | None:
    """Read the final features of a split, or those of the newest epoch of a run that is not completed.

    Returns None where the run has left neither. Raises FeatureFileError where a file is there but damaged.
    """
    folder = run.directory / "features"
    final = folder / f"{split}-final.npz"
    if final.is_file():
        return Snapshot(run, split, read_features(final))
    by_epoch = epoch_dumps(run.directory, split)
    if run.status == "completed" or not by_epoch:
        return None
    newest = max(by_epoch)
    return Snapshot(run, split, read_features(by_epoch[newest]), epoch=newest)


def epoch_dumps(directory: Path, split: str) -> dict[int, Path]:
    """Return the feature dumps that the run in a directory kept of its epochs, ascending."""
    found = (directory / "features").glob(f"{split}-epoch-[0-9]*.npz")
    numbered = ((path.stem.rsplit("-", 1)[1], path) for path in found)
    return dict(sorted((int(epoch), path) for epoch, path in numbered if epoch.isdecimal()))


def read_history(run: Run) -> History:
    """Read the training history; the last row of a step counts, because a resumed run repeats some.

    Raises:
        PlotError: `metrics.jsonl` is missing, holds no rows, is far too large, or is damaged before its last line.
    """
    path = run.directory / "metrics.jsonl"
    kinds: dict[str, dict[int, Row]] = {"steps": {}, "epoch": {}}
    try:
        for number, line in enumerate(read_rows(path), start=1):
            try:
                row = json.loads(line)
                kinds[row["kind"]][int(row["step"])] = row
            except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
                raise PlotError(
                    f"{path}:{number}: not a row of metrics ({_reason(error)}); {PUT_BACK}"
                ) from error
    except TooManyRowsError as error:  # it may be as the run wrote it
        raise PlotError(f"{path}: cannot be read ({error})") from error
    except (OSError, ValueError) as error:
        what = f"{path}: cannot be read ({_reason(error)})"
        # Elsewhere the reason says what to do: permission denied.
        raise PlotError(
            f"{what}; {PUT_BACK}" if isinstance(error, FileNotFoundError | ValueError) else what
        ) from error
    if not kinds["steps"] and not kinds["epoch"]:
        if run.status == "completed":
            raise PlotError(f"{path}: holds no rows, and that of a completed run has some; {PUT_BACK}")
        raise PlotError(f"{path}: holds no rows yet; plot when the run has trained some steps")
    return _with_the_end(run, *([kinds[kind][step] for step in sorted(kinds[kind])] for kind in kinds))


def _with_the_end(run: Run, steps: list[Row], epochs: list[Row]) -> History:
    """A run that ends within an epoch logs no evaluation there, but its final figures are of that very step."""
    splits = {
        name: run.final[name] for name in ("validation", "test") if isinstance(run.final.get(name), dict)
    }
    if splits and steps and (not epochs or int(steps[-1]["step"]) > int(epochs[-1]["step"])):
        epochs = [*epochs, {**steps[-1], "kind": "epoch", **splits}]
    return History(steps, epochs)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))  # NaN too: whoever needs the number names the key
        if not isinstance(content, dict):
            raise ValueError("holds no JSON object")
    except OSError as error:
        raise PlotError(f"{path}: cannot be read ({_reason(error)})") from error
    except (ValueError, RecursionError) as error:
        raise PlotError(f"{path}: cannot be read ({_reason(error)}); {PUT_BACK}") from error
    return content


def _number(content: Mapping[str, Any], key: str) -> float:
    """Return the number under a key; raise ValueError that names the key if it is none."""
    value = finite(content[key])
    if value is None:
        raise ValueError(f"{key} is not a finite number")
    return value


def _object(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object under a key; raise ValueError that names the key if it is none."""
    value = content[key]
    if not isinstance(value, dict):
        raise ValueError(f"{key} is not a JSON object")
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"missing key {error}"
    # The text of an OSError would name the file again.
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
