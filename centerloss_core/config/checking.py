"""From pydantic's errors to problems: where, what is allowed there, what was received, what was meant."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import TaggedUnionSchema

from centerloss_core.config.axes import SHORT_NAMES
from centerloss_core.config.base import RULE
from centerloss_core.config.documents import is_number, parse
from centerloss_core.config.other_names import OTHER_NAMES
from centerloss_core.config.problems import ConfigError, Problem, nearest, shortened, shown
from centerloss_core.config.schema import Config, ConfigFile
from centerloss_core.config.tree import Edit, KeyPath, Origin, Tree, dotted
from centerloss_core.formatting import plain_setting

Checked = TypeVar("Checked", bound=Config)
Allowed = dict[str, Any]  # a JSON schema: what may stand at a place

_NOUNS = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "null": "null",
}
_THOUSANDS = re.compile(r"[-+]?[0-9]{1,3}(,[0-9]{3})+")
_SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_BOOLEANS = dict.fromkeys(("yes", "on", "y"), "true") | dict.fromkeys(("no", "off", "n"), "false")
_BOOLEANS |= dict.fromkeys(("true", "false"), "it without quotes")


def check(tree: Tree, model: type[Checked]) -> tuple[Checked | None, list[Problem]]:
    """The config or config file that the tree describes, or None and everything that is wrong with it."""
    checked, errors = _validate(tree.values, model)
    return checked, [_problem(tree, error) for error in (*errors, *_rules_behind(tree, errors, model))]


def check_edit(edit: Edit) -> list[Problem]:
    """What is wrong with the key and the value of an edit, whatever else a whole config has or needs."""
    around = _file()
    for depth, part in enumerate(edit.path):
        if _names(around):  # which settings it has depends on its name
            if part in _fields(around):
                return []
            return [edit.origin.problem(edit.path[: depth + 1], _unknown_key(edit.path, around))]
        around = _inside(around, part)
    tree = Tree({}, {(): edit.origin}).edited([edit])
    _, errors = _validate(tree.values, ConfigFile)
    return [_problem(tree, error) for error in errors if error["type"] != "missing" and not _rule_keys(error)]


def section_meant(key: str | int) -> str | None:
    """`train.epochs` for `epochs`: a known key without its section, in the wrong one, or as other programs call it."""
    sections = (section for section in Config.model_fields if key in _fields(_inside(_file(), section)))
    return next((f"{section}.{key}" for section in sections), None) or OTHER_NAMES.get(str(key))


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
    wrong = {_walk(error)[0] for error in errors}
    for path in wrong:
        # The whole list for one of its items; sections themselves stay.
        keys = tuple(key for key in path if isinstance(key, str)) if path[:1] != ("overrides",) else path[:1]
        if len(keys) > 1 or keys == ("overrides",):
            tree = tree.without(keys)
            wrong = wrong | {keys}
    _, again = _validate(tree.values, model)
    found = [(error, _walk(error)[0]) for error in again]
    return [
        error
        for error, path in found
        if (keys := _rule_keys(error))
        and wrong.isdisjoint([path, *((*path, *key.split(".")) for key in keys)])
    ]


def _rule_keys(error: ErrorDetails) -> tuple[str, ...]:
    """The keys that a rule between values concerns; none for an error in a single value."""
    keys: tuple[str, ...] = error["ctx"]["keys"] if error["type"] == RULE else ()
    return keys


def _problem(tree: Tree, error: ErrorDetails) -> Problem:
    path, allowed, around = _walk(error)
    value = error["input"]
    if error["type"] == RULE:
        path = tree.last_given(path, _rule_keys(error))
        message = error["msg"]
    elif error["type"] == "extra_forbidden":
        message = _unknown_key(path, around)
    elif error["type"] == "union_tag_not_found":
        path, message = (*path, "name"), f"missing; expected {_one_of(_names(allowed))}"
    elif error["type"] == "missing":
        message = f"missing; expected {_in_words(allowed)}"
    else:
        if error["type"] == "union_tag_invalid":
            path, allowed, around = (*path, "name"), {"enum": _names(allowed)}, allowed
            value = value["name"]
        if path[-1:] == ("name",) and isinstance(tree.get(path[:-1]), str):
            path, allowed = path[:-1], around  # a `Named` of which only the name was given
        hint = _several(path, allowed, value) or _hint(allowed, value)
        message = f"expected {_in_words(allowed)}; received {shown(value)}{hint}"
    return tree.origin(path).problem(path, message)


def _unknown_key(path: KeyPath, around: Allowed) -> str:
    keys = list(_fields(around))
    meant = nearest(str(path[-1]), keys) or section_meant(path[-1])
    hint = f"; did you mean {meant!r}?" if meant else "."
    if meant == dotted(path):  # a setting of the section under another name
        others = [kind for kind in _branches(_inside(_file(), path[0])) if path[-1] in _fields(kind)]
        hint = f" for this name; it belongs to {', '.join(name for kind in others for name in _names(kind))}."
    return f"unknown key{hint} Allowed here: {', '.join(keys)}"


# ---- What the schema allows ----------------------------------------------------------------------------------


class _WithTags(GenerateJsonSchema):
    """JSON schemas that keep the tags of unions, which are in the location of an error, and the order of keys."""

    def tagged_union_schema(self, schema: TaggedUnionSchema) -> JsonSchemaValue:
        return {"tags": {tag: self.generate_inner(branch) for tag, branch in schema["choices"].items()}}

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value


@cache
def _file() -> Allowed:
    """What a whole file may be."""
    return ConfigFile.model_json_schema(schema_generator=_WithTags)


def _walk(error: ErrorDetails) -> tuple[KeyPath, Allowed, Allowed]:
    """The path of an error, what is allowed there, and what in the mapping or list around it.

    Behind the key of a union whose branches have tags, pydantic's location holds the tag of the branch that was taken.
    """
    path: list[str | int] = []
    around: Allowed = {}
    allowed = taken = _file()
    for part in error["loc"]:
        if part in (tags := _tags(taken)):
            taken = tags[part]
        else:
            path.append(part)
            around, allowed = taken, _inside(taken, part)
            taken = allowed
    return tuple(path), allowed, around


def _tags(allowed: Allowed) -> Allowed:
    """The branches of a union by their tags, also of one that may be null."""
    inner = allowed.get("anyOf", ())
    return dict(allowed.get("tags", {})) | {tag: kind for each in inner for tag, kind in _tags(each).items()}


def _branches(allowed: Allowed) -> list[Allowed]:
    """The kinds of values that are allowed: the branches of a union, each without those of its own."""
    if reference := allowed.get("$ref"):
        return _branches(_file()["$defs"][reference.rpartition("/")[2]])
    inner = allowed.get("anyOf") or list(allowed.get("tags", {}).values())
    return [kind for branch in inner for kind in _branches(branch)] if inner else [allowed]


def _inside(allowed: Allowed, part: str | int) -> Allowed:
    """What is allowed at a key or an item of this; nothing is said of one that is not known."""
    for kind in _branches(allowed):
        if isinstance(part, int) and "items" in kind:
            return dict(kind["items"])
        if isinstance(kind.get("additionalProperties"), dict):
            return dict(kind["additionalProperties"])
    return dict(_fields(allowed).get(str(part), {}))


def _fields(allowed: Allowed) -> dict[str, Allowed]:
    """The keys of the mapping that is allowed here."""
    return {key: value for kind in _branches(allowed) for key, value in kind.get("properties", {}).items()}


def _names(allowed: Allowed) -> list[str]:
    """The names of the `Named` that are allowed here."""
    names = (kind.get("properties", {}).get("name", {}).get("const") for kind in _branches(allowed))
    return [name for name in names if name is not None]


def _choices(kind: Allowed) -> list[str]:
    return list(kind.get("enum", [kind["const"]] if "const" in kind else []))


def _in_words(allowed: Allowed) -> str:
    """What is allowed, in words: `null or an integer ≥ 1`."""
    if names := _names(allowed):
        if all("name" in kind.get("required", ()) for kind in _branches(allowed)):
            return f"a mapping with a name, {_one_of(names)}"
        return f"{_one_of(names)}, or a mapping {{name: …}}"
    # null first: "a list, each item an integer or null" would be read wrongly.
    kinds = sorted(_branches(allowed), key=lambda kind: kind.get("type") != "null")
    return " or ".join(map(_kind_in_words, kinds))


def _kind_in_words(kind: Allowed) -> str:
    if "says" in kind:
        return str(kind["says"])
    if "properties" in kind:
        return f"a mapping with the keys {', '.join(kind['properties'])}"
    if choices := _choices(kind):
        return _one_of(choices)
    if kind["type"] == "array":
        return f"a {'non-empty ' if 'minItems' in kind else ''}list, each item {_in_words(kind['items'])}"
    bounds = {key: kind[key] for key in _SIGNS if key in kind}
    if bounds.keys() == {"minimum", "maximum"}:
        return f"{_NOUNS[kind['type']]} from {bounds['minimum']} to {bounds['maximum']}"
    limits = " and ".join(f"{_SIGNS[key]} {bound}" for key, bound in bounds.items())
    return f"{_NOUNS[kind['type']]} {limits}".rstrip()


def _one_of(words: Sequence[str]) -> str:
    return f"one of {', '.join(words)}" if len(words) > 1 else words[0]


# ---- What the author probably meant --------------------------------------------------------------------------


def several_values(path: KeyPath, text: str) -> str:
    """What to write for several values of a key, `text` with commas between them."""
    key = dotted(path)
    option = (
        f"--{SHORT_NAMES[key]} {text}" if key in SHORT_NAMES else f"--grid {shlex.quote(f'{key}={text}')}"
    )
    return f"several values need a sweep: cl sweep {option}"


def _several(path: KeyPath, allowed: Allowed, value: object) -> str:
    """The hint for a value that is several: `32,64`, or a list of what may stand here."""
    text = ",".join(map(plain_setting, value)) if isinstance(value, list) else value
    if isinstance(path[-1], int):  # an axis changes whole lists, not an item of one
        return ""
    if path[0] not in Config.model_fields or not isinstance(text, str) or shortened(text) != text:
        return ""
    try:
        values, _, problems = parse(f"[{text}]", lambda _: Origin(""))
    except ConfigError:
        return ""
    if problems or len(values) < 2 or _THOUSANDS.fullmatch(text):
        return ""
    types = {kind.get("type") for kind in _branches(allowed)}
    if types & {"integer", "number"}:
        fits = all(type(each) in (int, float) for each in values)
    else:
        fits = not any(check_edit(Edit(path, each, Origin(""))) for each in values)
    decimal = "decimals have a point; " if "number" in types and len(values) == 2 else ""
    return f"; {decimal}{several_values(path, text)}" if fits else ""


def _hint(allowed: Allowed, value: object) -> str:
    types = {kind.get("type") for kind in _branches(allowed)}
    if isinstance(value, str):
        return _hint_for_text(allowed, types, value)
    if isinstance(value, float) and not math.isfinite(value):
        return "; it must be finite"
    if isinstance(value, float) and "integer" in types and value.is_integer():
        return f"; write {int(value)}"
    if isinstance(value, int | float) and "array" in types:
        fewest = max(int(kind.get("minItems", 0)) for kind in _branches(allowed))
        return f"; write [{', '.join([shown(value)] * fewest)}]" if fewest else ""
    return ""


def _hint_for_text(allowed: Allowed, types: set[str | None], value: str) -> str:
    word = value.strip().lower()
    if "boolean" in types:
        return f"; write {_BOOLEANS[word]}" if word in _BOOLEANS else ""
    if "null" in types and word in {"none", "null", "nil"}:
        return "; write null"
    if "array" in types and "," in value:
        return f"; write [{shortened(value)}]"
    if types & {"integer", "number"}:
        return _hint_for_number(value.strip())
    choices = [choice for kind in _branches(allowed) for choice in _choices(kind)]
    meant = nearest(value, [*choices, *_names(allowed)])
    return f"; did you mean {meant!r}?" if meant else ""


def _hint_for_number(text: str) -> str:
    if is_number(text):
        return "; write it without quotes"
    plain = text.replace("_", "").replace(",", "")
    if plain != text and is_number(plain) and ("," not in text or _THOUSANDS.fullmatch(text)):
        return f"; write {plain}"
    without_zeros = re.sub(r"^[-+]?0+(?=[0-9])", "", text)
    if without_zeros != text and is_number(without_zeros):
        return "; write a number without leading zeros"
    return ""
