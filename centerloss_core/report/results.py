"""What the runs reached, as tables."""

from collections.abc import Sequence
from typing import Any

from centerloss_core.config.axes import LAMBDA
from centerloss_core.formatting import number
from centerloss_core.metrics.names import SPEED, separation_of, with_points
from centerloss_core.report.reading import Contents, Record
from centerloss_core.report.seeds import has_seeds
from centerloss_core.report.tables import (
    Row,
    Table,
    explained,
    figure_cells,
    known_columns,
    measured,
    plain_row,
    setting_cells,
    setting_titles,
    words,
)
from centerloss_core.run_directory.manifest import mapping

# What a λ weighs: it says nothing without the reduction that it was meant for.
_REDUCTIONS = {
    "mean": ". λ weighs the mean over the batch, as in the paper",
    "sum": ". λ weighs the sum over the batch; λ_eq is the same weight for the mean",
}


_LAMBDA_EQ = "the weight λ in the paper's terms, where the loss is a mean over the batch; compare runs by it"


def results_table(contents: Contents) -> Table:
    """A row per run, also of those that are missing or have failed; a column per setting that varies."""
    records = contents.records
    rows = [
        mapping(record.run.manifest.get("metrics")) | record.final() | _of_run(record) for record in records
    ]
    names = known_columns((*with_points(separation_of(rows), contents.kinds), *SPEED), rows)
    # Among seeds, the best single run is the luckiest: `seeds_table` has the means.
    starred = not has_seeds(contents)
    cells = figure_cells(names, rows, ["" if starred and each.is_completed else None for each in records])
    caption = "On the test images"
    if any(cell.mark for row in cells for cell in row):
        caption += (
            "; ★ marks the best of the completed runs (raw distances shrink as λ grows, so they have none)"
        )
    if any(cell.mark == "tied" for row in cells for cell in row):
        caption += "; ≈ marks accuracies that so few images cannot tell apart from the best"
    body = []
    for record, own in zip(records, cells, strict=True):
        status = words(_status(record), "words")
        row = [words(record.name), *setting_cells(record, contents.keys), *own, status]
        body.append(Row(row, unfinished=not record.is_completed))
    head = ["run", *setting_titles(contents.keys), *(name.title for name in names), "status"]
    reductions = {record.run.manifest.get("reduction") for record in records} - {None}
    if len(reductions) == 1:
        caption += _REDUCTIONS.get(str(*reductions), "")
    about = explained(names, cells)
    if LAMBDA in contents.keys:
        about.insert(0, ("λ_eq", _LAMBDA_EQ))
    return Table(caption, head, body, "results-table", explained=about)


def epoch_tables(records: Sequence[Record]) -> list[Table]:
    """What the accuracy curves show, as text."""
    tables = []
    for record in records:
        epochs = record.history.epochs
        tests = [mapping(row.get("test")) | _of_run(record) for row in epochs]
        names = known_columns(with_points(separation_of(tests), [record.run.class_points]), tests)
        rows = [
            plain_row(number(row.get("epoch"), "g"), [measured(name, test).text for name in names])
            for row, test in zip(epochs, tests, strict=True)
        ]
        if rows:
            head = ["epoch", *(name.title for name in names)]
            tables.append(Table(f"{record.label}, epoch by epoch", head, rows))
    return tables


def _of_run(record: Record) -> dict[str, Any]:
    """What a row of figures does not say of itself: of how many images it is, and which figures fit."""
    return {"images": record.run.images("test"), "is_angular": record.run.is_angular}


def _status(record: Record) -> str:
    status: str = record.run.status
    if record.is_completed:
        return status
    if record.history.epochs:
        status += f" (figures after epoch {number(record.history.epochs[-1].get('epoch'), 'g')})"
    return f"{status}: {record.reason}" if record.reason else status
