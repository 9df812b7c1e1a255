"""From pydantic's errors to problems: where, what is allowed there, what was received, what was meant."""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Discriminator, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from centerloss_core.config.base import RULE, Named, Says
from centerloss_core.config.documents import is_number
from centerloss_core.config.problems import Problem, listed, shown
from centerloss_core.config.schema import Config, ConfigFile
from centerloss_core.config.tree import Edit, KeyPath, Tree, dotted

Checked = TypeVar("Checked", bound=Config)

_NOUNS = {int: "an integer", float: "a number", bool: "true or false", str: "text", types.NoneType: "null"}
_BOOLEANS = dict.fromkeys(("yes", "on", "y"), "true") | dict.fromkeys(("no", "off", "n"), "false")
_BOOLEANS |= dict.fromkeys(("true", "false"), "it without quotes")


def check(tree: Tree, model: type[Checked]) -> tuple[Checked | None, list[Problem]]:
    """The config or config file that the tree describes, or None and everything that is wrong with it."""
    checked, errors = _validate(tree.values, model)
    return checked, [_problem(tree, error) for error in (*errors, *_rules_behind(tree, errors, model))]


def check_edit(edit: Edit) -> list[Problem]:
    """What is wrong with the key and the value of an edit, whatever else a whole config has or needs."""
    around: Any = ConfigFile
    for depth, part in enumerate(edit.path):
        if _names(around):  # which settings it has depends on its name
            if part in _fields(around):
                return []
            return [edit.origin.problem(edit.path[: depth + 1], _unknown_key(edit.path, around))]
        around = _annotation_of(around, part)
    tree = Tree({}, {(): edit.origin}).edited([edit])
    _, errors = _validate(tree.values, ConfigFile)
    return [_problem(tree, error) for error in errors if error["type"] != "missing" and not _rule_keys(error)]


def _validate(values: dict[str, Any], model: type[Checked]) -> tuple[Checked | None, list[ErrorDetails]]:
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
        # Pydantic also calls a list too short when its items are wrong; that is no second mistake.
        inside = {error["loc"][:depth] for error in errors for depth in range(len(error["loc"]))}
        return None, [each for each in errors if each["type"] != "too_short" or each["loc"] not in inside]


def _rules_behind(tree: Tree, errors: list[ErrorDetails], model: type[Config]) -> list[ErrorDetails]:
    """Broken rules between values that pydantic did not get to, because a single value was wrong.

    Found by leaving the wrong values out and looking again.
    """
    if not errors:
        return []
    wrong = {_path(error) for error in errors}
    for path in wrong:
        # The whole list for one of its items; sections themselves stay.
        keys = tuple(key for key in path if isinstance(key, str)) if path[0] != "overrides" else path[:1]
        if len(keys) > 1 or keys == ("overrides",):
            tree = tree.without(keys)
    _, again = _validate(tree.values, model)
    return [
        error
        for error in again
        if _rule_keys(error)
        and _path(error) not in wrong
        and not any((*_path(error), key) in wrong for key in _rule_keys(error))
    ]


def _path(error: ErrorDetails) -> KeyPath:
    return _walk(error["loc"])[0]


def _walk(location: tuple[str | int, ...]) -> tuple[KeyPath, Any, Any]:
    """The path of pydantic's location, the annotation there, and that of the mapping or list around it.

    Behind the key of a union whose branches have tags, a location holds the tag of the branch that was taken.
    """
    path: list[str | int] = []
    around: Any = None
    annotation = taken = ConfigFile
    for part in location:
        branches = _tagged(taken)
        if part in branches:
            taken = branches[part]
        else:
            path.append(part)
            around, annotation = taken, _annotation_of(taken, part)
            taken = annotation
    return tuple(path), annotation, around


def _rule_keys(error: ErrorDetails) -> tuple[str, ...]:
    """The keys that a rule between values concerns; none for an error in a single value."""
    keys: tuple[str, ...] = error["ctx"]["keys"] if error["type"] == RULE else ()
    return keys


def _problem(tree: Tree, error: ErrorDetails) -> Problem:
    path, annotation, around = _walk(error["loc"])
    value = error["input"]
    if error["type"] == RULE:
        path = _latest(tree, path, _rule_keys(error))
        message = error["msg"]
    elif error["type"] == "extra_forbidden":
        message = _unknown_key(path, around)
    elif error["type"] == "missing":
        message = f"missing; expected {_describe(annotation)}"
    else:
        if path[-1:] == ("name",) and isinstance(
            tree.get(path[:-1]), str
        ):  # of a `Named`: only its name is there
            path, annotation = path[:-1], around
        elif error["type"] == "union_tag_invalid" and isinstance(value, dict):
            path, annotation, value = (*path, "name"), Literal[*_names(annotation)], value["name"]
        message = f"expected {_describe(annotation)}; received {shown(value)}{_hint(annotation, value)}"
    return tree.origin(path).problem(path, message)


def _latest(tree: Tree, path: KeyPath, keys: tuple[str, ...]) -> KeyPath:
    """Of the keys that break a rule together, the one to blame: the last to be given."""
    found = [tree.nearest((*path, key)) for key in keys]
    given = {key: (origin.source, origin.line or 0) for key, origin in found if len(key) > len(path)}
    return max(given, key=lambda key: given[key], default=path)


def _unknown_key(path: KeyPath, around: Any) -> str:
    allowed = list(_fields(around))
    meant = _nearest(str(path[-1]), allowed) or _same_key_elsewhere(path)
    hint = f"; did you mean {meant!r}?" if meant else "."
    return f"unknown key{hint} Allowed here: {listed(allowed)}"


def _same_key_elsewhere(path: KeyPath) -> str | None:
    """`epochs` at the top level, or `loss.seed`, is a known key in the wrong place."""
    for section in ("data", "model", "loss", "train"):
        if path[-1] in _fields(_annotation_of(ConfigFile, section)):
            return dotted((section, path[-1]))
    return None


def _nearest(word: str, words: list[str]) -> str | None:
    """`batchsize` is near `batch_size`; so is `Batch-Size`."""
    near = difflib.get_close_matches(word[:64].lower().replace("-", "_"), words, n=1)
    return near[0] if near else None


def _annotation_of(annotation: Any, part: str | int) -> Any:
    """The annotation of a key or an item of this, with its constraints; None where there is no such key."""
    if isinstance(part, int):
        return next((get_args(kind)[0] for kind in _kinds(annotation) if get_origin(kind) is tuple), None)
    for kind in _kinds(annotation):
        if get_origin(kind) is dict:
            return get_args(kind)[1]
    field = _fields(annotation).get(part)
    if field is None or not field.metadata:
        return field and field.annotation
    return Annotated[field.annotation, *field.metadata]


def _tagged(annotation: Any) -> dict[str | int, Any]:
    """The branches of a union by their tags, where it is one that has them."""
    if get_origin(annotation) is not Annotated or not any(
        isinstance(each, Discriminator) for each in get_args(annotation)[1:]
    ):
        return {}
    return {
        each.tag: branch
        for branch in get_args(get_args(annotation)[0])
        for each in get_args(branch)[1:]
        if isinstance(each, Tag)
    }


def _fields(annotation: Any) -> dict[str, FieldInfo]:
    """The keys of the mapping that is allowed here."""
    models = [kind for kind in _kinds(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return {field.alias or name: field for model in models for name, field in model.model_fields.items()}


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types that a value may have: the branches of a union, without their constraints."""
    if get_origin(annotation) is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for branch in get_args(annotation):
            yield from _kinds(branch)
    else:
        yield annotation


def _describe(annotation: Any) -> str:
    """What is allowed, in words: `an integer ≥ 1 or null`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if names := _names(annotation):
        return f"{_one_of(names)}, or a mapping {{name: …}}"
    if origin is Annotated:
        return _describe_constrained(arguments[0], _constraints(arguments[1:]))
    if origin in (Union, types.UnionType):
        # null first: "a list, each item an integer or null" would be read wrongly.
        branches = sorted(arguments, key=lambda branch: branch is not types.NoneType)
        return " or ".join(_describe(branch) for branch in branches)
    if origin is tuple:
        return f"a list, each item {_describe(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"a mapping with the keys {listed(_fields(annotation))}"
    return _one_of(arguments) if origin is Literal else _NOUNS[annotation]


def _one_of(words: Sequence[str]) -> str:
    return f"one of {listed(words)}" if len(words) > 1 else words[0]


def _names(annotation: Any) -> list[str]:
    """The names of the `Named` that are allowed here."""
    return [
        kind.model_fields["name"].default
        for kind in _kinds(annotation)
        if isinstance(kind, type) and issubclass(kind, Named)
    ]


def _describe_constrained(kind: Any, constraints: list[Any]) -> str:
    words = next((each.text for each in constraints if isinstance(each, Says)), None)
    if words is not None:
        return words
    described = _describe(kind)
    if any(hasattr(each, "min_length") for each in constraints):
        described = described.replace("a list", "a non-empty list", 1)
    bounds = {name: getattr(each, name) for each in constraints for name in _SIGNS if hasattr(each, name)}
    if bounds.keys() == {"ge", "le"}:
        return f"{described} from {bounds['ge']} to {bounds['le']}"
    limits = " and ".join(f"{_SIGNS[name]} {bound}" for name, bound in bounds.items())
    return f"{described} {limits}".rstrip()


_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def _constraints(metadata: tuple[Any, ...]) -> list[Any]:
    """The constraints themselves, also those inside a `Field(...)`."""
    return [
        inner for each in metadata for inner in (each.metadata if isinstance(each, FieldInfo) else (each,))
    ]


def _hint(annotation: Any, value: object) -> str:
    """What the author probably meant."""
    kinds = list(_kinds(annotation))
    if isinstance(value, str):
        return _hint_for_text(kinds, value)
    if isinstance(value, float) and not math.isfinite(value):
        return "; it must be finite"
    if isinstance(value, float) and int in kinds and value.is_integer():
        return f"; write {int(value)}"
    if isinstance(value, int | float) and any(get_origin(kind) is tuple for kind in kinds):
        return f"; write [{shown(value)}]"
    return ""


def _hint_for_text(kinds: list[Any], value: str) -> str:
    word = value.strip().lower()
    if bool in kinds:
        return f"; write {_BOOLEANS[word]}" if word in _BOOLEANS else ""
    if types.NoneType in kinds and word in {"none", "null", "nil"}:
        return "; write null"
    if int in kinds or float in kinds:
        return _hint_for_number(value.strip())
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    meant = _nearest(value, [*choices, *(name for kind in kinds for name in _names(kind))])
    return f"; did you mean {meant!r}?" if meant else ""


def _hint_for_number(text: str) -> str:
    if is_number(text):
        return "; write it without quotes"
    plain = text.replace("_", "").replace(",", "")
    if plain != text and is_number(plain):
        return f"; write {plain}"
    digits = text.lstrip("+-").lstrip("0")
    if text.lstrip("+-")[:1] == "0" and digits[:1] not in ("+", "-") and is_number(digits):
        return "; write a number without leading zeros"
    return ""
