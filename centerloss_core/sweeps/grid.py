"""The points of a sweep on disk."""

from __future__ import annotations

import contextlib
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from centerloss_core.config import (
    Config,
    ConfigError,
    Point,
    dump_yaml,
    load_config,
)
from centerloss_core.config.axes import (
    ALPHA,
    LAMBDA,
    SEED,
    VARIANT,
    Settings,
    canonical,
    in_order,
    name_part,
    point_name,
    value_of,
    varying,
)
from centerloss_core.files.atomic import atomic_write, new_file
from centerloss_core.files.untrusted import read_text
from centerloss_core.limits import SWEEP_POINTS
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.manifest import items, mapping
from centerloss_core.run_directory.names import MANIFEST, SUMMARY, no_directory
from centerloss_core.run_directory.resume_check import ChangedError, refuse_another_config
from centerloss_core.sweeps.layout import POINTS, config_path


def write_points(directory: Path, points: Sequence[Point]) -> None:
    """Write the resolved config of each point, so that nothing else is needed to train or resume it."""
    (directory / POINTS).mkdir()
    for point in points:
        with new_file(config_path(directory, point.name)) as file:
            file.write(dump_yaml(point.config).encode())


def rewrite_points(directory: Path, points: Sequence[Point]) -> None:
    """Write the configs of points that are new, or whose data was moved."""
    for point in points:
        with atomic_write(config_path(directory, point.name)) as file:
            file.write(dump_yaml(point.config).encode())


def fingerprint(directory: Path) -> str:
    """What `summary.json` keeps of `points/`, to notice when a file there is edited.

    Of the texts, not of what they mean: a version that knows another setting must not see a change there.
    """
    texts = {path.stem: read_text(path) for path in _point_files(directory)}
    return hashlib.sha256(
        "\n".join(f"# {name}\n{texts[name]}" for name in sorted(texts)).encode()
    ).hexdigest()


def _point_files(directory: Path) -> list[Path]:
    return sorted((directory / POINTS).glob("*.yaml"))


def read_points(directory: Path, summary: Mapping[str, Any] | None) -> list[Point]:
    """The points of the sweep in `directory`, in their order; each is what it was when the sweep was begun.

    Args:
        directory: the sweep.
        summary: its `summary.json`; None where that is lost: the points then come in the order of their values.

    Raises:
        RunError: it is not a sweep, or has more points than a sweep may have.
        ConfigError: a point's config cannot be read.
        ChangedError: a point's config was changed, or its directory holds another run.
    """
    paths = _point_files(directory)
    if not paths:
        raise RunError(_no_sweep(directory))
    if len(paths) > SWEEP_POINTS:
        raise RunError(
            f"{directory / POINTS} has {len(paths)} configs, and a sweep at most {SWEEP_POINTS} points: "
            "put it back as it was, or begin a new sweep"
        )
    configs = {path.stem: load_config(path) for path in paths}
    axes = (summary or {}).get("axes")
    if not isinstance(axes, list) or not all(isinstance(key, str) for key in axes):
        axes = _axes_of(configs)
    points = [_point(directory, name, config, axes) for name, config in configs.items()]
    for point in points:
        path = directory / point.name
        with contextlib.suppress(ConfigError):  # missing or damaged: the point's own process will say so
            complaint = f"{path} was begun with another config, and a run is resumed as it was begun"
            refuse_another_config(load_config(path / "config.yaml"), point.config, complaint)
    if summary is None:
        return sorted(points, key=by_values)
    begun = summary.get("points")
    if isinstance(begun, str) and begun != fingerprint(directory):
        raise ChangedError(
            f"{directory / POINTS} was changed after the sweep was begun, and a sweep is resumed as it was begun: "
            "put it back as it was, or begin a new sweep"
        )
    rows = summary.get("runs")
    order = [mapping(row).get("directory") for row in items(rows)]
    return sorted(points, key=lambda point: order.index(point.name) if point.name in order else len(order))


def _point(directory: Path, name: str, config: Config, axes: Sequence[str]) -> Point:
    before, begun, _ = _parts(name, config.settings())
    if not begun:
        raise ChangedError(
            f"{config_path(directory, name)} was changed: it is the config of {Point.of(config, axes).name} now; "
            "put it back as it was"
        )
    return replace(Point.of(config, axes, before.removesuffix("-") or None), name=name)


def _parts(name: str, settings: Settings) -> tuple[str, str, str]:
    """The name of a point: the variant, `lambda0.01-alpha0.5-seed0`, and what it says of other keys."""
    return f"{name}-".partition(f"{point_name(settings)}-")


def _axes_of(configs: Mapping[str, Config]) -> tuple[str, ...]:
    """The axes of a sweep whose summary is lost, from what its points differ in and what their names say."""
    runs = [config.settings() for config in configs.values()]
    name = max(configs, key=len)
    settings = configs[name].settings()
    before, _, further = _parts(name, settings)
    keys = [key[:end] for key in settings for end, letter in enumerate(f"{key}.") if letter == "."]
    named = [
        key
        for key in dict.fromkeys(keys)
        for among in ((), keys)
        if f"-{name_part(key, value_of(settings, key), among)}-" in f"-{further}"
    ]
    return in_order([*varying(runs, (LAMBDA, ALPHA, SEED)), *named, *([VARIANT] if before else [])])


def _no_sweep(directory: Path) -> str:
    if not directory.exists():
        return no_directory(directory)
    if (directory / MANIFEST).is_file():
        return f"{directory} is a run, not a sweep: cl train --resume {shlex.quote(str(directory))}"
    if (directory / SUMMARY).is_file():
        return f"{directory / POINTS} has lost the configs of the points: put them back, or begin a new sweep"
    return f"{directory} is not a sweep: it has no {SUMMARY} and no {POINTS}/"


def by_values(point: Point) -> tuple[Any, ...]:
    """What points are sorted by."""
    config = point.config
    further = [canonical(value) for key, value in point.settings.items() if key not in (LAMBDA, ALPHA, SEED)]
    return config.loss.lambda_, config.loss.alpha, further, config.train.seed, point.name
