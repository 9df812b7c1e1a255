"""Those who are told how a run gets on: the run directory, and whatever else is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from centerloss_core.run_directory.writer import Run

if TYPE_CHECKING:
    from centerloss_core.run_directory.feature_dumps import FeatureDump

Row = Mapping[str, Any]


class Observer:
    """Told of each event of a run; overrides what it has a use for."""

    def on_row(self, row: Row) -> None:
        """A row of `metrics.jsonl`: of an interval (kind "steps") or of the end of an epoch (kind "epoch")."""

    def on_epoch(self, epoch: int, step: int, test: FeatureDump) -> None:
        """The test features at the end of an epoch; before its row."""

    def on_end(self, dumps: Mapping[str, FeatureDump]) -> None:
        """The features of each split after the last step."""


class Observers(list[Observer], Observer):
    """Several as one, told in their order."""

    def on_row(self, row: Row) -> None:
        for observer in self:
            observer.on_row(row)

    def on_epoch(self, epoch: int, step: int, test: FeatureDump) -> None:
        for observer in self:
            observer.on_epoch(epoch, step, test)

    def on_end(self, dumps: Mapping[str, FeatureDump]) -> None:
        for observer in self:
            observer.on_end(dumps)


class Recorder(Observer):
    """Keeps rows and features in the run directory."""

    def __init__(self, run: Run, *, every_epoch: bool) -> None:
        """With `every_epoch`, the test features of each epoch are kept too."""
        self._run = run
        self._every_epoch = every_epoch

    def on_row(self, row: Row) -> None:
        self._run.log_row(row)

    def on_epoch(self, epoch: int, step: int, test: FeatureDump) -> None:
        if self._every_epoch:
            self._run.write_features(f"test-epoch-{epoch:04d}", test)

    def on_end(self, dumps: Mapping[str, FeatureDump]) -> None:
        for name in ("test", "train"):
            self._run.write_features(f"{name}-final", dumps[name])
