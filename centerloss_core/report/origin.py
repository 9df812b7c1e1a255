"""How the runs were made: settings, command, versions, device, data, and how to repeat them."""

import re
import shlex
from collections.abc import Sequence

from centerloss_core.config import dump_yaml
from centerloss_core.formatting import plain_setting
from centerloss_core.report.reading import Contents, Record
from centerloss_core.report.tables import Row, Table, plain_row
from centerloss_core.run_directory.comparison import differing
from centerloss_core.run_directory.manifest import mapping

_FIELDS = (
    *("created", "finished", "device", "backend", "precision", "threads", "reduction", "platform"),
    *("git_revision", "seed"),
)
_DATA = {"title": "data", "source": "found in", "fingerprint": "fingerprint"}


def differences(records: Sequence[Record], detailed: Sequence[Record]) -> Table | None:
    """A row per setting that differs between `records`, a column per run of `detailed`; None for one known config."""
    known = [(record, record.config) for record in records if record.config is not None]
    if len(known) < 2:
        return None
    shown = [(place, record) for place, (record, _) in enumerate(known) if record in detailed]
    rows = []
    found = differing([config.model_dump(mode="json", by_alias=True) for _, config in known])
    for key, values in found.items():
        own = [values[place] for place, _ in shown]
        rows.append(plain_row(key, ["–" if value is None else plain_setting(value) for value in own]))
    head = ["setting", *(record.label for _, record in shown)]
    return Table("Settings that differ between the runs", head, rows)


def configs(detailed: Sequence[Record]) -> list[tuple[str, str]]:
    """The name of each run, and its config as YAML."""
    return [(record.name, dump_yaml(record.config)) for record in detailed if record.config is not None]


def origin_tables(contents: Contents, detailed: Sequence[Record]) -> list[Table]:
    """A row per fact: one table of what all runs have in common, one with a column for each run in `detailed`."""
    records = [record for record in contents.records if record.run.manifest]
    facts = [_facts(record) for record in records]
    same: list[Row] = []
    other: list[Row] = []
    for key in dict.fromkeys(key for each in facts for key in each):
        values = [each.get(key, "–") for each in facts]
        if len(set(values)) == 1:
            same.append(plain_row(key, values[:1]))
        else:
            shown = [value for record, value in zip(records, values, strict=True) if record in detailed]
            other.append(plain_row(key, shown))
    caption, head = "What this run was made with", "this run"
    if len(records) > 1:
        caption, head = "What all runs have in common", "all runs"
    labels = [record.label for record in records if record in detailed]
    tables = [Table(caption, ["", head], same), Table("What differs", ["", *labels], other)]
    return [table for table in tables if table.rows]


def commands(contents: Contents, detailed: Sequence[Record]) -> list[tuple[str, str]]:
    """What each command makes, and the command: of the sweep, and of each run."""
    lines = [("the sweep", _elsewhere(contents.command))] if contents.command else []
    return lines + [(record.label, _repeat(record)) for record in detailed if record.run.manifest]


def _facts(record: Record) -> dict[str, str]:
    manifest, data = record.run.manifest, record.run.data
    facts = {key.replace("_", " "): str(manifest[key]) for key in _FIELDS if manifest.get(key) is not None}
    facts |= {word: str(data[key]) for key, word in _DATA.items() if data.get(key) is not None}
    sizes = [f"{data[key]} {key}" for key in ("train", "validation", "test") if data.get(key)]
    if sizes:
        facts["images"] = ", ".join(sizes)
    if record.run.image_shape:
        facts["image shape"] = " × ".join(map(str, record.run.image_shape))
    facts |= {str(name): str(version) for name, version in mapping(manifest.get("versions")).items()}
    resumed = manifest.get("resumed")
    if isinstance(resumed, list) and resumed:
        facts["resumed after step"] = ", ".join(str(mapping(each).get("step", "?")) for each in resumed)
    return facts


def _elsewhere(command: str) -> str:
    """A command without its --run-dir, which is taken now."""
    return re.sub(r" --run-dir (?:'[^']*'|\S+)", "", command)


def _repeat(record: Record) -> str:
    noted = record.run.manifest.get("repeat")
    if isinstance(noted, str):
        return noted
    return f"cl train --config {shlex.quote(str(record.run.path / 'config.yaml'))}"
