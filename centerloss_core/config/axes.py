"""Settings of runs as flat mappings, and how an axis of a sweep is named, in figures, tables and directories.

A setting has a dotted key, `loss.lambda`; `variant`, the name of a bundle of settings, stands beside them. Importing
this loads neither pydantic nor numpy.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from centerloss_core.formatting import plain_setting
from centerloss_core.limits import VALUE_IN_A_NAME

Settings = Mapping[str, Any]

LAMBDA = "loss.lambda"
ALPHA = "loss.alpha"
SEED = "train.seed"  # always averaged over
VARIANT = "variant"
KNOWN = "data.known"  # a list of classes
LOSS = "loss"  # what the loss is called, where runs differ in it: see `run_directory/loss_names.py`

# What they are called in the `sweep` section, as flags and in the names of runs.
SHORT_NAMES = {LAMBDA: "lambda", ALPHA: "alpha", SEED: "seed"}
_SIGNS = {LAMBDA: "λ", ALPHA: "α", SEED: "seed", VARIANT: "variant", LOSS: "loss"}


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The settings of a nested config: `{"loss": {"lambda": 0.1}}` becomes `{"loss.lambda": 0.1}`."""
    settings: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            settings |= flatten(value, f"{prefix}{key}.")
        else:
            settings[f"{prefix}{key}"] = value
    return settings


def value_of(settings: Settings, key: str, default: Any = None) -> Any:
    """The value of a key; of one that holds a mapping, such as `train.schedule`, the mapping with flat keys."""
    if key in settings:
        return settings[key]
    below = {
        name.removeprefix(f"{key}."): value for name, value in settings.items() if name.startswith(f"{key}.")
    }
    return below or default


def values_of(settings: Settings, keys: Iterable[str]) -> dict[str, Any]:
    """The values of those of the keys that a run has."""
    values = {key: value_of(settings, key, _MISSING) for key in keys}
    return {key: value for key, value in values.items() if value is not _MISSING}


def in_order(keys: Iterable[str]) -> tuple[str, ...]:
    """The axes of a sweep, outermost first: loss, variant, λ, α, the others as they come, the seed."""
    known = dict.fromkeys(keys)
    first = [key for key in (LOSS, VARIANT, LAMBDA, ALPHA) if key in known]
    return (*first, *(key for key in known if key not in _SIGNS), *([SEED] if SEED in known else []))


def sign(key: str, among: Iterable[str] = ()) -> str:
    """How a key is written where there is little room: λ, α, seed, variant, else the last part of the key.

    Where another key of `among` has the same last part, it is the whole key.
    """
    if key in _SIGNS:
        return _SIGNS[key]
    last = key.rpartition(".")[2]
    same = any(
        other != key and (other.rpartition(".")[2] == last or _SIGNS.get(other) == last) for other in among
    )
    return key if same else last


def label(key: str, value: Any, among: Iterable[str] = ()) -> str:
    """A setting in a title: `λ = 0.01`, `seed 0`, `known 2 4 5`; of a variant or loss just its name."""
    if key in (VARIANT, LOSS):
        return str(value)
    return f"{sign(key, among)}{' ' if key in (SEED, KNOWN) else ' = '}{short(value, key)}"


def label_all(settings: Settings, keys: Sequence[str]) -> str:
    """The labels of these keys, joined by commas; a key that the run does not have is left out."""
    return ", ".join(label(key, value, keys) for key, value in values_of(settings, keys).items())


def short(value: Any, key: str = "") -> str:
    """A value, of a key, as it is written in a title: as in YAML, without `name` where a mapping has one, and classes
    without brackets.
    """
    if key == KNOWN and isinstance(value, list | tuple):
        return " ".join(map(str, value))
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        others = {key: each for key, each in value.items() if key != "name"}
        return str(value["name"]) + (f" ({plain_setting(others)})" if others else "")
    return plain_setting(dict(value)) if isinstance(value, Mapping) else plain_setting(value)


def varying(runs: Sequence[Settings], keys: Iterable[str]) -> list[str]:
    """Those of the keys whose values differ between the runs."""
    return [
        key for key in keys if len({canonical(value_of(settings, key, _MISSING)) for settings in runs}) > 1
    ]


def varied_keys(runs: Sequence[Settings]) -> list[str]:
    """All keys whose values differ between the runs; `loss.ramp` shows `loss.ramp.start` too."""
    keys = dict.fromkeys(key for settings in runs for key in settings)
    found = varying(runs, keys)
    return [key for key in found if not any(key.startswith(f"{other}.") for other in found)]


def canonical(value: Any) -> str:
    """A text that two values share only if they are equal; 1 and 1.0 are."""
    if value is _MISSING:
        return ""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key!r}:{canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return repr(value)


def point_name(settings: Settings, keys: Collection[str] = ()) -> str:
    """The directory of a run: `lambda0.01-alpha0.5-seed0`, a variant before it, and `-feature_dim8` for each other key.

    Two different values of a key give different names.
    """
    further = [key for key in keys if key not in _SIGNS]
    parts = [str(settings[VARIANT])] if settings.get(VARIANT) is not None else []
    known = values_of(settings, (LAMBDA, ALPHA, SEED, *further))
    return "-".join([*parts, *(name_part(key, value, keys) for key, value in known.items())])


def name_part(key: str, value: Any, among: Iterable[str] = ()) -> str:
    """What the name of a point says of a key."""
    written = _in_name(value)
    return f"{SHORT_NAMES.get(key) or sign(key, among)}{'-' if written[:1].isalpha() else ''}{written}"


def _in_name(value: Any) -> str:
    """A value as part of a file's name: plain characters, and a checksum where those do not tell it from all others."""
    if isinstance(value, list | tuple) and value and all(_is_one_word(each) for each in value):
        written = "-".join(map(plain_setting, value))
    elif isinstance(value, Mapping):
        written = "-".join(
            str(each) if key == "name" else f"{key}{plain_setting(each)}" for key, each in value.items()
        )
    else:
        written = short(value)
    if re.fullmatch(rf"[A-Za-z0-9_.+-]{{1,{VALUE_IN_A_NAME}}}", written):
        return written
    plain = re.sub(r"[^A-Za-z0-9_.+]+", "-", written).strip("-.")[: VALUE_IN_A_NAME - 9]
    return f"{plain}-{hashlib.sha256(canonical(value).encode()).hexdigest()[:8]}".removeprefix("-")


def _is_one_word(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and "-" not in value)


_MISSING: Any = object()
