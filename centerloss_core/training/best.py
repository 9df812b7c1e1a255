"""The best epoch by the validation images: its checkpoint is kept, and a run may stop when none is better for long."""

from __future__ import annotations

from typing import Any

from centerloss_core.config import Train
from centerloss_core.formatting import finite
from centerloss_core.run_directory.history import has_rows, read_history
from centerloss_core.run_directory.manifest import mapping
from centerloss_core.run_directory.writer import Run
from centerloss_core.training.observers import Observer, Row

_FIGURES = {
    "accuracy": "accuracy",
    "nearest_center": "nearest_center_accuracy",
    "nearest_mean": "nearest_mean_accuracy",
}


class Best(Observer):
    """Notes the best epoch in `run.json`; the first of equal ones. All that it knows follows from the rows of epochs.

    Args:
        run: the run; its `metrics.jsonl` has the rows of the epochs before the one from which it resumes.
        train: its section `train`.
    """

    def __init__(self, run: Run, train: Train) -> None:
        self._run = run
        self._figure = None if train.keep_best is None else _FIGURES[train.keep_best]
        self._patience = None if train.early_stop is None else train.early_stop.patience
        self._best: dict[str, Any] | None = None
        self._epoch = 0
        if self._figure is None:
            return
        for row in read_history(run.path, {}).epochs if has_rows(run.path) else ():
            self._look_at(row)
        run.update(best=self._best)

    @property
    def is_over(self) -> bool:
        """Whether as many epochs as `train.early_stop` says were no better."""
        if self._patience is None or self._best is None:
            return False
        return self._epoch - int(self._best["epoch"]) >= self._patience

    def on_row(self, row: Row) -> None:
        if self._look_at(row):
            self._run.update(best=self._best)

    def _look_at(self, row: Row) -> bool:
        """Whether this epoch is the best so far."""
        if self._figure is None or row["kind"] != "epoch":
            return False
        self._epoch = int(row["epoch"])
        value = finite(mapping(row.get("validation")).get(self._figure))
        if value is None or (self._best is not None and value <= self._best[self._figure]):
            return False
        self._best = {"epoch": row["epoch"], "step": row["step"], self._figure: value}
        return True
