"""YAML in and out: a file read into values that know their line, a config written back.

The YAML is a careful subset. Numbers are decimal (`1e-4` is one, `010`, `0x10` and `1:30` are text), only
true and false are booleans, and tags, anchors, aliases and merge keys are refused: nothing in a config needs
them, and they are how a small file becomes a large or a dangerous one.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from centerloss_core.config.problems import ConfigError, Problem, listed, printable, shortened, shown
from centerloss_core.config.schema import Config, ConfigFile
from centerloss_core.config.tree import KeyPath, Origin, Source, Tree
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

_TAG = "tag:yaml.org,2002:"

# Gives the origin of what stands on a line (counted from 1) of the text being read.
Place = Callable[[int | None], Origin]


class _PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of this module instead of YAML 1.1's."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way to replace its resolvers


for _name, _pattern, _first in (
    ("null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
    ("int", _INT, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
):
    _PlainLoader.add_implicit_resolver(_TAG + _name, _pattern, _first)


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
    """Read a config file; a pipe, which may never say anything, only where the user has named it.

    Raises ConfigError when it cannot be read as one YAML mapping. Wrong keys and values are found by
    `resolve`, all at once.
    """

    def place(line: int | None) -> Origin:
        return Origin(str(path), line, Source.FILE)

    text = _read_text(path, place(None), may_be_a_pipe)
    parsed = parse(text, place)
    sections = listed(ConfigFile.model_fields)
    if parsed.value is None:
        raise place(None).error(f"the file is empty; a config has the sections {sections}")
    if not isinstance(parsed.value, dict):
        message = f"expected a mapping with the sections {sections}; received {shown(parsed.value)}"
        raise parsed.origins[()].error(message)
    # `model:` with nothing below it is a section without keys.
    empty: dict[str, Any] = {"overrides": []}
    values = {key: empty.get(key, {}) if value is None else value for key, value in parsed.value.items()}
    return Document(path, text, Tree(values, parsed.origins), tuple(parsed.problems))


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


def parse(text: str, place: Place) -> Parsed:
    """Read a YAML text; raises ConfigError when it is none or uses what this module refuses."""
    try:
        _refuse_what_no_config_needs(text, place)
        node = yaml.compose(text, Loader=_PlainLoader)
    except yaml.reader.ReaderError as error:
        where = place(text.count("\n", 0, error.position) + 1)
        message = f"not valid YAML: the character {chr(int(error.character))!r} is not allowed"
        raise where.error(message) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # ValueError and OverflowError: PyYAML turns escapes such as "\UFFFFFFFF" into characters unchecked.
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        raise place(line).error(_what_yaml_says(error)) from error
    parsed = Parsed(place)
    if node is not None:
        parsed.value = parsed.build(node, ())
    return parsed


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
    """Another YAML file of the same folder with nearly this name."""
    try:
        names = sorted(other.name for other in path.parent.iterdir() if other.suffix in {".yaml", ".yml"})
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {printable(str(path.with_name(near[0])))}?" if near else ""


def _refuse_what_no_config_needs(text: str, place: Place) -> None:
    """Look at the events of the parser, which does not recurse, before anything is built from them."""
    problems: list[Problem] = []
    depth = documents = 0
    for number, event in enumerate(yaml.parse(text, Loader=_PlainLoader)):
        origin = place(_line(event))
        if number > CONFIG_EVENTS:
            raise origin.error("too many keys and values: this is no config")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if depth > CONFIG_NESTING:
            raise origin.error(f"nested more than {CONFIG_NESTING} levels deep")
        if documents > 1:
            raise origin.error("a second YAML document starts here; a config is one document")
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            what = f"{sign}{shortened(anchor)}: anchors and aliases are"
            problems.append(origin.problem((), f"{what} not supported; write the values out"))
        if tag is not None:
            what = f"the YAML tag {shown(tag.replace(_TAG, '!!', 1))} is"
            problems.append(origin.problem((), f"{what} not supported; write a plain value"))
    if problems:
        raise ConfigError(problems)


def _what_yaml_says(error: Exception) -> str:
    if not isinstance(error, yaml.YAMLError):
        return "not valid YAML: an escape or a version number in it is out of range"
    what = getattr(error, "problem", None) or str(error)
    hint = "; indent with spaces, not tabs" if r"'\t'" in what else ""
    return f"not valid YAML: {printable(what)}{hint}"


@dataclass
class Parsed:
    """What a YAML text says, where, and what is wrong with it although it could be read.

    Attributes:
        place: gives the origin of a line.
        value: plain values; None where the text is empty.
        origins: of every key and list item.
    """

    place: Place
    value: Any = None
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        """The value of a node at a path."""
        self.origins.setdefault(
            path, self.place(_line(node))
        )  # of a value in a mapping it is that of the key
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            here, origin = (*path, key), self.place(_line(key_node))
            if key in mapping:
                first = self.origins[here].line
                where = f"; first on line {first}" if first is not None else ""
                self.problems.append(origin.problem(here, f"given twice{where}"))
                continue
            self.origins[here] = origin
            mapping[key] = self.build(value_node, here)
        return mapping

    def _key(self, node: yaml.Node, path: KeyPath) -> str | None:
        key = _scalar(node) if isinstance(node, yaml.ScalarNode) else node.value
        if isinstance(key, str) and key != "<<":
            return key
        if key == "<<":
            message = "merge keys (<<) are not supported; write the values out"
        else:
            message = f"a key must be text; received {shown(key)}"
        self.problems.append(self.place(_line(node)).problem(path, message))
        return None


def _line(item: yaml.Node | yaml.Event) -> int:
    mark = item.start_mark
    assert mark is not None  # everything that was read from a text has one
    return mark.line + 1


def _scalar(node: yaml.Node) -> object:
    text: str = node.value
    match node.tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text)
        case "float":
            # Python writes infinity and NaN without YAML's dot; a decimal point stays.
            return float(text.replace(".", "", 1) if text[-1] in "fFnN" else text)
        case _:
            return text
