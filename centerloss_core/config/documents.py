"""YAML in and out: a file read into values that know their line, a config written back.

The YAML is a careful subset. Numbers are decimal (`1e-4` is one, `010`, `0x10` and `1:30` are text), only
true and false are booleans, and tags, anchors, aliases and merge keys are refused: nothing in a config needs
them, and they are how a small file becomes a large or a dangerous one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from centerloss_core.config.problems import ConfigError, Problem, nearest, printable, shortened, shown
from centerloss_core.config.schema import Config, ConfigFile
from centerloss_core.config.shipped import located, shipped
from centerloss_core.config.tree import KeyPath, Origin, Tree
from centerloss_core.files.untrusted import open_to_read
from centerloss_core.limits import CONFIG_BYTES, CONFIG_EVENTS, CONFIG_NESTING

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})\Z")
_FLOAT = re.compile(
    r"""[-+]?(?:
        (?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?
      | (?:0|[1-9][0-9]*)[eE][-+]?[0-9]+
      | \.(?:inf|Inf|INF)
    )\Z | \.(?:nan|NaN|NAN)\Z""",
    re.VERBOSE,
)

_WORDS: dict[str, bool | None] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)

_TAG = "tag:yaml.org,2002:"

# Gives the origin of what stands on a line (counted from 1) of the text being read.
Place = Callable[[int | None], Origin]


def is_number(text: str) -> bool:
    """Whether this text, unquoted, is a number in a config."""
    return bool(_INT.match(text) or _FLOAT.match(text))


@dataclass(frozen=True)
class Document:
    """A config file, read but not yet checked: flags and overrides may still change its values."""

    path: Path
    text: str
    tree: Tree
    problems: tuple[Problem, ...]


def load_document(path: Path, *, may_be_a_pipe: bool = False) -> Document:
    """Read a config file, or the config of this name that comes with the program; an existing file wins.

    A pipe, which may never say anything, is read only where the user has named it.

    Raises ConfigError when it cannot be read as one YAML mapping. Wrong keys and values are found by
    `resolve`, all at once.
    """

    path = located(path)

    def place(line: int | None) -> Origin:
        return Origin(str(path), line)

    text = _read_text(path, place(None), may_be_a_pipe)
    content, origins, problems = parse(text, place)
    sections = ", ".join(ConfigFile.model_fields)
    if content is None:
        raise place(None).error(f"the file is empty; a config has the sections {sections}")
    if not isinstance(content, dict):
        message = f"expected a mapping with the sections {sections}; received {shown(content)}"
        raise origins[()].error(message)
    # `model:` with nothing below it is a section without keys.
    empty: dict[str, Any] = {"overrides": []}
    values = {key: empty.get(key, {}) if value is None else value for key, value in content.items()}
    return Document(path, text, Tree(values, origins), tuple(problems))


def dump_yaml(config: Config) -> str:
    """The config of one run as YAML: every key, in the schema's order; loading it gives an equal config."""
    values = config.model_dump(mode="json", by_alias=True, include=set(Config.model_fields))
    text: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=sys.maxsize)
    return text


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, but for lists in one line."""


_Dumper.add_representer(
    list, lambda dumper, items: dumper.represent_sequence(f"{_TAG}seq", items, flow_style=True)
)


def parse(text: str, place: Place) -> tuple[Any, dict[KeyPath, Origin], list[Problem]]:
    """What a YAML text says, where each key and list item stands, and what is wrong although it could be read.

    The value is None where the text is empty.

    Raises:
        ConfigError: it is no YAML, or uses what this module refuses.
    """
    reader = _Reader(text, place)
    try:
        return reader.document(), reader.origins, reader.problems
    except yaml.reader.ReaderError as error:
        where = place(text.count("\n", 0, error.position) + 1)
        message = f"not valid YAML: the character {chr(int(error.character))!r} is not allowed"
        raise where.error(message) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # ValueError and OverflowError: PyYAML turns escapes such as "\UFFFFFFFF" into characters unchecked.
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        raise place(line).error(_what_yaml_says(error)) from error


def _read_text(path: Path, origin: Origin, may_be_a_pipe: bool) -> str:
    try:
        with path.open("rb") if may_be_a_pipe else open_to_read(path) as file:
            raw = file.read(CONFIG_BYTES + 1)
        if len(raw) > CONFIG_BYTES:
            message = f"larger than {CONFIG_BYTES // 1024} KiB: this is no config"
        else:
            return raw.decode("utf-8-sig")
    except FileNotFoundError:
        message = f"no such file{_file_meant(path)}"
    except IsADirectoryError:
        inside = path / "config.yaml"
        message = "a folder; expected a YAML file" + (f"; did you mean {inside}?" if inside.is_file() else "")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8 text (byte 0x{raw[error.start]:02x} on line {line})"
    except PermissionError as error:
        message = f"cannot be read ({error.strerror}): make it readable"
    except (OSError, ValueError) as error:
        message = f"cannot be read: {getattr(error, 'strerror', None) or error}"
    raise origin.error(message)


def _file_meant(path: Path) -> str:
    """A YAML file of the same folder with nearly this name, or a config that comes with the program."""
    try:
        names = sorted(other.name for other in path.parent.iterdir() if other.suffix in {".yaml", ".yml"})
    except OSError:
        names = []
    if meant := nearest(path.name, names):
        return f"; did you mean {printable(str(path.with_name(meant)))}?"
    if meant := nearest(path.stem, shipped()):
        return f"; did you mean {meant}, which comes with the program?"
    return ""


def _what_yaml_says(error: Exception) -> str:
    if not isinstance(error, yaml.YAMLError):
        return "not valid YAML: an escape or a version number in it is out of range"
    what = getattr(error, "problem", None) or str(error)
    hint = "; indent with spaces, not tabs" if r"'\t'" in what else ""
    return f"not valid YAML: {printable(what)}{hint}"


class _Reader:
    """Builds plain values from the events of PyYAML's parser, which does not recurse."""

    def __init__(self, text: str, place: Place) -> None:
        self.origins: dict[KeyPath, Origin] = {}
        self.problems: list[Problem] = []
        self._place = place
        self._events = enumerate(yaml.parse(text, Loader=yaml.SafeLoader))
        self._depth = 0
        self._refused: list[Problem] = []

    def document(self) -> Any:
        """The value of the only one."""
        value = None
        self._next()  # the beginning of the text
        if isinstance(self._next(), yaml.DocumentStartEvent):
            value = self._value(self._next(), ())
            self._next()  # the end of the document
            if isinstance(event := self._next(), yaml.DocumentStartEvent):
                raise self._origin(event).error(
                    "a second YAML document starts here; a config is one document"
                )
        if self._refused:
            raise ConfigError(self._refused)
        return value

    def _next(self) -> yaml.Event:
        """The next event, once it is seen to be nothing that no config needs."""
        number, event = next(self._events)
        origin = self._origin(event)
        self._depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
            event, yaml.CollectionEndEvent
        )
        if number > CONFIG_EVENTS:
            raise origin.error("too many keys and values: this is no config")
        if self._depth > CONFIG_NESTING:
            raise origin.error(f"nested more than {CONFIG_NESTING} levels deep")
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            message = (
                f"{sign}{shortened(anchor)}: anchors and aliases are not supported; write the values out"
            )
            self._refused.append(origin.problem((), message))
        if tag is not None:
            message = (
                f"the YAML tag {shown(tag.replace(_TAG, '!!', 1))} is not supported; write a plain value"
            )
            self._refused.append(origin.problem((), message))
        return event

    def _origin(self, event: yaml.Event) -> Origin:
        mark = event.start_mark
        assert mark is not None  # everything that was read from a text has one
        return self._place(mark.line + 1)

    def _value(self, event: yaml.Event, path: KeyPath) -> Any:
        """What begins with this event, at a path."""
        self.origins.setdefault(path, self._origin(event))  # of a value in a mapping it is that of the key
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(event := self._next(), yaml.SequenceEndEvent):
                items.append(self._value(event, (*path, len(items))))
            return items
        return _scalar(event) if isinstance(event, yaml.ScalarEvent) else None

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            origin = self._origin(event)
            key = self._value(event, path)
            is_name = isinstance(key, str) and key != "<<"
            here: KeyPath = (*path, key if is_name else 0)
            if key == "<<":
                message = "merge keys (<<) are not supported; write the values out"
                self.problems.append(origin.problem(path, message))
            elif not is_name:
                self.problems.append(origin.problem(path, f"a key must be text; received {shown(key)}"))
            elif key in mapping:
                first = self.origins[here].line
                where = f"; first on line {first}" if first is not None else ""
                self.problems.append(origin.problem(here, f"given twice{where}"))
            self.origins.setdefault(here, origin)
            value = self._value(self._next(), here)
            if is_name:
                mapping.setdefault(key, value)
        return mapping


def _scalar(event: yaml.ScalarEvent) -> object:
    text: str = event.value
    if not event.implicit[0]:  # in quotes, or a block
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    # Python writes infinity and NaN without YAML's dot; a decimal point stays.
    return float(text.replace(".", "", 1) if text[-1] in "fFnN" else text) if _FLOAT.match(text) else text
