"""What the runs reached, as tables: sortable by every column, with the best of each marked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from centerloss_core.formatting import duration, exact, finite, number, percent
from centerloss_core.metrics.names import Name
from centerloss_core.report.markup import cell, escape, mapping, row_name, sortable, table
from centerloss_core.report.reading import Record
from centerloss_core.report.seeds import has_seeds

_GRID = (
    ("λ", "weight", exact),
    ("λ_eq", "weight_eq", partial(number, digits="g")),
    ("α", "alpha", exact),
    ("seed", "seed", exact),
)
_FIGURES = (
    Name("accuracy", "softmax", percent, "most"),
    Name("nearest_center_accuracy", "nearest center", percent, "most"),
    Name("intra_class_distance", "intra", number),
    Name("inter_class_distance", "inter", number),
    Name("separation_ratio", "inter/intra", partial(number, digits=".1f"), "most"),
    Name("images_per_second", "images/s", partial(number, digits=".0f")),
    Name("seconds", "time", duration),
)


def metric_table(records: Sequence[Record]) -> str:
    """A row per run, also of those that are missing or have failed."""
    rows = [_figures(record) for record in records]
    # Among seeds, the best single run is the luckiest: `seeds_table` has the means.
    starred = not has_seeds(records)
    competes = [starred and record.status == "completed" for record in records]
    best = {name.key: best_of(name, rows, competes) for name in _FIGURES}
    head = ["run", *(title for title, _, _ in _GRID), *(name.title for name in _FIGURES), "status"]
    caption = "On the test images"
    if any(best.values()):
        caption += (
            "; ★ marks the best of the completed runs (raw distances shrink as λ grows, so they have none)"
        )
    caption += _how_it_is_reduced(records)
    body = [_row(record, row, best) for record, row in zip(records, rows, strict=True)]
    return sortable(head, body, name="figures-table", caption=caption)


def best_of(name: Name, rows: Sequence[dict[str, Any]], competes: Sequence[bool]) -> str | None:
    """The best value as it is written: two runs that read alike are both the best. None where nothing competes."""
    figures = [
        figure
        for row, can in zip(rows, competes, strict=True)
        if can and (figure := finite(row.get(name.key))) is not None
    ]
    if name.best is None or len(figures) < 2:
        return None
    return name.write(max(figures) if name.best == "most" else min(figures))


def epoch_tables(records: Sequence[Record]) -> str:
    """What the accuracy curve shows, as text."""
    parts = []
    for record in records:
        epochs = record.history.epochs if record.history else []
        rows = []
        for row in epochs:
            test = mapping(row.get("test"))
            rows.append(
                [escape(number(row.get("epoch"), "g")), *(n.write(test.get(n.key)) for n in _FIGURES[:5])]
            )
        if rows:
            title = f"{record.label}, epoch by epoch"
            parts.append(
                f"<details><summary>{escape(title)}</summary>"
                + table(["epoch", *(name.title for name in _FIGURES[:5])], rows, caption=title)
                + "</details>"
            )
    return "".join(parts)


def _how_it_is_reduced(records: Sequence[Record]) -> str:
    """What a λ weighs: it says nothing without the reduction that it was meant for."""
    found = {record.manifest.get("reduction") for record in records} - {None}
    if found == {"mean"}:
        return ". λ weighs the mean over the batch, as in the paper"
    if found == {"sum"}:
        return ". λ weighs the sum over the batch; λ_eq is the same weight for the mean"
    return ""


def _figures(record: Record) -> dict[str, Any]:
    """The final figures, or those after the newest epoch of a run that has not come to its end."""
    metrics = mapping(record.manifest.get("metrics"))
    test = mapping(metrics.get("test"))
    if not test and record.history and record.history.epochs:
        test = mapping(record.history.epochs[-1].get("test"))
    return {**test, "images_per_second": metrics.get("images_per_second"), "seconds": metrics.get("seconds")}


def _row(record: Record, row: dict[str, Any], best: dict[str, str | None]) -> str:
    cells = [row_name(record.name)]
    for _, name, write in _GRID:
        cells.append(cell(getattr(record, name), write))
    for column in _FIGURES:
        value = row.get(column.key)
        is_best = record.status == "completed" and best[column.key] is not None
        is_best = is_best and column.write(value) == best[column.key]
        cells.append(cell(value, column.write, best=is_best))
    status = record.status
    if status not in ("completed", "missing") and record.history and record.history.epochs:
        status += f" (figures after epoch {number(record.history.epochs[-1].get('epoch'), 'g')})"
    if record.reason and record.status != "completed":
        status += f": {record.reason}"
    kind = "" if record.status == "completed" else ' class="unfinished"'
    cells.append(f'<td class="words" data-value="{escape(status)}">{escape(status)}</td>')
    return f"<tr{kind}>{''.join(cells)}</tr>"
