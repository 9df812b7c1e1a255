"""Where things lie in a sweep directory. Importing this loads nothing that takes time."""

from __future__ import annotations

from pathlib import Path

POINTS, LOGS, DOCUMENT = "points", "logs", "sweep.yaml"


def config_path(directory: Path, name: str) -> Path:
    """Where the resolved config of a point lies."""
    return directory / POINTS / f"{name}.yaml"


def log_path(directory: Path, name: str) -> Path:
    """Where what the process of a point prints is kept."""
    return directory / LOGS / f"{name}.log"
