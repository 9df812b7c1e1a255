"""How a point of a sweep is doing, as its run directory tells."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centerloss_core.runs import RunError, last_row, read_manifest
from centerloss_core.sweeps.grid import Point

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
    """What the live table shows and `summary.json` keeps."""

    point: Point
    path: Path
    status: str = "waiting"
    reason: str | None = None
    starts: int = 0
    manifest_before: dict[str, Any] = field(default_factory=dict, repr=False)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def latest(self) -> dict[str, Any] | None:
        """The newest row of its metrics log, if it has one."""
        return last_row(self.path, kind="steps")

    def manifest(self) -> dict[str, Any]:
        """Its `run.json`; empty where that is not to be had."""
        try:
            return read_manifest(self.path)
        except RunError:
            return {}

    def summary(self) -> dict[str, Any]:
        """Its row in `summary.json`: the grid, the status, and the figures on the test set where there are any."""
        loss = self.point.config.loss
        manifest = self.manifest()
        metrics = _dict(manifest.get("metrics"))
        test = _dict(metrics.get("test"))
        warnings = manifest.get("warnings")
        return {
            "directory": self.path.name,
            "lambda": loss.lambda_,
            "alpha": loss.alpha,
            "seed": self.point.config.train.seed,
            "lambda_eq": self.point.config.lambda_eq,
            "status": self.status,
            "reason": self.reason,
            **{figure: test.get(figure) for figure in _FIGURES},
            **{key: metrics.get(key) for key in ("images_per_second", "seconds")},
            "warnings": "; ".join(map(str, warnings)) if isinstance(warnings, list) and warnings else None,
        }


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
