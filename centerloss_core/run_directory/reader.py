"""The one reader of run and sweep directories. Importing it loads neither pydantic nor NumPy.

record = read_run(Path("runs/mnist"))       one run; an error where `run.json` cannot be read
record = look_at(Path("runs/mnist"))        never an error: `record.problem` says what is wrong
sweep = read_sweep(Path("runs/sweep"))      every point, also those that wait or are missing
record.history().epochs, record.snapshot("test"), record.checkpoints(), record.config()
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from centerloss_core.config.axes import flatten
from centerloss_core.config.problems import shortened
from centerloss_core.files.paths import from_the_root
from centerloss_core.formatting import finite
from centerloss_core.limits import CLASS_NAME, CLASSES, DATA_TITLE
from centerloss_core.run_directory import names
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.history import History, has_rows, last_row, read_history
from centerloss_core.run_directory.lock import holder
from centerloss_core.run_directory.manifest import (
    SHORT_KEYS,
    Status,
    items,
    mapping,
    read_manifest_and_status,
    read_summary,
)
from centerloss_core.run_directory.names import CONFIG, MANIFEST, SUMMARY, is_run, is_sweep
from centerloss_core.run_directory.thresholds import Thresholds, parse_thresholds
from centerloss_core.run_directory.trained_network import TrainedNetwork

if TYPE_CHECKING:
    from centerloss_core.config import Config
    from centerloss_core.run_directory.feature_dumps import FeatureDump

_LENGTH = ("train.epochs", "train.batch_size")


@dataclass(eq=False)
class RunRecord(TrainedNetwork):
    """One run as it is on disk now, or a point of a sweep that has no directory yet.

    Attributes:
        path: its directory.
        status: see `Status`.
        manifest: its `run.json`; empty where that is missing or damaged.
        reason: why it failed, was interrupted, or waits.
        problem: why `run.json` cannot be read, and what to do about it.
        alias: its name among runs of which several have directories of one name.
        sweep: the sweep directory that it was read as a point of.
        point: its row in `summary.json`, then.
    """

    path: Path
    status: Status
    manifest: dict[str, Any] = field(default_factory=dict, repr=False)  # pages of it
    reason: str | None = None
    problem: str | None = None
    alias: str | None = None
    sweep: Path | None = None
    point: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its directory; "." has one, too."""
        return self.alias or from_the_root(self.path).name or str(self.path)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Its config as flat dotted keys, {"loss.lambda": 0.01, …}, and "variant" of a point that has one.

        Of a point without a run directory: what varies in its sweep. λ and α are missing where the loss has no term.
        """
        short = {**self.point, **self.manifest}
        settings = {
            **{key: short[name] for name, key in SHORT_KEYS.items() if name in short},
            **mapping(self.point.get("settings")),
            **flatten(mapping(self.manifest.get("config"))),
        }
        unused = [key for name, key in SHORT_KEYS.items() if name in short and short[name] is None]
        return {key: value for key, value in settings.items() if key not in unused}

    @property
    def lambda_(self) -> float | None:
        return finite(self.settings.get("loss.lambda"))

    @property
    def lambda_eq(self) -> float | None:
        """The λ that the paper's reduction, a mean over the batch, would need for the same training."""
        return finite({**self.point, **self.manifest}.get("lambda_eq"))

    @property
    def alpha(self) -> float | None:
        return finite(self.settings.get("loss.alpha"))

    @property
    def seed(self) -> int | None:
        seed = self.settings.get("train.seed")
        return seed if isinstance(seed, int) and finite(seed) is not None else None

    @property
    def data(self) -> dict[str, Any]:
        """What `run.json` says of the data set: name, title, source, fingerprint, sizes, …"""
        return mapping(self.manifest.get("data"))

    def images(self, split: str) -> int | None:
        """How many images the final figures of a split are of: the known ones; of "train" a part may stand for all."""
        count = finite(self.data.get(split))
        if split == "test" and count is not None:
            count -= finite(mapping(self.data.get("unknown")).get("images")) or 0
        if split == "train" and count is not None:
            count = min(count, finite(self.settings.get("train.dump_train")) or count)
        return None if count is None else int(count)

    @property
    def steps(self) -> int | None:
        """How many steps it has taken: all that its config asks for, or those of its newest row."""
        if self.status != "completed":
            row = last_row(self.path, kind="steps")
            step = None if row is None else finite(row.get("step"))
        else:
            train = (self.data.get("train"), *map(self.settings.get, _LENGTH))
            images, epochs, batch_size = (finite(each) for each in train)
            step = finite(self.settings.get("train.iterations"))
            if step is None and images and epochs and batch_size:
                step = -(-epochs * images // batch_size)
        return None if step is None else int(step)

    @property
    def data_title(self) -> str | None:
        title = self.data.get("title")
        return shortened(title, DATA_TITLE) if isinstance(title, str) else None

    @property
    def loss(self) -> str | None:
        """What its loss is called, `ArcFace s 16, m 0.3`; None where `run.json` does not say."""
        title = {**self.point, **self.manifest}.get("loss")
        return shortened(title) if isinstance(title, str) else None

    @property
    def class_points(self) -> str | None:
        """What the points of its classes are; None where it has none, "center" where `run.json` does not say."""
        kind = {**self.point, **self.manifest}.get("class_points", "center")
        return kind if isinstance(kind, str) and kind.isidentifier() else None

    @property
    def is_angular(self) -> bool:
        """Whether its loss looks at directions, so that figures by the angle fit it; no where `run.json` is silent."""
        return {**self.point, **self.manifest}.get("is_angular") is True

    @property
    def class_names(self) -> tuple[str, ...]:
        """By label, printable and short; empty where `run.json` does not name them."""
        return _names(self.data.get("class_names"))

    @property
    def original_class_names(self) -> tuple[str, ...]:
        """By original label, those of unknown classes too; empty where all classes are known."""
        return _names(mapping(self.data.get("unknown")).get("class_names"))

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(height, width, channels)."""
        match items(self.data.get("image_shape")):
            case [int(height), int(width), int(channels)]:
                return height, width, channels
        return None

    @property
    def metrics(self) -> dict[str, Any]:
        """The final figures, {"test": {"accuracy": 0.99, …}, "seconds": 88.5, …}; empty until it is completed."""
        return mapping(self.manifest.get("metrics")) if self.status == "completed" else {}

    @property
    def thresholds(self) -> Thresholds | None:
        """From which scores on an image counts as known; None where it has none, as before it is completed."""
        return parse_thresholds(self.manifest.get("thresholds")) if self.status == "completed" else None

    @property
    def precision_reason(self) -> str | None:
        """Why it computes in float32 although `train.precision` leaves the choice; see `devices.Device`."""
        latest = [self.manifest, *map(mapping, items(self.manifest.get("resumed")))][-1]
        return _text(latest.get("precision_reason"))

    @property
    def warnings(self) -> list[str]:
        return list(map(str, items(self.manifest.get("warnings"))))

    @property
    def has_rows(self) -> bool:
        """Whether there should be a history: a run that has just begun has none, and that is no problem."""
        return self.status == "completed" or has_rows(self.path)

    def config(self) -> Config:
        """Read its `config.yaml`, or the file of a point that has not begun.

        Raises:
            ConfigError: the file is missing or wrong.
        """
        from centerloss_core.config import load_config

        path = self.path / CONFIG
        if self.sweep is not None and not os.path.lexists(self.path / MANIFEST):
            path = self.sweep / "points" / f"{self.name}.yaml"
        return load_config(path)

    def history(self) -> History:
        """Read `metrics.jsonl`.

        Raises:
            RunError: it is missing, holds no rows, is far too large, or is damaged before its last line.
        """
        return read_history(self.path, self.metrics)

    def checkpoints(self) -> list[Path]:
        """The folders of all checkpoints, oldest first; RunError if they cannot be listed."""
        return names.checkpoints(self.path)

    def dump_paths(self) -> dict[str, Path]:
        """The feature dumps by name: "test-final", "train-final", "test-epoch-0001", …"""
        return {path.stem: path for path in sorted((self.path / names.FEATURES).glob("[!.]*.npz"))}

    def epoch_dumps(self, split: str) -> dict[int, Path]:
        """The feature dumps that the run has kept of its epochs, ascending."""
        return self._numbered_dumps(f"{split}-epoch")

    def step_dumps(self, split: str) -> dict[int, Path]:
        """Those of some images that it has kept between its steps (`train.dump_every`), ascending."""
        return self._numbered_dumps(f"{split}-step")

    def _numbered_dumps(self, prefix: str) -> dict[int, Path]:
        found = (self.path / names.FEATURES).glob(f"{prefix}-[0-9]*.npz")
        numbered = ((path.stem.rsplit("-", 1)[1], path) for path in found)
        return dict(sorted((int(number), path) for number, path in numbered if number.isdecimal()))

    def dump(self, name: str) -> FeatureDump:
        """Read a feature dump by its name; FeatureFileError if it is missing or damaged."""
        from centerloss_core.run_directory.feature_dumps import read_features

        return read_features(names.features_path(self.path, name))

    def snapshot(self, split: str) -> Snapshot | None:
        """The final features of a split, or those of the newest epoch of a run that is not completed.

        Returns:
            None where the run has left neither.

        Raises:
            FeatureFileError: the file is there and damaged.
        """
        if names.features_path(self.path, f"{split}-final").is_file():
            return Snapshot(self, split, self.dump(f"{split}-final"))
        by_epoch = self.epoch_dumps(split)
        if self.status == "completed" or not by_epoch:
            return None
        newest = max(by_epoch)
        return Snapshot(self, split, self.dump(by_epoch[newest].stem), epoch=newest)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The features of one split of a run: the final ones, or those after `epoch`."""

    run: RunRecord
    split: str
    dump: FeatureDump
    epoch: int | None = None


@dataclass(frozen=True, eq=False)
class SweepRecord:
    """A sweep as it is on disk now.

    Attributes:
        path: its directory.
        runs: every point in the order of the sweep, also those that wait or are missing.
        axes: the keys of the settings that vary, outermost first.
        command: the command that made it.
        is_collection: whether it is no sweep of `cl sweep`, but runs that are read as one.
    """

    path: Path
    runs: list[RunRecord]
    axes: tuple[str, ...]
    command: str | None = None
    is_collection: bool = False

    @property
    def name(self) -> str:
        return from_the_root(self.path).name or str(self.path)

    @property
    def data(self) -> dict[str, Any]:
        """What the first run that has begun says of the data set."""
        return next((run.data for run in self.runs if run.data), {})


def read_run(path: Path | str) -> RunRecord:
    """Read a run.

    Raises:
        RunError: there is no run, or its `run.json` is damaged or of another format.
    """
    path = Path(path)
    manifest, status = read_manifest_and_status(path)
    return RunRecord(path, status, manifest, _text(manifest.get("reason")))


def look_at(path: Path) -> RunRecord:
    """Read a run, or say in the record why it cannot be read: its status is then "damaged", or "missing"."""
    try:
        return read_run(path)
    except RunError as error:
        status: Status = "damaged" if os.path.lexists(path / MANIFEST) else "missing"
        return RunRecord(path, status, problem=str(error))


def read_sweep(path: Path) -> SweepRecord:
    """Read a sweep and all its points; a damaged point is a record with a problem.

    Raises:
        RunError: `summary.json` is missing or damaged, names no run, or names one that is not a plain name.
    """
    summary = read_summary(path)
    if not summary["runs"]:
        raise RunError(f"{path / SUMMARY}: names no run; `cl sweep` adds them as it trains")
    is_held = holder(path) is not None
    runs = [_point(path, row, is_held) for row in summary["runs"]]
    axes = summary.get("axes")
    keys = tuple(map(str, axes)) if isinstance(axes, list) else tuple(SHORT_KEYS.values())
    return SweepRecord(path, runs, keys, _text(summary.get("command")))


def _point(sweep: Path, row: dict[str, Any], sweep_is_held: bool) -> RunRecord:
    """Its run directory tells how it is doing; the sweep does where there is none, or where it was killed."""
    record = look_at(sweep / row["directory"])
    record.sweep, record.point = sweep, row
    status, reason = row.get("status"), _text(row.get("reason"))
    if record.status == "missing":
        record.problem, record.reason = None, reason
        if status == "running" and not sweep_is_held:
            record.status = "stopped"  # with the sweep itself, before there was a run directory
        elif status in get_args(Status) and status != "completed":
            record.status = cast("Status", status)
    elif record.status == "stopped" and status in ("failed", "interrupted"):
        record.status, record.reason = cast("Status", status), reason
    return record


def read_directory(path: Path | Sequence[Path]) -> RunRecord | SweepRecord:
    """Read a run or a sweep, whichever it is; a folder of runs, or several directories, as a sweep.

    A directory that is named twice is read once.

    Raises:
        RunError: there is no run, or the run or the sweep is damaged.
    """
    paths = [path] if isinstance(path, Path) else list({each.resolve(): each for each in path}.values())
    if len(paths) == 1:
        if is_run(paths[0]):
            return read_run(paths[0])
        if is_sweep(paths[0]):
            return read_sweep(paths[0])
    from centerloss_core.run_directory.collection import read_collection

    return read_collection(paths)


def _names(found: object) -> tuple[str, ...]:
    return tuple(shortened(str(name), CLASS_NAME) for name in items(found)[:CLASSES])


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
