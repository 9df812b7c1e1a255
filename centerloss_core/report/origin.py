"""Where the figures come from: command, versions, device, data, and how to have it all again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from centerloss_core.report.markup import escape, mapping, table
from centerloss_core.report.reading import Contents, Record

_FIELDS = (
    "created",
    "finished",
    "device",
    "backend",
    "precision",
    "threads",
    "reduction",
    "platform",
    "git_revision",
    "seed",
)
_DATA = {"title": "data", "source": "found in", "fingerprint": "fingerprint"}


def origin(contents: Contents, detailed: Sequence[Record]) -> str:
    """A row per fact, one cell where all runs agree, else one for each run in `detailed`; then their commands."""
    records = [record for record in contents.records if record.manifest]
    if not records:
        return "<p>No run has left a manifest.</p>"
    facts = [_facts(record) for record in records]
    keys = list(dict.fromkeys(key for each in facts for key in each))
    same = [(key, facts[0].get(key)) for key in keys if len({each.get(key) for each in facts}) == 1]
    other = [key for key in keys if len({each.get(key) for each in facts}) > 1]
    several = len(records) > 1
    caption = "What all runs have in common" if several else "What this run was made with"
    parts = [table(["", "all runs" if several else "this run"], _rows(same), caption=caption)]
    if other:
        shown = [(record, each) for record, each in zip(records, facts, strict=True) if record in detailed]
        head = ["", *(escape(record.label) for record, _ in shown)]
        rows = [[escape(key), *(escape(each.get(key, "–")) for _, each in shown)] for key in other]
        parts.append(table(head, rows, caption="What differs"))
    parts.append(
        f"<h3>To repeat it</h3>{_commands(contents, [record for record in records if record in detailed])}"
    )
    return "".join(parts)


def _rows(facts: Sequence[tuple[str, str | None]]) -> list[list[str]]:
    return [[escape(key), escape(value or "–")] for key, value in facts]


def _facts(record: Record) -> dict[str, str]:
    manifest = record.manifest
    facts = {key.replace("_", " "): str(manifest[key]) for key in _FIELDS if manifest.get(key) is not None}
    data = mapping(manifest.get("data"))
    facts |= {word: str(data[key]) for key, word in _DATA.items() if data.get(key) is not None}
    sizes = [f"{data[key]} {key}" for key in ("train", "validation", "test") if data.get(key)]
    if sizes:
        facts["images"] = ", ".join(sizes)
    facts |= {str(name): str(version) for name, version in mapping(manifest.get("versions")).items()}
    resumed = manifest.get("resumed")
    if isinstance(resumed, list) and resumed:
        steps = [str(mapping(each).get("step", "?")) for each in resumed]
        facts["resumed after step"] = ", ".join(steps)
    return facts


def _commands(contents: Contents, records: Sequence[Record]) -> str:
    lines = []
    if contents.command:
        lines.append(("the sweep", contents.command))
    for record in records:
        lines.append((record.label, _repeat(record.manifest, record)))
    return "".join(f"<p>{escape(what)}</p><pre>{escape(command)}</pre>" for what, command in lines)


def _repeat(manifest: Mapping[str, Any], record: Record) -> str:
    noted = manifest.get("repeat")
    if isinstance(noted, str):
        return noted
    return f"cl train --config {shlex.quote(str(record.directory / 'config.yaml'))}"
