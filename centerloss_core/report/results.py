"""What the runs reached, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from centerloss_core.formatting import duration, number, percent
from centerloss_core.metrics.names import Name
from centerloss_core.report.reading import Contents, Record
from centerloss_core.report.seeds import has_seeds
from centerloss_core.report.tables import (
    Row,
    Table,
    best_of,
    figure,
    known_columns,
    plain_row,
    setting_cells,
    setting_titles,
    words,
)
from centerloss_core.run_directory.manifest import mapping

_QUALITY = (
    Name("accuracy", "softmax", percent, "most"),
    Name("nearest_center_accuracy", "nearest center", percent, "most"),
    Name("intra_class_distance", "intra", number),
    Name("inter_class_distance", "inter", number),
    Name("separation_ratio", "inter/intra", partial(number, digits=".1f"), "most"),
)
_SPEED = (
    Name("images_per_second", "images/s", partial(number, digits=".0f")),
    Name("seconds", "time", duration),
)


def results_table(contents: Contents) -> Table:
    """A row per run, also of those that are missing or have failed; a column per setting that varies."""
    records = contents.records
    rows = [_figures(record) for record in records]
    names = known_columns((*_QUALITY, *_SPEED), rows)
    # Among seeds, the best single run is the luckiest: `seeds_table` has the means.
    starred = not has_seeds(contents)
    competes = [starred and record.is_completed for record in records]
    best = {name.key: best_of(name, rows, competes) for name in names}
    caption = "On the test images"
    if any(best.values()):
        caption += (
            "; ★ marks the best of the completed runs (raw distances shrink as λ grows, so they have none)"
        )
    body = []
    for record, row, can in zip(records, rows, competes, strict=True):
        cells = [words(record.name), *setting_cells(record, contents.keys)]
        for name in names:
            value = row.get(name.key)
            cells.append(figure(value, name.write, best=can and name.write(value) == best[name.key]))
        body.append(Row([*cells, words(_status(record), "words")], unfinished=not record.is_completed))
    head = ["run", *setting_titles(contents.keys), *(name.title for name in names), "status"]
    return Table(caption + _reduction(records), head, body, "results-table")


def epoch_tables(records: Sequence[Record]) -> list[Table]:
    """What the accuracy curves show, as text."""
    tables = []
    for record in records:
        epochs = record.history.epochs if record.history else []
        tests = [mapping(row.get("test")) for row in epochs]
        names = known_columns(_QUALITY, tests)
        rows = [
            plain_row(number(row.get("epoch"), "g"), [name.write(test.get(name.key)) for name in names])
            for row, test in zip(epochs, tests, strict=True)
        ]
        if rows:
            head = ["epoch", *(name.title for name in names)]
            tables.append(Table(f"{record.label}, epoch by epoch", head, rows))
    return tables


def _reduction(records: Sequence[Record]) -> str:
    """What a λ weighs: it says nothing without the reduction that it was meant for."""
    found = {record.run.manifest.get("reduction") for record in records} - {None}
    if found == {"mean"}:
        return ". λ weighs the mean over the batch, as in the paper"
    if found == {"sum"}:
        return ". λ weighs the sum over the batch; λ_eq is the same weight for the mean"
    return ""


def _figures(record: Record) -> dict[str, Any]:
    metrics = mapping(record.run.manifest.get("metrics"))
    return {**record.final(), **{name.key: metrics.get(name.key) for name in _SPEED}}


def _status(record: Record) -> str:
    status: str = record.run.status
    if record.is_completed:
        return status
    if record.history and record.history.epochs:
        status += f" (figures after epoch {number(record.history.epochs[-1].get('epoch'), 'g')})"
    return f"{status}: {record.reason}" if record.reason else status
