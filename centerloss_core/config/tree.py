"""The values of a config before they are checked, each with the place it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from centerloss_core.config.problems import ConfigError, Problem

KeyPath = tuple[str | int, ...]

# Exactly one of the two may be given, so setting one takes the place of the other.
RIVALS: dict[KeyPath, KeyPath] = {
    ("train", "epochs"): ("train", "iterations"),
    ("train", "iterations"): ("train", "epochs"),
}

# A name, or a mapping with one and settings of its own.
_NAMED: tuple[KeyPath, ...] = (("loss", "head"), ("loss", "term"))


@dataclass(frozen=True)
class Origin:
    """The place of a value: a line of a file, or a flag.

    Attributes:
        file, line: as in `Problem`.
        within: the mapping of dotted keys that the value is in, such as `overrides[0].set`; `()` for none.
        axis: of a flag that gives the values of a sweep, their key: nobody has written `sweep.lambda`.
    """

    file: str
    line: int | None = None
    within: KeyPath = ()
    axis: str | None = None

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem with the value at `path`, located here."""
        of_axis = path[:1] == ("sweep",) and len(path) > 1
        key = self.axis if self.axis and of_axis else dotted((*self.within, *path))
        return Problem(self.file, self.line, key, message)

    def error(self, message: str, path: KeyPath = ()) -> ConfigError:
        """The error that this one problem is."""
        return ConfigError([self.problem(path, message)])


@dataclass(frozen=True)
class Edit:
    """A value to put at a path: what a flag, an override or a `--set` asks for."""

    path: KeyPath
    value: Any
    origin: Origin

    def problem(self, message: str) -> Problem:
        """A problem with the value."""
        return self.origin.problem(self.path, message)


@dataclass(frozen=True)
class Tree:
    """Nested plain values, never changed in place, so that trees share what they have in common.

    Attributes:
        values: the whole.
        origins: the places in the file; `()` is the whole of it.
        edits: what was put over the file, in order.
    """

    values: dict[str, Any]
    origins: Mapping[KeyPath, Origin]
    edits: tuple[Edit, ...] = ()

    def get(self, path: KeyPath, default: object = None) -> Any:
        """The value at `path`, or `default` where the path leads nowhere."""
        value: Any = self.values
        for key in path:
            in_list = isinstance(value, list) and isinstance(key, int) and key < len(value)
            if not in_list and not (isinstance(value, dict) and key in value):
                return default
            value = value[key]
        return value

    def without(self, path: KeyPath) -> Tree:
        """The tree without this key of a mapping."""
        around = self.get(path[:-1])
        if not isinstance(around, dict) or path[-1] not in around:
            return self
        others = {key: value for key, value in around.items() if key != path[-1]}
        return replace(self, values=_put(self.values, path[:-1], others))

    def origin(self, path: KeyPath) -> Origin:
        """The origin of the value at `path`, or of the nearest thing around it that has one."""
        return self._nearest(path)[2]

    def last_given(self, path: KeyPath, keys: Iterable[str]) -> KeyPath:
        """The path of that one of these (dotted) keys of a mapping that was given last; of it, where none was."""
        found = [self._nearest((*path, *key.split("."))) for key in keys]
        below = [each for each in found if len(each[1]) > len(path)]
        return max(below, key=lambda each: each[0])[1] if below else path

    def _nearest(self, path: KeyPath) -> tuple[tuple[int, int], KeyPath, Origin]:
        """When the value at `path` was given, the path of what has its origin, and the origin."""
        for number in range(len(self.edits), 0, -1):
            edit = self.edits[number - 1]
            if path[: len(edit.path)] == edit.path:
                return (number, 0), edit.path, edit.origin
        while path not in self.origins:
            path = path[:-1]
        origin = self.origins[path]
        return (0, origin.line or 0), path, origin

    def settings_at(self, path: KeyPath) -> list[Edit]:
        """What the mapping of dotted keys at `path` asks for; nothing where there is no mapping."""
        settings = self.get(path)
        return [
            edit_of(key, value, replace(self.origin((*path, key)), within=path))
            for key, value in (settings if isinstance(settings, dict) else {}).items()
        ]

    def edited(self, edits: Iterable[Edit]) -> Tree:
        """The tree with each edit's value in its place, in order."""
        tree = self
        for edit in edits:
            tree = tree._with(edit)
        return tree

    def _with(self, edit: Edit) -> Tree:
        """The tree with the value of an edit, and with the mapping around it where there is none.

        `--set loss.ramp.start=0.2` makes a ramp where the file has `ramp: null`, and `--set loss.head.scale=8` keeps
        the name in `head: arcface`. A section that is not a mapping (`train: 5`) is a mistake in the file; it stays,
        to be reported.
        """
        for depth in range(1, len(edit.path)):
            around = edit.path[:depth]
            there = self.get(around)
            if isinstance(there, dict) or (isinstance(there, list) and isinstance(edit.path[depth], int)):
                continue
            if isinstance(there, list) or (depth == 1 and there is not None):
                return self
            content = {"name": there} if around in _NAMED and isinstance(there, str) else {}
            return self._with(Edit(around, content, edit.origin))._with(edit)
        tree = Tree(_put(self.values, edit.path, edit.value), self.origins, (*self.edits, edit))
        rival = RIVALS.get(edit.path)
        return tree if rival is None or edit.value is None else tree.without(rival)


def _put(around: Any, path: KeyPath, value: Any) -> Any:
    """The mapping or list with another value at this path."""
    if not path:
        return value
    key, *rest = path
    inner = _put(around[key] if rest else None, tuple(rest), value)
    if isinstance(around, list):
        return [inner if index == key else each for index, each in enumerate(around)]
    return {**around, key: inner}


def edit_of(key: str, value: Any, origin: Origin) -> Edit:
    """The edit that gives a value to a dotted key."""
    return Edit(tuple(key.split(".")), value, origin)


def dotted(path: KeyPath) -> str:
    """A path as a person writes it: `sweep.lambda[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
