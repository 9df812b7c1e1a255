"""In which settings the runs differ, and all settings of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from centerloss_core.config import dump_yaml
from centerloss_core.report.markup import escape, table
from centerloss_core.report.reading import Record


def differences(records: Sequence[Record]) -> str:
    """A table with a row per setting that is not the same everywhere, and the configs folded away below it."""
    known = [record for record in records if record.config is not None]
    parts = []
    if len(known) > 1:
        flat = [
            _flat(record.config.model_dump(mode="json", by_alias=True)) for record in known if record.config
        ]
        keys = list(dict.fromkeys(key for each in flat for key in each))
        differing = [key for key in keys if len({str(each.get(key)) for each in flat}) > 1]
        if differing:
            rows = [
                [f"<code>{escape(key)}</code>", *(escape(each.get(key, "–")) for each in flat)]
                for key in differing
            ]
            labels = [escape(record.label) for record in known]
            parts.append(table(["setting", *labels], rows, caption="Settings that differ between the runs"))
        else:
            parts.append("<p>All runs have the same settings.</p>")
    for record in known:
        if record.config is not None:
            parts.append(
                f"<details><summary>All settings of {escape(record.name)}</summary>"
                f"<pre>{escape(dump_yaml(record.config))}</pre></details>"
            )
    return "".join(parts) or "<p>No config could be read.</p>"


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
