"""What a command line says beside a config file, from texts to edits that know the flag they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from centerloss_core.config.axes import SHORT_NAMES
from centerloss_core.config.checking import section_meant, several_values
from centerloss_core.config.documents import parse
from centerloss_core.config.problems import ConfigError, Problem, shortened
from centerloss_core.config.tree import Edit, KeyPath, Origin, dotted, edit_of
from centerloss_core.formatting import plain_setting
from centerloss_core.limits import CONFIG_NESTING, QUOTED_FLAG, SWEEP_POINTS

DEVICE = "train.device"
TOO_DEEP = f"nested more than {CONFIG_NESTING} levels deep"


@dataclass(frozen=True)
class Flags:
    """What a command line says.

    Attributes:
        values: of one run, or of all runs of a sweep, by dotted key: `--device cpu`, and `--lambda 0.1` of `cl train`.
        axes: the values that a sweep takes for a key, in place of the file's: `--lambda 0,0.1`, `--grid KEY=V1,V2`.
        settings: of `--set`, such as `train.epochs=4` or `loss.ramp={start: 0.2}`; each key once.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    settings: Sequence[str] = ()

    def edits(self) -> tuple[list[Edit], list[Edit], list[Problem]]:
        """Values and settings as edits, and what is wrong with them; `axes` are put into the blocks of a sweep."""
        values = [edit_of(key, value, origin_of(key, str(value))) for key, value in self.values.items()]
        settings: list[Edit] = []
        problems: list[Problem] = []
        given: dict[KeyPath, str] = {edit.path: edit.origin.file for edit in values}
        above: dict[KeyPath, str] = {}  # the mappings that the settings so far reach into
        for key, each in self.axes.items():
            given[("sweep", SHORT_NAMES.get(key, key))] = given[("sweep", "grid", key)] = axis_origin(
                key, each
            ).file
        for text in self.settings:
            try:
                edit = _parse_setting(text)
            except ConfigError as error:
                problems += error.problems
                continue
            settings.append(edit)
            if edit.path in given:
                message = f"{dotted(edit.path)} is also given by {given[edit.path]}; give it once"
                problems.append(edit.origin.problem((), message))
            elif edit.path in above:
                message = f"it would undo {above[edit.path]}; give the two in one"
                problems.append(edit.origin.problem((), message))
            given.setdefault(edit.path, edit.origin.file)
            above |= {edit.path[:depth]: edit.origin.file for depth in range(1, len(edit.path))}
        return values, settings, problems

    def __bool__(self) -> bool:
        return bool(self.values or self.axes or self.settings)


def parse_flags(
    lists: Mapping[str, str | None],
    grid: Sequence[str] = (),
    device: str | None = None,
    settings: Sequence[str] = (),
) -> Flags:
    """The flags of `cl sweep`.

    Args:
        lists: by key, what was given for `--lambda`, `--alpha` and `--seed`.
        grid: what was given for `--grid`.
        device, settings: what was given for `--device` and `--set`.

    Raises:
        ConfigError: a list cannot be read, or a key has two.
    """
    axes = {key: parse_list(key, text) for key, text in lists.items() if text is not None}
    for text in grid:
        key, equals, values = text.partition("=")
        key, origin = key.strip(), _origin(f"--grid {text}")
        if not equals:
            raise origin.error("expected KEY=V1,V2, for example model.feature_dim=2,8")
        if key in axes:
            raise origin.error(f"{key} is also given by {axis_origin(key, axes[key]).file}; give it once")
        axes[key] = _split(values, origin)
    return Flags({} if device is None else {DEVICE: device}, axes, tuple(settings))


def parse_list(key: str, text: str) -> tuple[Any, ...]:
    """The values of `--lambda 0,0.01,0.1`, each read as YAML; `key` is dotted.

    Raises:
        ConfigError: the text cannot be read; whether the key can have these values is seen later.
    """
    return _split(text, origin_of(key, text))


def _split(text: str, origin: Origin) -> tuple[Any, ...]:
    """The YAML values between the commas of a text; those in brackets, braces and quotes separate nothing."""
    if text.rstrip().endswith(",") or ",," in text.replace(" ", "") or not text.strip(", "):
        raise origin.error("a value is missing; write null for none")
    values = _parse_value(f"[{text}]", origin)
    if len(values) > SWEEP_POINTS:
        raise origin.error(f"{len(values)} values; a sweep has at most {SWEEP_POINTS} runs")
    return tuple(values)


def _are_several(text: str, origin: Origin) -> bool:
    try:
        return len(_split(text, origin)) > 1
    except ConfigError:
        return False


def _parse_value(text: str, origin: Origin) -> Any:
    value, _, problems = parse(text, lambda _: origin)
    if problems:
        raise ConfigError(problems)
    return value


def origin_of(key: str, text: str) -> Origin:
    """The flag that gives a key one value."""
    flags = {**SHORT_NAMES, DEVICE: "device"}
    return _origin(f"--{flags[key]} {text}" if key in flags else f"{key}={text}")


def axis_origin(key: str, values: Sequence[Any]) -> Origin:
    """The flag that gives a key these values in a sweep."""
    text = ",".join(map(plain_setting, values))
    origin = origin_of(key, text) if key in SHORT_NAMES else _origin(f"--grid {key}={text}")
    return replace(origin, axis=key)


def _origin(flag: str) -> Origin:
    return Origin(shortened(flag, QUOTED_FLAG))


def _parse_setting(text: str) -> Edit:
    """`train.epochs=4` as an edit; the value is YAML, read as in a file."""
    origin = _origin(f"--set {text}")
    key, equals, value = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or len(path) == 1:
        meant = section_meant(path[0].replace("-", "_"))
        hint = (
            f"did you mean {meant}={shortened(value.strip()) or '…'}?"
            if meant
            else "for example train.epochs=4"
        )
        raise origin.error(f"expected section.key=value; {hint}")
    if path[0] == "overrides":
        raise origin.error("overrides belong in the file; --set wins over them for any key")
    if len(path) > CONFIG_NESTING:
        raise origin.error(TOO_DEEP, path)
    if not value.strip():
        raise origin.error("no value after '='; write null for none", path)
    for start, names in ((("sweep", "grid"), 2), (("sweep", "variants"), 3)):  # whose keys are dotted
        if path[:2] == start and len(path) > names:
            path = (*path[:names], ".".join(path[names:]))
    try:
        return Edit(path, _parse_value(value, origin), origin)
    except ConfigError:
        if _are_several(value, origin):  # [8,16,16],[32,64,128]
            raise origin.error(several_values(path, shortened(value)), path) from None
        raise
