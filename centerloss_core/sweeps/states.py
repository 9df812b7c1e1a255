"""How a point of a sweep is doing, as its run directory tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centerloss_core.config import Point
from centerloss_core.files.untrusted import open_to_read
from centerloss_core.formatting import finite
from centerloss_core.limits import ESTIMATE_SECONDS, FILE_BYTES
from centerloss_core.run_directory.history import last_row
from centerloss_core.run_directory.manifest import mapping
from centerloss_core.run_directory.reader import look_at
from centerloss_core.sweeps.launchers.launcher import Started
from centerloss_core.sweeps.layout import log_path

_FIGURES = (
    "accuracy",
    "nearest_center_accuracy",
    "nearest_mean_accuracy",
    "intra_class_distance",
    "inter_class_distance",
    "inter_class_distance_min",
    "separation_ratio",
    "fisher_ratio",
)


@dataclass
class PointState:
    """What the live table shows and `summary.json` keeps.

    Attributes:
        status: waiting, running, completed, failed or interrupted.
        reason: why it is failed or interrupted.
        starts: how often it was started; `losses` of them ended with the loss of its machine.
        started: the point as its launcher has started it.
        place: where it runs or ran last.
    """

    point: Point
    path: Path
    status: str = "waiting"
    reason: str | None = None
    starts: int = 0
    losses: int = 0
    place: str | None = None
    started: Started | None = field(default=None, repr=False)
    _before: tuple[Any, ...] = field(default=(), repr=False)
    _bytes_before: dict[Path, int] = field(default_factory=dict, repr=False)
    _row: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def waits(self) -> bool:
        """Whether it is to be started, and no launcher has it yet."""
        return self.status == "waiting" and self.started is None

    @property
    def seconds_left(self) -> float | None:
        """At the rate of its newest row; None before the first."""
        row = self.latest
        if row is None:
            return None
        train = self.point.config.train
        step, epoch, rate = (finite(row.get(key)) or 0.0 for key in ("step", "epoch", "images_per_second"))
        try:  # the row may be edited
            total = train.iterations or step * (train.epochs or 0) / epoch
            left = (total - step) * train.batch_size / rate
        except (ZeroDivisionError, OverflowError):
            return None
        return left if 0 <= left < ESTIMATE_SECONDS else None

    @property
    def latest(self) -> dict[str, Any] | None:
        """The newest row of its metrics log, if it has one."""
        return last_row(self.path, kind="steps")

    def manifest(self) -> dict[str, Any]:
        """Its `run.json`; empty where that is missing or damaged."""
        return look_at(self.path).manifest

    def remember(self) -> None:
        """Note the state before a start, to tell afterwards what it changed."""
        self._before = self._progress()
        self._bytes_before = {log: log.stat().st_size for log in (self._log, self._own_log) if log.exists()}

    @property
    def reached_its_run(self) -> bool:
        """Whether the last start began, resumed or ended the run."""
        return self._progress() != self._before

    def printed_since_start(self) -> list[str]:
        """What its process printed since the last start, without empty lines."""
        return self._added_to(self._log)

    def logged_since_start(self) -> list[str]:
        """What the libraries that its run uses printed since then, likewise."""
        return self._added_to(self._own_log)

    def _added_to(self, log: Path) -> list[str]:
        try:
            with open_to_read(log) as file:
                file.seek(max(self._bytes_before.get(log, 0), file.seek(0, 2) - FILE_BYTES))
                text = file.read(FILE_BYTES).decode(errors="replace")
        except (OSError, ValueError):
            return []
        return [line.strip() for line in text.split("\n") if line.strip()]

    def _progress(self) -> tuple[Any, ...]:
        manifest = self.manifest()
        return tuple(manifest.get(key) for key in ("status", "finished", "resumed", "created"))

    @property
    def _log(self) -> Path:
        return log_path(self.path.parent, self.point.name)

    @property
    def _own_log(self) -> Path:
        return self.path / "log.txt"

    def summary(self) -> dict[str, Any]:
        """Its row in `summary.json`: its settings, the status, and the figures on the test set where there are any.

        A point that has ended is read once: a sweep of a thousand writes its summary a thousand times.
        """
        if self._row is not None and self.status == "completed":
            return self._row
        row = self._read_summary()
        self._row = row if self.status == "completed" else None
        return row

    def _read_summary(self) -> dict[str, Any]:
        in_short = self.point.config.in_short()
        record = look_at(self.path)
        metrics = mapping(record.manifest.get("metrics"))
        test = mapping(metrics.get("test"))
        return {
            "directory": self.path.name,
            "settings": self.point.settings,
            **{key: in_short[key] for key in ("lambda", "alpha", "seed", "lambda_eq")},
            "status": self.status,
            "reason": self.reason,
            **{figure: test.get(figure) for figure in _FIGURES},
            **{key: metrics.get(key) for key in ("images_per_second", "seconds")},
            "warnings": "; ".join(record.warnings) or None,
        }
