"""The columns of a table that show the settings of its runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from centerloss_core.config.axes import Settings, short, sign, value_of, varying
from centerloss_core.formatting import exact, finite

_LONGEST = 40  # characters of a cell
_UNKNOWN: Any = object()


def setting_columns(
    runs: Sequence[Settings], keys: Iterable[str], *, always: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Return a cell per run of each key whose value varies between the runs, by the head of the column.

    Args:
        runs: the settings of each, with dotted keys.
        keys: those that may vary, in the order of the columns.
        always: keys that have a column in any case.
    """
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
