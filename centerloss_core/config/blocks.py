"""The blocks of the `sweep` section: which values they give to which keys, and how their runs are launched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from centerloss_core.config.axes import ALPHA, LAMBDA, SEED, in_order
from centerloss_core.config.checking import check
from centerloss_core.config.flags import NAMES, axis_origin
from centerloss_core.config.overrides import ANY_RUN, problems_of_setting, rivals_among
from centerloss_core.config.problems import Problem, listed
from centerloss_core.config.schema import ConfigFile
from centerloss_core.config.sweep import DEFAULT_LAMBDAS, LAUNCH_KEYS, Sweep
from centerloss_core.config.tree import Edit, KeyPath, Source, Tree, dotted, edit_of
from centerloss_core.limits import SWEEP_POINTS


@dataclass(frozen=True)
class Block:
    """The product of some axes.

    Attributes:
        axes: an edit for each value, by dotted key; the outermost first.
        variants: the edits of each bundle of settings, by its name.
    """

    axes: dict[str, list[Edit]]
    variants: dict[str, list[Edit]]

    def __len__(self) -> int:
        return math.prod(map(len, self.axes.values())) * max(1, len(self.variants))


def as_asked(
    tree: Tree, axes: Mapping[str, Sequence[Any]], settings: Sequence[Edit]
) -> tuple[Tree, list[Problem]]:
    """The file with its sweep as the command line asks, and what that cannot have.

    Args:
        tree: the whole file.
        axes: the values of keys, in every block.
        settings: of `--set`, those of the sweep.
    """
    for place in _places_of_runs(tree):
        for key, values in axes.items():
            path = (*place, NAMES[key]) if key in (LAMBDA, ALPHA, SEED) else (*place, "grid", key)
            tree = tree.without((*place, "grid", key))
            tree = tree.edited([Edit(path, list(values), axis_origin(key, values))])
    problems: list[Problem] = []
    for edit in settings:
        key = str(edit.path[1])
        if not isinstance(tree.values.get("sweep"), list):
            tree = tree.edited([edit])
        elif key in LAUNCH_KEYS:
            place, *_ = _holders(tree, key) or _places(tree)
            tree = tree.edited([replace(edit, path=(*place, *edit.path[1:]))])
        else:
            message = f"the sweep of this file is a list; --set changes only {listed(LAUNCH_KEYS)} of it"
            problems.append(edit.problem(message))
    return tree, problems


def read_blocks(tree: Tree) -> tuple[list[Block], Sweep, list[Problem]]:
    """The blocks of a file's sweep, how its runs are launched, and what is wrong.

    There are no blocks where their form is wrong.
    """
    file, problems = check(
        replace(tree, values={**ANY_RUN, "sweep": tree.values.get("sweep", {})}), ConfigFile
    )
    if file is None:
        return [], Sweep(), problems
    sections = [file.sweep] if isinstance(file.sweep, Sweep) else list(file.sweep)
    names_none = not any(each.lambda_ or each.grid or each.variants for each in sections)
    blocks: list[Block] = []
    for place, section in zip(_places(tree), sections, strict=True):
        if place in _places_of_runs(tree):
            block, found = _read_block(tree, place, section, DEFAULT_LAMBDAS if names_none else ())
            blocks.append(block)
            problems += found
    for key in LAUNCH_KEYS:
        for place in _holders(tree, key)[1:]:
            message = f"also given by {dotted(_holders(tree, key)[0])}; give it once"
            problems.append(tree.origin((*place, key)).problem((*place, key), message))
    if (points := sum(map(len, blocks))) > SWEEP_POINTS:
        given = [edits[0].origin for block in blocks for edits in block.axes.values()]
        last = max([tree.origin(("sweep",)), *given], key=lambda origin: (origin.source, origin.line or 0))
        message = f"this sweep has {points} runs; at most {SWEEP_POINTS}"
        return [], Sweep(), [*problems, last.problem(("sweep",), message)]
    said = {
        key: getattr(each, key) for each in sections for key in LAUNCH_KEYS if key in each.model_fields_set
    }
    return blocks, Sweep.model_validate(said), problems


def _places(tree: Tree) -> list[KeyPath]:
    sweep = tree.values.get("sweep")
    return [("sweep", index) for index in range(len(sweep))] if isinstance(sweep, list) else [("sweep",)]


def _places_of_runs(tree: Tree) -> list[KeyPath]:
    """The blocks that have runs: of several, those that say more than how runs are launched."""
    contents = {place: tree.get(place) for place in _places(tree)}
    return [
        place
        for place, content in contents.items()
        if not content or not isinstance(content, dict) or not content.keys() <= set(LAUNCH_KEYS)
    ] or list(contents)


def _holders(tree: Tree, key: str) -> list[KeyPath]:
    """The blocks that have this key."""
    return [place for place in _places(tree) if tree.get((*place, key)) is not None]


def _read_block(
    tree: Tree, place: KeyPath, section: Sweep, default_lambdas: tuple[float, ...]
) -> tuple[Block, list[Problem]]:
    problems: list[Problem] = []
    lists: dict[str, Sequence[Any] | None] = {
        LAMBDA: section.lambda_ or default_lambdas,
        ALPHA: section.alpha,
        SEED: section.seed,
    }
    given = {key: ((*place, "grid", key), values) for key, values in section.grid.items()}
    for key, values in lists.items():
        if values:
            path = (*place, NAMES[key])
            if key in given:
                in_grid, _ = given[key]
                message = f"also given by {dotted(path)}; give it once"
                problems.append(tree.origin(in_grid).problem(in_grid, message))
            given[key] = path, tuple(values)
    axes = {
        key: [
            edit_of(key, value, tree.origin((*path, index)).at_least(Source.FLAG))
            for index, value in enumerate(values)
        ]
        for key, (path, values) in ((key, given[key]) for key in in_order(given))
    }
    problems += rivals_among([edits[0] for edits in axes.values()])
    for key, edits in list(axes.items()):
        if wrong := [each for edit in edits for each in problems_of_setting(edit, "an axis")]:
            problems += wrong
            del axes[key]
    variants: dict[str, list[Edit]] = {}
    for name in section.variants:
        edits = tree.settings_at((*place, "variants", name), Source.FLAG)
        problems += rivals_among(edits)
        variants[name] = []
        for edit in edits:
            wrong = problems_of_setting(edit, "a variant")
            if dotted(edit.path) in axes:
                wrong.append(edit.problem("the sweep also varies it apart; give it once"))
            problems += wrong
            variants[name] += [] if wrong else [edit]
    return Block(axes, variants), problems
