"""In which settings the runs differ, and all settings of each."""

from __future__ import annotations

from collections.abc import Sequence

from centerloss_core.config import dump_yaml
from centerloss_core.formatting import plain_setting
from centerloss_core.report.markup import escape, table
from centerloss_core.report.reading import Record
from centerloss_core.run_directory.comparison import differing


def differences(records: Sequence[Record], detailed: Sequence[Record]) -> str:
    """A table with a row per setting that is not the same everywhere, and the configs folded away below it.

    Args:
        records: all runs, which are compared.
        detailed: those that have a column and a config.
    """
    known = [(record, record.config) for record in records if record.config is not None]
    shown = [(place, *each) for place, each in enumerate(known) if each[0] in detailed]
    parts = []
    if len(known) > 1:
        found = differing([config.model_dump(mode="json", by_alias=True) for _, config in known])
        rows = [
            [f"<code>{escape(each.key)}</code>", *(_written(each.values[place]) for place, _, _ in shown)]
            for each in found
        ]
        labels = [escape(record.label) for _, record, _ in shown]
        parts.append(
            table(["setting", *labels], rows, caption="Settings that differ between the runs")
            if rows
            else "<p>All runs have the same settings.</p>"
        )
    parts += [
        f"<details><summary>All settings of {escape(record.name)}</summary>"
        f"<pre>{escape(dump_yaml(config))}</pre></details>"
        for _, record, config in shown
    ]
    return "".join(parts) or "<p>No config could be read.</p>"


def _written(value: object) -> str:
    return "–" if value is None else escape(plain_setting(value))
