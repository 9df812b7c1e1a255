"""What is asked of a sweep that is resumed: its own points, more values of its axes, another place of the data."""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from centerloss_core.config import (
    Config,
    ConfigError,
    Document,
    Flags,
    Point,
    load_document,
    resolve,
    resolve_sweep,
)
from centerloss_core.config.axes import (
    ALPHA,
    LAMBDA,
    SHORT_NAMES,
    VARIANT,
    canonical,
    in_order,
    value_of,
    values_of,
)
from centerloss_core.config.flags import axis_origin
from centerloss_core.config.overrides import Override, edits_for, read_overrides, replaces_one_of
from centerloss_core.config.tree import RIVALS, Edit, KeyPath, Tree, dotted, edit_of
from centerloss_core.formatting import plain_setting
from centerloss_core.limits import SWEEP_POINTS
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.resume_check import PLACES, ChangedError, with_place_of
from centerloss_core.sweeps.grid import by_values
from centerloss_core.sweeps.layout import DOCUMENT, config_path

_LINES = 10  # of a message


@dataclass(frozen=True)
class Resumed:
    """The points of a sweep from now on.

    Attributes:
        points: all of them, in order.
        added: the names of those that are new.
        moved: the names of those whose data is in another place now.
    """

    points: list[Point]
    added: list[str]
    moved: list[str]


# ---- What flags ask for -------------------------------------------------------------------------------------------


def points_with(directory: Path, begun: Sequence[Point], flags: Flags) -> list[Point]:
    """The points of a sweep as these flags ask for them: its own, and those with further values of an axis.

    Raises:
        ConfigError: a flag has a value that it cannot have, or gives one value to what the sweep varies.
        RunError: they ask for more points than a sweep may have, or it cannot be told what overrides make of one.
    """
    _, edits, problems = flags.edits()
    axes = {**flags.axes, **dict(filter(None, map(_axis_of, edits)))}
    names = in_order([*(key for point in begun for key in point.settings), *axes])
    varied = [tuple(key.split(".")) for key in names if key != VARIANT]
    for edit in edits:
        if edit.path[0] != "sweep" and replaces_one_of(edit.path, varied):
            key = dotted(edit.path)
            flag = f"--{SHORT_NAMES[key]}" if key in SHORT_NAMES else f"--grid {key}=…"
            problems.append(edit.origin.problem((), f"the sweep varies {key}; give its values with {flag}"))
    if problems:
        raise ConfigError(problems)
    settings = [text for text in flags.settings if not text.lstrip().startswith("sweep.")]
    asked = [
        replace(point, config=resolve(_document(directory, point), flags.values, settings=settings))
        for point in begun
    ]
    if not axes:
        return asked
    others = {_identity(point, [key for key in names if key not in axes]): point for point in begun}
    if (count := len(others) * math.prod(map(len, axes.values())) + len(begun)) > SWEEP_POINTS:
        raise RunError(f"{directory}: the flags ask for {count} points; a sweep has at most {SWEEP_POINTS}")
    file = load_document(directory / DOCUMENT)
    _refuse_wrong_values(directory, begun[0], file, axes)
    overrides, _ = read_overrides(file.tree, varied, ())
    known = {_identity(point, names) for point in begun}
    for other in others.values():
        for values in itertools.product(*axes.values()):
            changed = dict(zip(axes, values, strict=True))
            identity = _identity(other, names, changed)
            if identity in known or (other.config.loss.term.module is None and {*changed} <= {LAMBDA, ALPHA}):
                continue  # λ and α change nothing without a term
            known.add(identity)
            alike = [each for each in begun if _identity(each, names, changed) == identity]
            document = _base(directory, alike, changed, overrides)
            config = resolve(document, {**flags.values, **changed}, settings=settings)
            asked.append(Point.of(config, names, other.settings.get(VARIANT)))
    return asked


def _document(directory: Path, point: Point) -> Document:
    return load_document(config_path(directory, point.name))


def _axis_of(edit: Edit) -> tuple[str, list[Any]] | None:
    """The axis that a `--set` gives values to: `sweep.lambda=[0, 0.1]`, `sweep.grid.model.feature_dim=[2, 8]`."""
    keys: dict[KeyPath, str] = {("sweep", name): key for key, name in SHORT_NAMES.items()}
    key = keys.get(edit.path[:2]) or (edit.path[2] if edit.path[:2] == ("sweep", "grid") else None)
    return None if key is None or not isinstance(edit.value, list) else (str(key), edit.value)


def _refuse_wrong_values(
    directory: Path, point: Point, file: Document, axes: Mapping[str, Sequence[Any]]
) -> None:
    """Raise ConfigError for values that no sweep of this file could have, as when it is begun with these flags."""
    run = _document(directory, point).tree
    sections: dict[str, Any] = {
        key: file.tree.values[key] for key in ("sweep", "overrides") if key in file.tree.values
    }
    origins = {path: origin for path, origin in file.tree.origins.items() if path and path[0] in sections}
    tree = Tree({**run.values, **sections}, {**run.origins, **origins})
    resolve_sweep(replace(file, tree=tree, problems=()), Flags(axes=axes))


def _base(
    directory: Path, alike: Sequence[Point], changed: Mapping[str, Any], overrides: Sequence[Override]
) -> Document:
    """The config of that point from which a new one is made by changing these values.

    It is one that the overrides of the file treat as they treat the new one.
    """
    asking = [override for override in overrides if not changed.keys().isdisjoint(override.when)]
    for point in alike:
        document, variant = _document(directory, point), point.settings.get(VARIANT)
        edits = [edit_of(key, value, axis_origin(key, [value])) for key, value in changed.items()]
        now, then = (
            [bool(edits_for([override], tree, variant)) for override in asking]
            for tree in (document.tree, document.tree.edited(edits))
        )
        if now == then:
            return document
    words = ", ".join(f"{key}={plain_setting(value)}" for key, value in changed.items())
    raise RunError(
        f"{directory}: no point shows what the overrides of its {DOCUMENT} make of {words}: name the file, and beside "
        f"the new values one that the sweep has: cl sweep --resume {shlex.quote(str(directory))} "
        f"--config {shlex.quote(str(directory / DOCUMENT))} …, with the flags that it was begun with"
    )


# ---- What that makes of the sweep ---------------------------------------------------------------------------------


def compare(
    directory: Path, begun: Sequence[Point], asked: Sequence[Point], *, by_file: bool = False
) -> Resumed:
    """Take what is asked for into a sweep.

    Args:
        directory: of the sweep.
        begun: the points that it has.
        asked: those that are asked for; the sweep keeps its others.
        by_file: `asked` comes from a config file: where that makes a point that the sweep has, it makes the new ones
            right.

    Raises:
        ChangedError: something else differs than the values of axes and the place of the data.
        RunError: a new point has the directory of something else, or there are too many.
    """
    names = in_order(key for point in (*begun, *asked) for key in point.settings)
    own = {_identity(point, names): point for point in begun}
    moved, added = {}, []
    differences: dict[str, None] = {}
    is_confirmed = False
    for point in asked:
        twin = own.get(_identity(point, names))
        config = point.config
        if twin is not None:
            config = with_place_of(config, twin.config)
            differences |= dict.fromkeys(found := _differences(twin.config, config, PLACES))
            is_confirmed |= not found
            if config != twin.config:
                moved[twin.name] = config
        else:
            added.append(point)
    if not (by_file and is_confirmed):
        known = {_rest(point.config, names) for point in begun}
        for point in (each for each in added if _rest(each.config, names) not in known):
            others = [_differences(each.config, point.config, (*PLACES, *names)) for each in begun[:_LINES]]
            nearest = min(others, key=len)
            differences |= dict.fromkeys(nearest)
    if differences:
        lines = [f"  {line}" for line in differences]
        if len(lines) > _LINES:
            lines = [*lines[:_LINES], f"  … and {len(lines) - _LINES} more"]
        complaint = (
            f"{directory} was begun with other settings, and a sweep is resumed as it was begun, but for more values "
            "of its axes (--seed, --lambda, --alpha, --grid)"
        )
        raise ChangedError("\n".join([f"{complaint}:", *lines]))
    return _united(directory, begun, added, moved, names)


def _united(
    directory: Path,
    begun: Sequence[Point],
    added: Sequence[Point],
    moved: Mapping[str, Config],
    names: Sequence[str],
) -> Resumed:
    for point in added:
        if (directory / point.name).exists():
            raise RunError(f"{directory / point.name} is in the way of a new point: move it elsewhere")
    if len(begun) + len(added) > SWEEP_POINTS:
        raise RunError(f"{directory}: {len(begun) + len(added)} points; a sweep has at most {SWEEP_POINTS}")
    if not added:
        points = [replace(point, config=moved.get(point.name, point.config)) for point in begun]
        return Resumed(points, [], list(moved))
    points = []
    for point in (*begun, *added):
        config = moved.get(point.name, point.config)
        settings = values_of({**config.settings(), **point.settings}, names)
        points.append(replace(point, config=config, settings=settings))
    if list(begun) == sorted(begun, key=by_values):
        points.sort(key=by_values)
    return Resumed(points, [point.name for point in added], list(moved))


def _identity(point: Point, keys: Sequence[str], changed: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """What tells a point from the others, as text: its values of these keys, but for what is changed."""
    values = {**point.config.settings(), **point.settings, **(changed or {})}
    return tuple(canonical(value_of(values, key)) for key in keys)


def _rest(config: Config, axes: Collection[str]) -> tuple[str, ...]:
    """All settings of a run but for these and for places, as text."""
    settings = config.settings()
    return tuple(
        f"{key}={canonical(value)}" for key, value in settings.items() if not _is_among(key, (*PLACES, *axes))
    )


def _differences(begun: Config, now: Config, but_for: Collection[str]) -> list[str]:
    """A line for each setting that differs, but for these keys."""
    before, after = begun.settings(), now.settings()
    return [
        f"{key}: {_said(before, key)}; asked for now: {_said(after, key)}"
        for key in dict.fromkeys([*before, *after])
        if canonical(before.get(key)) != canonical(after.get(key)) and not _is_among(key, but_for)
    ]


def _is_among(key: str, keys: Collection[str]) -> bool:
    """Whether a setting is one of these, is in one of these, or is the other way to say how long a run is."""
    rival = RIVALS.get(tuple(key.split(".")))
    return any(key == each or key.startswith(f"{each}.") for each in keys) or (
        rival is not None and dotted(rival) in keys
    )


def _said(settings: Mapping[str, Any], key: str) -> str:
    return plain_setting(settings[key]) if key in settings else "not given"
