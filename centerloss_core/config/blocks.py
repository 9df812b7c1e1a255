"""The blocks of the `sweep` section: which values they give to which keys, and how their runs are launched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from centerloss_core.config.axes import ALPHA, LAMBDA, SEED, SHORT_NAMES, in_order
from centerloss_core.config.checking import check
from centerloss_core.config.flags import axis_origin
from centerloss_core.config.overrides import ANY_RUN, problems_of_setting, rivals_among
from centerloss_core.config.problems import Problem
from centerloss_core.config.schema import ConfigFile
from centerloss_core.config.sweep import DEFAULT_LAMBDAS, LAUNCH_KEYS, Sweep
from centerloss_core.config.tree import RIVALS, Edit, KeyPath, Tree, dotted, edit_of
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
    rivals = [dotted(theirs) for ours, theirs in RIVALS.items() if dotted(ours) in axes]
    for place in _places_of_runs(tree):
        for key in (*axes, *rivals):
            tree = tree.without((*place, "grid", key))
        for key, values in axes.items():
            path = (*place, SHORT_NAMES[key]) if key in SHORT_NAMES else (*place, "grid", key)
            tree = tree.edited([Edit(path, list(values), axis_origin(key, values))])
    problems: list[Problem] = []
    for edit in settings:
        key = str(edit.path[1])
        if not isinstance(tree.values.get("sweep"), list):
            tree = tree.edited([edit])
        elif key in LAUNCH_KEYS:
            place, *_ = _holders(tree, key) or _blocks(tree)
            tree = tree.edited([replace(edit, path=(*place, *edit.path[1:]))])
        else:
            message = f"the sweep of this file is a list; --set changes only {', '.join(LAUNCH_KEYS)} of it"
            problems.append(edit.problem(message))
    return tree, problems


def read_blocks(tree: Tree) -> tuple[list[Block], Sweep, list[Problem]]:
    """The blocks of a file's sweep, how its runs are launched, and what is wrong.

    There are no blocks where their form is wrong.
    """
    sweep = tree.values.get("sweep", {})
    file, problems = check(replace(tree, values={**ANY_RUN, "sweep": sweep}), ConfigFile)
    if file is None:
        return [], Sweep(), problems
    sections = [file.sweep] if isinstance(file.sweep, Sweep) else list(file.sweep)
    names_none = not any(each.lambda_ or each.grid or each.variants for each in sections)
    # Without a term λ changes nothing, and without a head the run needs the λ it has.
    of_loss = [tree.get(("loss", part)) for part in ("head", "term")]
    varies_lambda = names_none and not any(part in ("none", {"name": "none"}) for part in of_loss)
    blocks: list[Block] = []
    for place, section in zip(_blocks(tree), sections, strict=True):
        if place in _places_of_runs(tree):
            block, found = _read_block(tree, place, section, DEFAULT_LAMBDAS if varies_lambda else ())
            blocks.append(block)
            problems += found
    for key in LAUNCH_KEYS:
        for place in _holders(tree, key)[1:]:
            message = f"also given by {dotted(_holders(tree, key)[0])}; give it once"
            problems.append(tree.origin((*place, key)).problem((*place, key), message))
    if (points := sum(map(len, blocks))) > SWEEP_POINTS:
        # What was given last: a flag, or the last of the lines.
        given = [edits[0].origin for block in blocks for edits in block.axes.values()]
        last = max([tree.origin(("sweep",)), *given], key=lambda each: (each.line is None, each.line or 0))
        message = f"this sweep has {points} runs; at most {SWEEP_POINTS}"
        return [], Sweep(), [*problems, last.problem(("sweep",), message)]
    launch = {
        key: getattr(each, key) for each in sections for key in LAUNCH_KEYS if key in each.model_fields_set
    }
    return blocks, Sweep.model_validate(launch), problems


def _blocks(tree: Tree) -> dict[KeyPath, Any]:
    """What each block says, by its place."""
    sweep = tree.values.get("sweep")
    return (
        {("sweep", index): each for index, each in enumerate(sweep)}
        if isinstance(sweep, list)
        else {("sweep",): sweep}
    )


def _places_of_runs(tree: Tree) -> list[KeyPath]:
    """The blocks that have runs: of several, those that say more than how runs are launched."""
    blocks = _blocks(tree)
    return [
        place
        for place, content in blocks.items()
        if not content or not isinstance(content, dict) or not content.keys() <= set(LAUNCH_KEYS)
    ] or list(blocks)


def _holders(tree: Tree, key: str) -> list[KeyPath]:
    """The blocks that have this key."""
    return [place for place in _blocks(tree) if tree.get((*place, key)) is not None]


def _read_block(
    tree: Tree, place: KeyPath, section: Sweep, default_lambdas: tuple[float, ...]
) -> tuple[Block, list[Problem]]:
    problems: list[Problem] = []
    given: dict[str, tuple[KeyPath, Sequence[Any]]] = {
        key: ((*place, "grid", key), values) for key, values in section.grid.items()
    }
    lists: dict[str, Sequence[Any] | None] = {
        LAMBDA: section.lambda_ or default_lambdas,
        ALPHA: section.alpha,
        SEED: section.seed,
    }
    for key, values in lists.items():
        if values:
            path = (*place, SHORT_NAMES[key])
            if key in given:
                in_grid, _ = given[key]
                problems.append(
                    tree.origin(in_grid).problem(in_grid, f"also given by {dotted(path)}; give it once")
                )
            given[key] = path, values
    axes: dict[str, list[Edit]] = {}
    for key in in_order(given):
        path, values = given[key]
        axes[key] = [edit_of(key, value, tree.origin((*path, index))) for index, value in enumerate(values)]
    problems += rivals_among([edits[0] for edits in axes.values()])
    for key, edits in list(axes.items()):
        if wrong := [each for edit in edits for each in problems_of_setting(edit, "an axis")]:
            problems += wrong
            del axes[key]
    variants: dict[str, list[Edit]] = {}
    for name in section.variants:
        edits = tree.settings_at((*place, "variants", name))
        problems += rivals_among(edits)
        variants[name] = []
        for edit in edits:
            wrong = problems_of_setting(edit, "a variant")
            if dotted(edit.path) in axes:
                wrong.append(edit.problem("the sweep also varies it apart; give it once"))
            problems += wrong
            variants[name] += [] if wrong else [edit]
    return Block(axes, variants), problems
