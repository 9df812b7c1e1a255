"""The blocks of the `sweep` section: which values they give to which keys, and how their runs are launched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from centerloss_core.config.axes import ALPHA, LAMBDA, SEED
from centerloss_core.config.flags import NAMES, axis_origin
from centerloss_core.config.overrides import ANY_RUN, problems_of_setting, rivals_among
from centerloss_core.config.problems import Problem, listed
from centerloss_core.config.schema import ConfigFile
from centerloss_core.config.sweep import DEFAULT_LAMBDAS, LAUNCH_KEYS, Sweep
from centerloss_core.config.tree import Edit, KeyPath, Source, Tree, dotted
from centerloss_core.limits import SWEEP_POINTS

_LISTS = {key: NAMES[key] for key in (LAMBDA, ALPHA, SEED)}


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


def read_blocks(
    tree: Tree, flags: Mapping[str, Sequence[Any]], settings: Sequence[Edit]
) -> tuple[list[Block], list[Problem]]:
    """The blocks of a file's sweep, and what is wrong with their keys and values.

    What is wrong with their form is left to the check of the whole file; there are no blocks then.

    Args:
        tree: the whole file, whose sweep is changed as the command line asks.
        flags: the values that the command line gives to keys, in every block.
        settings: what it says with `--set`.
    """
    for key, values in flags.items():
        for place in _places(tree):
            tree.remove((*place, "grid", key))
            path = (*place, _LISTS[key]) if key in _LISTS else (*place, "grid", key)
            tree.apply([Edit(path, list(values), axis_origin(key, values))])
    problems = _apply_settings(tree, settings)
    sections = read_sections(tree)
    if sections is None:
        return [], problems
    names_none = not any(each.lambda_ or each.grid or each.variants for each in sections)
    blocks: list[Block] = []
    for place, section in zip(_all_places(tree), sections, strict=True):
        if place in _places(tree):
            block, found = _read_block(tree, place, section, DEFAULT_LAMBDAS if names_none else ())
            blocks.append(block)
            problems += found
    problems += _launched_twice(tree)
    if (points := sum(map(len, blocks))) > SWEEP_POINTS:
        given = [
            tree.origin(("sweep",)),
            *(edits[0].origin for block in blocks for edits in block.axes.values()),
        ]
        last = max(given, key=lambda origin: (origin.source, origin.line or 0))
        message = f"this sweep has {points} runs; at most {SWEEP_POINTS}"
        return [], [*problems, last.problem(("sweep",), message)]
    return blocks, problems


def read_sections(tree: Tree) -> list[Sweep] | None:
    """The blocks as they are written; None where their form is wrong."""
    try:
        sweep = ConfigFile.model_validate({**ANY_RUN, "sweep": tree.values.get("sweep", {})}).sweep
    except ValidationError:
        return None
    return [sweep] if isinstance(sweep, Sweep) else list(sweep)


def _all_places(tree: Tree) -> list[KeyPath]:
    sweep = tree.values.get("sweep")
    return [("sweep", index) for index in range(len(sweep))] if isinstance(sweep, list) else [("sweep",)]


def _places(tree: Tree) -> list[KeyPath]:
    """The blocks that have runs: of several, those that say more than how runs are launched."""
    places = _all_places(tree)
    contents = [tree.get(place) for place in places]
    only_launch = [
        isinstance(each, dict) and bool(each) and set(each) <= set(LAUNCH_KEYS) for each in contents
    ]
    return [place for place, only in zip(places, only_launch, strict=True) if not only] or places


def _apply_settings(tree: Tree, settings: Sequence[Edit]) -> list[Problem]:
    problems: list[Problem] = []
    for edit in settings:
        if edit.path[0] != "sweep":
            continue
        key = edit.path[1]
        if not isinstance(tree.values.get("sweep"), list):
            tree.apply([edit])
        elif key in LAUNCH_KEYS:
            places = _all_places(tree)
            holder = next((place for place in places if key in tree.get(place, {})), places[0])
            tree.apply([replace(edit, path=(*holder, *edit.path[1:]))])
        else:
            message = f"the sweep of this file is a list; --set changes only {listed(LAUNCH_KEYS)} of it"
            problems.append(edit.origin.problem(edit.path, message))
    return problems


def _launched_twice(tree: Tree) -> list[Problem]:
    problems: list[Problem] = []
    for key in LAUNCH_KEYS:
        first, *others = [place for place in _all_places(tree) if key in tree.get(place, {})] or [()]
        for place in others:
            path = (*place, key)
            problems.append(tree.origin(path).problem(path, f"also given by {dotted(first)}; give it once"))
    return problems


def _read_block(
    tree: Tree, place: KeyPath, section: Sweep, default_lambdas: tuple[float, ...]
) -> tuple[Block, list[Problem]]:
    problems: list[Problem] = []
    axes: dict[str, list[Edit]] = {}
    lists = {LAMBDA: section.lambda_ or default_lambdas, ALPHA: section.alpha or (), SEED: section.seed or ()}
    for key in dict.fromkeys((LAMBDA, ALPHA, *(key for key in section.grid if key != SEED), SEED)):
        in_grid, in_list = (*place, "grid", key), (*place, _LISTS.get(key, key))
        values = lists.get(key, ())
        if values and key in section.grid:
            message = f"also given by {dotted(in_list)}; give it once"
            problems.append(tree.origin(in_grid).problem(in_grid, message))
        if values or key in section.grid:
            axes[key] = _edits(tree, in_list if values else in_grid, key, values or section.grid[key])
    problems += rivals_among([edits[0] for edits in axes.values()])
    for key, edits in list(axes.items()):
        if wrong := [each for edit in edits for each in problems_of_setting(edit, "an axis")]:
            problems += wrong
            del axes[key]
    variants: dict[str, list[Edit]] = {}
    for name, settings in section.variants.items():
        edits = [
            edit
            for key, value in settings.items()
            for edit in _edits(tree, (*place, "variants", name, key), key, [value])
        ]
        problems += rivals_among(edits)
        variants[name] = []
        for edit in edits:
            wrong = problems_of_setting(edit, "a variant")
            if dotted(edit.path) in axes:
                wrong.append(edit.origin.problem(edit.path, "the sweep also varies it apart; give it once"))
            problems += wrong
            variants[name] += [] if wrong else [edit]
    return Block(axes, variants), problems


def _edits(tree: Tree, path: KeyPath, key: str, values: Sequence[Any]) -> list[Edit]:
    """An edit for each value; it wins over the file, in which it may stand before what it changes."""
    edits = []
    for index, value in enumerate(values):
        origin = tree.origin((*path, index))
        edits.append(
            Edit(tuple(key.split(".")), value, replace(origin, source=max(origin.source, Source.FLAG)))
        )
    return edits
