"""The points of a sweep: from a config file to resolved configs, and from a sweep directory back to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from centerloss_core.atomic import new_file
from centerloss_core.changes import refuse_changes
from centerloss_core.config import Config, Document, dump_yaml, load_config, resolve_sweep
from centerloss_core.runs import RunError, point_name
from centerloss_core.sweeps.summary import read_summary

_POINTS = "points"


@dataclass(frozen=True)
class Point:
    """One point of the grid: its name and its resolved config."""

    name: str
    config: Config


def plan(
    document: Document,
    *,
    lambdas: Sequence[float] | None = None,
    alphas: Sequence[float] | None = None,
    seeds: Sequence[int] | None = None,
    device: str | None = None,
    settings: Sequence[str] = (),
) -> list[Point]:
    """Expand the grid.

    Raises:
        ConfigError: with the problems of all points.
    """
    configs = resolve_sweep(
        document, lambdas=lambdas, alphas=alphas, seeds=seeds, device=device, settings=settings
    )
    return [Point(point_name(config), config) for config in configs]


def config_path(directory: Path, name: str) -> Path:
    """Where the resolved config of a point lives."""
    return directory / _POINTS / f"{name}.yaml"


def write_points(directory: Path, points: Sequence[Point]) -> None:
    """Write the resolved config of each point, so that nothing else is needed to train or resume it."""
    (directory / _POINTS).mkdir()
    for point in points:
        with new_file(config_path(directory, point.name)) as file:
            file.write(dump_yaml(point.config).encode())


def read_points(directory: Path) -> list[Point]:
    """The points of the sweep in `directory`, in their order.

    Raises:
        RunError: it is not a sweep, or its summary is damaged.
        ConfigError: a point's config cannot be read.
    """
    rows = read_summary(directory)
    if rows is None:
        raise RunError(f"{directory} is not a sweep: it has no summary.json")
    names = [row.get("directory") for row in rows]
    if not all(
        isinstance(name, str) and name == Path(name).name and name not in ("", "..") for name in names
    ):
        raise RunError(f"{directory / 'summary.json'}: a point's directory is not a plain name")
    return [Point(str(name), load_config(config_path(directory, str(name)))) for name in names]


def refuse_other_points(directory: Path, begun: Sequence[Point], asked: Sequence[Point]) -> None:
    """Compare the points that a sweep was begun with to those asked for now.

    Raises:
        ChangedError: they differ; the message shows how.
    """
    complaint = f"{directory} was begun with another config, and a sweep goes on as it was begun"
    refuse_changes(_as_text(begun), _as_text(asked), complaint)


def _as_text(points: Sequence[Point]) -> str:
    return "\n".join(f"# {point.name}\n{dump_yaml(point.config)}" for point in points)
