"""The columns of a table that show the settings of its runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from centerloss_core.config.axes import ALPHA, LAMBDA, SEED, VARIANT, Settings, short, sign, value_of, varying
from centerloss_core.formatting import exact, finite

_LONGEST = 40  # characters of a cell
_UNKNOWN: Any = object()


def settings_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what varies in a sweep, of a row of its `summary.json` or of an evaluation."""
    short_keys = {LAMBDA: "lambda", ALPHA: "alpha", SEED: "seed"}
    settings = row.get("settings")
    return {
        **dict.fromkeys(short_keys),
        **{key: value for key, value in row.items() if "." in key or key == VARIANT},
        **(settings if isinstance(settings, dict) else {}),
        **{key: row[name] for key, name in short_keys.items() if name in row},  # null without a term
    }


def ordered_keys(runs: Sequence[Settings]) -> list[str]:
    """Return the keys of all runs: λ and α first, the seed last."""
    others = dict.fromkeys(key for run in runs for key in run if key not in (LAMBDA, ALPHA, SEED))
    return [LAMBDA, ALPHA, *others, SEED]


def setting_columns(
    runs: Sequence[Settings], keys: Iterable[str], *, always: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Return a cell per run of each key that varies or is always shown, by the head of the column."""
    keys = list(dict.fromkeys(keys))
    shown = {*always, *varying(runs, keys)}
    return {sign(key, keys): [setting_cell(run, key) for run in runs] for key in keys if key in shown}


def setting_cell(run: Settings, key: str) -> str:
    """Return a setting of a run, or a dash where the run does not have it."""
    value = value_of(run, key, _UNKNOWN)
    if value is _UNKNOWN:
        return "–"
    text = "–" if value is None else short(value) if finite(value) is None else exact(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
