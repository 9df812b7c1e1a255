"""From a config file and a command line to the config of a run, or of each run of a sweep.

What wins, from the weakest: the file, its variants and axes, its `overrides` that match, and the command line. A
`--set` that changes what overrides are matched on counts in the matching too. A flag and a `--set` of the same key are
refused: one of them would be ignored silently. Epochs and iterations replace each other, but for two in one place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from centerloss_core.config.axes import SHORT_NAMES, VARIANT, in_order, point_name, values_of, varying
from centerloss_core.config.blocks import as_asked, read_blocks
from centerloss_core.config.checking import check, check_edit
from centerloss_core.config.documents import Document, load_document
from centerloss_core.config.flags import Flags
from centerloss_core.config.overrides import (
    ANY_RUN,
    edits_for,
    read_overrides,
    replaces_one_of,
    rivals_among,
)
from centerloss_core.config.problems import ConfigError, Problem
from centerloss_core.config.schema import Config, ConfigFile
from centerloss_core.config.sweep import Sweep
from centerloss_core.config.tree import RIVALS, Edit, Tree, dotted

# A person needs no more of them, nor of points that are wrong.
_ENOUGH_PROBLEMS = 100
_ENOUGH_WRONG_POINTS = 10


def load_config(
    path: Path | str,
    values: Mapping[str, Any] | None = None,
    *,
    settings: Sequence[str] = (),
    may_be_a_pipe: bool = False,
) -> Config:
    """The config of one run, from a file, or a name such as `quickstart`, and the command line; see `resolve`."""
    return resolve(load_document(Path(path), may_be_a_pipe=may_be_a_pipe), values, settings=settings)


def resolve(
    document: Document, values: Mapping[str, Any] | None = None, *, settings: Sequence[str] = ()
) -> Config:
    """The config of one run, from a file that was read before.

    Args:
        document: the file.
        values: by dotted key, in place of the file's: `{"loss.lambda": 0.1}` for `--lambda 0.1`.
        settings: of `--set`; see `Flags`.

    Raises:
        ConfigError: with every problem.
    """
    given = _Given(document, Flags(values or {}, settings=settings))
    config, found = given.config_with(given.run)
    problems = [*given.problems, *found]
    if config is None or problems:
        raise ConfigError(problems)
    return config


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
        return cls(point_name(settings, axes), config, values_of(settings, axes))


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
    given = _Given(document, flags or Flags())
    problems = [*given.problems, *_settings_of_axes(given)]
    if not given.blocks:
        _, found = given.config_with(given.run)
        raise ConfigError([*problems, *found])
    has_variants = any(block.variants for block in given.blocks)
    axes = in_order([key for block in given.blocks for key in block.axes] + [VARIANT] * has_variants)
    points: dict[str, Point] = {}
    wrong = 0
    for variant, run in given.runs():
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
            differ = f"two runs have the name {point.name} and differ in {key}"
            message = f"{differ}: rename a variant, or vary {key}"
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


class _Given:
    """What a file and a command line say of all their runs, read once.

    Attributes:
        run: the sections of a run as they are without axes and overrides.
        blocks: of the sweep; empty where they are wrong.
        launch: how the runs of the sweep are launched.
        values, settings: what the command line changes in the runs.
        sweep: where the sweep is given.
        problems: of everything but the single runs.
    """

    def __init__(self, document: Document, flags: Flags) -> None:
        self.values, settings, problems = flags.edits()
        # An edit that takes the place of one of two would hide that there are two.
        tree = document.tree
        in_file = sorted(
            [Edit(path, tree.get(path), tree.origin(path)) for path in RIVALS],
            key=lambda edit: edit.origin.line or 0,
        )
        for edits in (in_file, [*self.values, *settings]):
            lengths = [edit for edit in edits if edit.path in RIVALS and edit.value is not None]
            problems += rivals_among([edit for edit in lengths if not check_edit(edit)])
        self.settings = [edit for edit in settings if edit.path[0] != "sweep"]
        of_sweep = [edit for edit in settings if edit.path[0] == "sweep"]
        tree, refused = as_asked(document.tree.edited(self.values), flags.axes, of_sweep)
        tree = tree.edited(self.settings)
        self.blocks, self.launch, of_blocks = read_blocks(tree)
        self.sweep = tree.origin(("sweep",))
        axes = {edits[0].path for block in self.blocks for edits in block.axes.values()}
        variants = [name for block in self.blocks for name in block.variants]
        of_flags = [tuple(key.split(".")) for key in flags.axes]
        self._overrides, of_overrides = read_overrides(tree, axes, variants, of_flags)
        run = {key: tree.values[key] for key in Config.model_fields if key in tree.values}
        self.run = replace(tree, values=run)
        others = {key: value for key, value in tree.values.items() if key not in (*run, "sweep")}
        _, found = check(replace(tree, values={**ANY_RUN, **others}), ConfigFile)
        self.problems = [*document.problems, *problems, *refused, *found, *of_blocks, *of_overrides]

    def runs(self) -> Iterator[tuple[str | None, Tree]]:
        """The variant and the sections of each run of the sweep, outermost axis first."""
        for block in self.blocks:
            bundles: list[tuple[str | None, list[Edit]]] = [*block.variants.items()] or [(None, [])]
            for variant, edits in bundles:
                bundle = self.run.edited(edits)
                for values in itertools.product(*block.axes.values()):
                    # `loss.head` before `loss.head.margin`, which it would replace.
                    in_order_of_depth = sorted(values, key=lambda edit: len(edit.path))
                    yield variant, bundle.edited([*in_order_of_depth, *self.settings])

    def config_with(self, run: Tree, variant: str | None = None) -> tuple[Config | None, list[Problem]]:
        """The config of a run: `run` with what the overrides say of it."""
        if edits := edits_for(self._overrides, run, variant):
            # What the command line says again: it wins, and counts in the matching too.
            run = run.edited([*edits, *self.values, *self.settings])
        return check(run, Config)


def _settings_of_axes(given: _Given) -> list[Problem]:
    """A `--set` or `--device` of a key that the sweep varies would make all its runs the same."""
    problems = []
    for edit in (*given.values, *given.settings):
        for block in given.blocks:
            for key, edits in block.axes.items():
                if replaces_one_of(edit.path, [edits[0].path]):
                    flag = f"--{SHORT_NAMES[key]}" if key in SHORT_NAMES else f"--grid {key}=…"
                    message = f"the sweep varies {key}; give its values with {flag}"
                    problems.append(edit.origin.problem((), message))
            for name, bundle in block.variants.items():
                if replaces_one_of(edit.path, [each.path for each in bundle]):
                    message = f"the variant {name} of the sweep sets {dotted(edit.path)}; give it once"
                    problems.append(edit.origin.problem((), message))
    return problems
