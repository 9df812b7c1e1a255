"""The points of a sweep: the config of each of its runs, with a name that tells it from the others."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from centerloss_core.config.axes import VARIANT, in_order, point_name, value_of, varying
from centerloss_core.config.documents import Document
from centerloss_core.config.flags import DEVICE, NAMES, Flags
from centerloss_core.config.overrides import replaces_one_of
from centerloss_core.config.problems import ConfigError, Problem
from centerloss_core.config.resolving import Given
from centerloss_core.config.schema import Config
from centerloss_core.config.sweep import Sweep
from centerloss_core.config.tree import Edit, Tree, dotted

# A person needs no more of them, nor of points that are wrong.
_ENOUGH_PROBLEMS = 100
_ENOUGH_WRONG_POINTS = 10
_MISSING = object()


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes:
        name: of its directory.
        config: of its run.
        settings: the values of the axes that it has.
    """

    name: str
    config: Config
    settings: dict[str, Any]

    @classmethod
    def of(cls, config: Config, axes: Sequence[str], variant: str | None = None) -> Point:
        """The point with this config in a sweep with these axes."""
        settings = {**config.settings(), **({} if variant is None else {VARIANT: variant})}
        values = {key: value_of(settings, key, _MISSING) for key in axes}
        return cls(
            point_name(settings, axes),
            config,
            {key: value for key, value in values.items() if value is not _MISSING},
        )


@dataclass(frozen=True)
class Grid:
    """The points of a sweep, and how they are launched, as the file says."""

    points: list[Point]
    launch: Sweep


def resolve_sweep(document: Document, flags: Flags | None = None) -> Grid:
    """The points of a sweep; those that two blocks have in common are there once.

    Raises:
        ConfigError: with the problems of all points, each once; where there are very many, with enough of them.
    """
    given = Given.of(document, flags or Flags())
    problems = [*given.problems, *_settings_of_axes(given)]
    if not given.blocks:
        _, found = given.config_with(given.run)
        raise ConfigError([*problems, *found])
    has_variants = any(block.variants for block in given.blocks)
    axes = in_order([key for block in given.blocks for key in block.axes] + [VARIANT] * has_variants)
    points: dict[str, Point] = {}
    wrong = 0
    for variant, run in _runs(given):
        config, found = given.config_with(run, variant)
        if config is None:
            wrong += 1
            problems = list(dict.fromkeys([*problems, *found]))
            if len(problems) > _ENOUGH_PROBLEMS or wrong == _ENOUGH_WRONG_POINTS:
                break
            continue
        point = Point.of(config, axes, variant)
        if (other := points.setdefault(point.name, point)).config != config:
            runs = [other.config.settings(), config.settings()]
            (key, *_) = varying(runs, dict.fromkeys([*runs[0], *runs[1]]))
            message = (
                f"two runs have the name {point.name} and differ in {key}: rename a variant, or vary {key}"
            )
            problems.append(given.sweep.problem(("sweep",), message))
            break
    weights = {point.config.loss.lambda_ for point in points.values()}
    if len(weights) > 1 and all(point.config.loss.term.module is None for point in points.values()):
        message = (
            "no run has a loss term, so λ changes nothing: give one λ (--lambda 0) or vary others (--grid)"
        )
        problems.append(given.sweep.problem(("sweep",), message))
    if problems:
        raise ConfigError(problems)
    return Grid(list(points.values()), given.launch)


def _runs(given: Given) -> Iterator[tuple[str | None, Tree]]:
    """The variant and the sections of each run, outermost axis first."""
    for block in given.blocks:
        bundles: list[tuple[str | None, list[Edit]]] = [*block.variants.items()] or [(None, [])]
        for variant, edits in bundles:
            bundle = given.run.edited(edits)
            for values in itertools.product(*block.axes.values()):
                # `loss.head` before `loss.head.margin`, which it would replace.
                in_order_of_depth = sorted(values, key=lambda edit: len(edit.path))
                yield variant, bundle.edited([*in_order_of_depth, *given.settings])


def _settings_of_axes(given: Given) -> list[Problem]:
    """A `--set` or `--device` of a key that the sweep varies would make all its runs the same."""
    problems = []
    for edit in (*given.values, *given.settings):
        for block in given.blocks:
            for key, edits in block.axes.items():
                if replaces_one_of(edit.path, [edits[0].path]):
                    flag = f"--{NAMES[key]}" if key in NAMES and key != DEVICE else f"--grid {key}=…"
                    message = f"the sweep varies {key}; give its values with {flag}"
                    problems.append(edit.origin.problem((), message))
            for name, bundle in block.variants.items():
                if replaces_one_of(edit.path, [each.path for each in bundle]):
                    message = f"the variant {name} of the sweep sets {dotted(edit.path)}; give it once"
                    problems.append(edit.origin.problem((), message))
    return problems
