"""The values of a config before they are checked, each with the place it came from."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from centerloss_core.config.problems import Problem

KeyPath = tuple[str | int, ...]

# Exactly one of the two may be given, so setting one takes the place of the other.
RIVALS: dict[KeyPath, KeyPath] = {
    ("train", "epochs"): ("train", "iterations"),
    ("train", "iterations"): ("train", "epochs"),
}

# A name, or a mapping with one and settings of its own.
_NAMED: tuple[KeyPath, ...] = (("loss", "head"), ("loss", "term"))


class Source(IntEnum):
    """Where a value comes from; the higher wins."""

    FILE = 0
    FLAG = 1
    OVERRIDE = 2
    SETTING = 3


@dataclass(frozen=True)
class Origin:
    """The place of a value: a line of a file, or a flag."""

    file: str
    line: int | None
    source: Source

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem with the value at `path`, located here."""
        return Problem(self.file, self.line, dotted(path), message)


@dataclass(frozen=True)
class Edit:
    """A value to put at a path: what a flag, an override or a `--set` asks for."""

    path: KeyPath
    value: Any
    origin: Origin


@dataclass
class Tree:
    """Nested plain values (`values`) and the origin of each path in them; `()` is the whole."""

    values: dict[str, Any]
    origins: dict[KeyPath, Origin]

    def copy(self) -> Tree:
        """An independent tree with the same content."""
        return Tree(copied(self.values), dict(self.origins))

    def part(self, sections: Collection[str]) -> Tree:
        """An independent tree of these sections alone."""
        return Tree(
            {key: copied(value) for key, value in self.values.items() if key in sections},
            {path: origin for path, origin in self.origins.items() if not path or path[0] in sections},
        )

    def get(self, path: KeyPath, default: object = None) -> Any:
        """The value at `path`, or `default` where the path leads nowhere."""
        value: Any = self.values
        for key in path:
            is_there = (
                key in value
                if isinstance(value, dict)
                else isinstance(value, list) and isinstance(key, int) and key < len(value)
            )
            if not is_there:
                return default
            value = value[key]
        return value

    def remove(self, path: KeyPath) -> None:
        """Take a key out of its mapping, where it is there."""
        around = self.get(path[:-1])
        if isinstance(around, dict):
            self._forget(path, around.pop(path[-1], None))

    def origin(self, path: KeyPath) -> Origin:
        """The origin of the value at `path`, or of the nearest thing around it that has one."""
        while path not in self.origins:
            path = path[:-1]
        return self.origins[path]

    def apply(self, edits: Iterable[Edit]) -> None:
        """Put each edit's value in its place, in order."""
        for edit in edits:
            self._put(edit)

    def _put(self, edit: Edit) -> None:
        parent = self._mapping_for(edit)
        if parent is None:
            return
        self._came_from(edit.path, edit.origin, parent.get(edit.path[-1]))
        parent[edit.path[-1]] = copied(edit.value)
        rival = RIVALS.get(edit.path)
        if rival is not None and edit.value is not None:
            self.remove(rival)

    def _mapping_for(self, edit: Edit) -> dict[str | int, Any] | None:
        """The mapping that is to hold the edited key, made where there is none.

        `--set loss.ramp.start=0.2` makes a ramp where the file has `ramp: null`, and `--set loss.head.scale=8` keeps
        the name in `head: arcface`. A section that is not a mapping (`train: 5`) is a mistake in the file; it stays,
        to be reported.
        """
        here: Any = self.values
        for depth, key in enumerate(edit.path[:-1], start=1):
            if isinstance(here, list):
                here = here[key] if isinstance(key, int) and key < len(here) else None
                continue
            if not isinstance(here, dict):
                return None
            child = here.get(key)
            if not isinstance(child, dict | list):
                if depth == 1 and child is not None:
                    return None
                self._came_from(edit.path[:depth], edit.origin, child)
                is_named = edit.path[:depth] in _NAMED and isinstance(child, str)
                child = here[key] = {"name": child} if is_named else {}
            here = child
        return here if isinstance(here, dict) else None

    def _came_from(self, path: KeyPath, origin: Origin, old: object) -> None:
        self._forget(path, old)
        self.origins[path] = origin

    def _forget(self, path: KeyPath, value: object) -> None:
        """The origin of the value at `path` and of what is in it, where that has one of its own."""
        if self.origins.pop(path, None) is None:
            return
        items = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, inner in items:
            self._forget((*path, key), inner)


def copied(value: Any) -> Any:
    """A value whose mappings are its own, also those in a list of mappings; no other list is changed."""
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    return (
        [copied(each) for each in value]
        if isinstance(value, list) and value and isinstance(value[0], dict)
        else value
    )


def dotted(path: KeyPath) -> str:
    """A path as a person writes it: `sweep.lambda[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
