"""The points of a sweep: from a config file to resolved configs, and from a sweep directory back to them."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerloss_core.config import (
    Config,
    ConfigError,
    Document,
    dump_yaml,
    load_config,
    load_document,
    resolve_sweep,
    sweep_section,
)
from centerloss_core.config.sweep import MOST_SWEEP_POINTS
from centerloss_core.files.atomic import new_file
from centerloss_core.files.untrusted import read_text
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.names import MANIFEST, point_name
from centerloss_core.run_directory.resume_check import ChangedError, refuse_another_config, refuse_changes
from centerloss_core.sweeps.layout import config_path
from centerloss_core.sweeps.summary import SUMMARY

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


def write_points(directory: Path, points: Sequence[Point]) -> None:
    """Write the resolved config of each point, so that nothing else is needed to train or resume it."""
    (directory / _POINTS).mkdir()
    for point in points:
        with new_file(config_path(directory, point.name)) as file:
            file.write(dump_yaml(point.config).encode())


def fingerprint(directory: Path) -> str:
    """What `summary.json` remembers of `points/`, to notice when somebody edits it.

    Of the texts, not of what they mean: a version that knows another setting must not see a change there.
    """
    texts = {path.stem: read_text(path) for path in _point_files(directory)}
    return hashlib.sha256(
        "\n".join(f"# {name}\n{texts[name]}" for name in sorted(texts)).encode()
    ).hexdigest()


def _point_files(directory: Path) -> list[Path]:
    return sorted((directory / _POINTS).glob("*.yaml"))


def read_points(directory: Path, summary: dict[str, Any] | None) -> list[Point]:
    """The points of the sweep in `directory`, in their order; each is what it was when the sweep was begun.

    Args:
        directory: the sweep.
        summary: its `summary.json`; None where that is lost, and the points come in the order of their values.

    Raises:
        RunError: it is not a sweep, or has more points than one may have.
        ConfigError: a point's config cannot be read.
        ChangedError: a point's config was changed, or its directory holds another run.
    """
    paths = _point_files(directory)
    if not paths:
        raise RunError(_no_sweep(directory))
    if len(paths) > MOST_SWEEP_POINTS:
        raise RunError(
            f"{directory / _POINTS} has {len(paths)} configs, and a sweep at most {MOST_SWEEP_POINTS} points: "
            "put it back as it was, or begin a new sweep"
        )
    points = [Point(path.stem, load_config(path)) for path in paths]
    for point in points:
        if point.name != point_name(point.config):
            raise ChangedError(
                f"{config_path(directory, point.name)} was changed: it is the config of {point_name(point.config)} "
                "now; put it back as it was"
            )
        path = directory / point.name
        with contextlib.suppress(ConfigError):  # missing or damaged: the point's own process will say so
            refuse_another_config(path, load_config(path / "config.yaml"), point.config)
    if summary is None:
        return sorted(points, key=_values)
    begun = summary.get("points")
    if isinstance(begun, str) and begun != fingerprint(directory):
        raise ChangedError(
            f"{directory / _POINTS} was changed after the sweep was begun, and a sweep goes on as it was begun: "
            "put it back as it was, or begin a new sweep"
        )
    rows = summary.get("runs")
    order = [row.get("directory") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return sorted(points, key=lambda point: order.index(point.name) if point.name in order else len(order))


def points_with(
    directory: Path,
    begun: Sequence[Point],
    *,
    lambdas: Sequence[float] | None = None,
    alphas: Sequence[float] | None = None,
    seeds: Sequence[int] | None = None,
    device: str | None = None,
    settings: Sequence[str] = (),
) -> list[Point]:
    """The points that these flags ask of a sweep, where nothing else is said: its own, but for what the flags say.

    A point that it has not is made after its first, to be shown as a difference.

    Raises:
        ConfigError: a flag has a value that it cannot have.
    """
    section = sweep_section(load_document(config_path(directory, begun[0].name)), settings=settings)
    swept = {setting.partition("=")[0].strip() for setting in settings}
    lambdas = section.lambda_ if "sweep.lambda" in swept else lambdas
    alphas = section.alpha if "sweep.alpha" in swept else alphas
    seeds = section.seed if "sweep.seed" in swept else seeds
    names = {_values(point): point.name for point in begun}
    its_lambdas, its_alphas, its_seeds = (dict.fromkeys(values) for values in zip(*names, strict=True))
    asked = []
    for values in itertools.product(lambdas or its_lambdas, alphas or its_alphas, seeds or its_seeds):
        known = names.get(values)
        flags = {} if known else dict(zip(("lambda_", "alpha", "seed"), values, strict=True))
        path = config_path(directory, known or begun[0].name)
        config = load_config(path, **flags, device=device, settings=settings)
        asked.append(Point(point_name(config), config))
    return asked


def refuse_other_points(directory: Path, begun: Sequence[Point], asked: Sequence[Point]) -> None:
    """Compare the points that a sweep was begun with to those asked for now.

    Raises:
        ChangedError: they differ; the message shows how.
    """
    complaint = f"{directory} was begun with another config, and a sweep goes on as it was begun"
    refuse_changes(
        _as_text(sorted(begun, key=_values)), _as_text(sorted(asked, key=_values)), complaint
    )  # the order of a sweep whose summary is lost is not known


def _no_sweep(directory: Path) -> str:
    if not directory.exists():
        return f"{directory}: no such directory"
    if (directory / MANIFEST).is_file():
        return f"{directory} is a run, not a sweep: cl train --resume {shlex.quote(str(directory))}"
    if (directory / SUMMARY).is_file():
        return (
            f"{directory / _POINTS} has lost the configs of the points: put them back, or begin a new sweep"
        )
    return f"{directory} is not a sweep: it has no {SUMMARY} and no {_POINTS}/"


def _values(point: Point) -> tuple[float, float, int]:
    return point.config.loss.lambda_, point.config.loss.alpha, point.config.train.seed


def _as_text(points: Sequence[Point]) -> str:
    return "\n".join(f"# {point.name}\n{dump_yaml(point.config)}" for point in points)
