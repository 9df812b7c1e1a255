"""In which settings the runs differ, and all settings of each."""

from __future__ import annotations

from collections.abc import Sequence

from centerloss_core.config import dump_yaml
from centerloss_core.formatting import plain_setting
from centerloss_core.report.reading import Record
from centerloss_core.report.tables import Table, plain_row
from centerloss_core.run_directory.comparison import differing


def differences(records: Sequence[Record], detailed: Sequence[Record]) -> Table | None:
    """A row per setting that differs between `records`, a column per run of `detailed`; None for one known config."""
    known = [(record, record.config) for record in records if record.config is not None]
    if len(known) < 2:
        return None
    shown = [(place, record) for place, (record, _) in enumerate(known) if record in detailed]
    found = differing([config.model_dump(mode="json", by_alias=True) for _, config in known])
    rows = [plain_row(key, [_written(values[place]) for place, _ in shown]) for key, values in found.items()]
    head = ["setting", *(record.label for _, record in shown)]
    return Table("Settings that differ between the runs", head, rows)


def configs(detailed: Sequence[Record]) -> list[tuple[str, str]]:
    """The name of each run, and its config as YAML."""
    return [(record.name, dump_yaml(record.config)) for record in detailed if record.config is not None]


def _written(value: object) -> str:
    return "–" if value is None else plain_setting(value)
