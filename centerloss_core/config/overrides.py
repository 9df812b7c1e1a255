"""The `overrides` of a config file: which runs they are for, and what they set."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from centerloss_core.config.axes import VARIANT, canonical, value_of
from centerloss_core.config.checking import check_edit, section_meant
from centerloss_core.config.flags import TOO_DEEP
from centerloss_core.config.problems import Problem, shown
from centerloss_core.config.schema import Config
from centerloss_core.config.tree import RIVALS, Edit, KeyPath, Tree, dotted
from centerloss_core.limits import CONFIG_NESTING, OVERRIDDEN_VALUES

# Enough of a run for everything else to have its default.
ANY_RUN = {"data": {"name": "mnist"}, "train": {"epochs": 1}}
_MISSING: Any = object()


@dataclass(frozen=True)
class Override:
    """An override: what a run must be, by dotted key and as text, and edits that know their line."""

    when: dict[str, str]
    edits: list[Edit]


def edits_for(overrides: Sequence[Override], run: Tree, variant: str | None) -> list[Edit]:
    """What the overrides that match a run set, each key once: the last one wins."""
    texts: dict[str, tuple[str, ...]] = {VARIANT: (canonical(variant),)}
    edits: dict[KeyPath, Edit] = {}
    for override in overrides:
        for key in override.when:
            if key not in texts:
                texts[key] = _texts(_value_at(run, tuple(key.split("."))))
        if all(text in texts[key] for key, text in override.when.items()):
            for edit in override.edits:
                edits.pop(edit.path, None)
                edits[edit.path] = edit
    return list(edits.values())


def read_overrides(
    tree: Tree, axes: Collection[KeyPath], variants: Collection[str], flags: Collection[KeyPath] = ()
) -> tuple[list[Override], list[Problem]]:
    """The overrides of a file, and what is wrong with their keys and values, whether they match or not.

    What is wrong with their form is left to the check of the whole file.

    Args:
        tree: the whole file.
        axes: the keys that the sweep varies, which no override may set.
        variants: the names of the sweep's variants.
        flags: those of the keys that the command line varies; it wins over what overrides set.
    """
    overrides: list[Override] = []
    problems: list[Problem] = []
    items = tree.values.get("overrides")
    places: list[KeyPath] = [
        ("overrides", index) for index in range(len(items) if isinstance(items, list) else 0)
    ]
    given = {*flags, *(RIVALS[key] for key in flags if key in RIVALS)}
    forms = [
        (
            tree.settings_at((*place, "when")),
            [each for each in tree.settings_at((*place, "set")) if each.path not in given],
        )
        for place in places
    ]
    chosen_by = {edit.path for conditions, _ in forms for edit in conditions}
    values = 0
    for place, (conditions, edits) in zip(places, forms, strict=True):
        values += max(len(conditions), len(edits))
        if values > OVERRIDDEN_VALUES:
            message = f"more than {OVERRIDDEN_VALUES} values are set by overrides"
            return [], [*problems, tree.origin((*place, "set")).problem(("overrides",), message)]
        problems += _problems_of_conditions(conditions, variants)
        for edit in edits:
            if edit.path in chosen_by:
                problems.append(edit.problem("an override cannot set what overrides are chosen by"))
            elif replaces_one_of(edit.path, axes):
                problems.append(edit.problem("an override cannot set what the sweep varies"))
            else:
                problems += problems_of_setting(edit, "an override")
        problems += rivals_among(edits)
        # A key of thousands of parts would become a mapping too deep to walk.
        if conditions:
            texts = {dotted(edit.path): _texts(edit.value)[-1] for edit in conditions}
            overrides.append(Override(texts, [edit for edit in edits if len(edit.path) <= CONFIG_NESTING]))
    return overrides, problems


def problems_of_setting(edit: Edit, setter: str) -> list[Problem]:
    """What is wrong with a dotted key and its value; `setter`, such as "an override", sets it."""
    section = edit.path[0]
    if len(edit.path) > CONFIG_NESTING:
        return [edit.problem(TOO_DEEP)]
    if section in {"sweep", "overrides"}:
        return [edit.problem(f"{setter} cannot set the section {section}")]
    if len(edit.path) == 1:
        meant = section_meant(section)
        hint = f"; did you mean {meant!r}?" if meant else ""
        return [edit.problem(f"expected a dotted key such as train.iterations{hint}")]
    return check_edit(edit)


def rivals_among(edits: Collection[Edit]) -> list[Problem]:
    """Epochs and iterations, where both are set at once."""
    paths = [edit.path for edit in edits]
    return [
        edit.problem("give either epochs or iterations, not both")
        for number, edit in enumerate(edits)
        if RIVALS.get(edit.path) in paths[:number]
    ]


def replaces_one_of(path: KeyPath, keys: Collection[KeyPath]) -> bool:
    """Whether what is put at this path takes the place of what was put at one of these keys."""
    return any(key[: len(path)] == path or RIVALS.get(path) == key for key in keys)


def _problems_of_conditions(conditions: list[Edit], variants: Collection[str]) -> list[Problem]:
    problems: list[Problem] = []
    for edit in conditions:
        if edit.path != (VARIANT,):
            problems += problems_of_setting(edit, "a condition")
        elif edit.value not in variants:
            known = f"expected one of {', '.join(variants)}" if variants else "the sweep has no variants"
            problems.append(edit.problem(f"{known}; received {shown(edit.value)}"))
    return problems


def _value_at(run: Tree, path: KeyPath) -> Any:
    """The value of a run that may not be complete yet: its own, or the default."""
    for depth in range(len(path), 0, -1):
        value = run.get(path[:depth], _MISSING)
        if value is not _MISSING and depth == len(path):
            return value
        if value is not _MISSING and not isinstance(value, dict):
            return _MISSING  # there is nothing below null
    return value_of(_defaults(), dotted(path), _MISSING)


@cache
def _defaults() -> dict[str, Any]:
    defaults = Config.model_validate(ANY_RUN).settings()
    return {key: value for key, value in defaults.items() if key not in ("data.name", "train.epochs")}


def _texts(value: Any) -> tuple[str, ...]:
    """What a condition may say of a value; of a mapping with a name, the name too."""
    named = isinstance(value, dict) and isinstance(value.get("name"), str)
    return (canonical(value), canonical(value["name"])) if named else (canonical(value),)
