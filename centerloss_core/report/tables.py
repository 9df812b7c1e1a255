"""What the runs reached, as tables: sortable by every column, with the best of each marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from centerloss_core.report.markup import duration, escape, finite, mapping, percent, short, table
from centerloss_core.report.reading import Record


@dataclass(frozen=True)
class _Column:
    title: str
    key: str
    write: Callable[[object], str]
    best_is_most: bool = False  # distances shrink with λ: neither end of theirs is the good one


_GRID = (("λ", "weight"), ("λ_eq", "weight_eq"), ("α", "alpha"), ("seed", "seed"))
_FIGURES = (
    _Column("softmax", "accuracy", percent, best_is_most=True),
    _Column("nearest center", "nearest_center_accuracy", percent, best_is_most=True),
    _Column("intra", "intra_class_distance", short),
    _Column("inter", "inter_class_distance", short),
    _Column("inter/intra", "separation_ratio", lambda value: short(value, ".1f"), best_is_most=True),
    _Column("images/s", "images_per_second", lambda value: short(value, ".0f")),
    _Column("time", "seconds", duration),
)


def metric_table(records: Sequence[Record]) -> str:
    """A row per run, also of those that are missing or have failed."""
    rows = [_figures(record) for record in records]
    best = {column.key: _best(column, records, rows) for column in _FIGURES}
    head = ["run", *(title for title, _ in _GRID), *(column.title for column in _FIGURES), "status"]
    arrow = '<span class="arrow" aria-hidden="true"></span>'
    cells = "".join(
        f'<th scope="col"><button type="button">{escape(title)}{arrow}</button></th>' for title in head
    )
    body = "".join(_row(record, row, best) for record, row in zip(records, rows, strict=True))
    stars = "; ★ marks the best of the completed runs (raw distances shrink as λ grows, so they have none)"
    caption = f"On the test images{stars if any(best.values()) else ''}"
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Figures on the test images">'
        f'<table class="sortable" id="figures-table"><caption>{caption}</caption>'
        f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def evaluation_table(records: Sequence[Record]) -> str:
    """The figures of `cl evaluate`, where it has been run; nothing elsewhere."""
    flat = [_flat(mapping(record.manifest.get("evaluation"))) for record in records]
    keys = list(dict.fromkeys(key for each in flat for key in each))
    if not keys:
        return ""
    head = ["figure", *(escape(record.label) for record in records)]
    rows = [[escape(key), *(_scalar(each.get(key)) for each in flat)] for key in keys]
    return f"<details><summary>More figures ({len(keys)})</summary>{table(head, rows, caption='Evaluation')}</details>"


def epoch_tables(records: Sequence[Record]) -> str:
    """What the accuracy curve shows, as text."""
    parts = []
    for record in records:
        epochs = record.history.epochs if record.history else []
        rows = []
        for row in epochs:
            test = mapping(row.get("test"))
            rows.append(
                [escape(short(row.get("epoch"), "g")), *(c.write(test.get(c.key)) for c in _FIGURES[:5])]
            )
        if rows:
            title = f"{record.label}, epoch by epoch"
            parts.append(
                f"<details><summary>{escape(title)}</summary>"
                + table(["epoch", *(column.title for column in _FIGURES[:5])], rows, caption=title)
                + "</details>"
            )
    return "".join(parts)


def _figures(record: Record) -> dict[str, Any]:
    """The final figures, or those after the newest epoch of a run that has not come to its end."""
    metrics = mapping(record.manifest.get("metrics"))
    test = mapping(metrics.get("test"))
    if not test and record.history and record.history.epochs:
        test = mapping(record.history.epochs[-1].get("test"))
    return {**test, "images_per_second": metrics.get("images_per_second"), "seconds": metrics.get("seconds")}


def _best(column: _Column, records: Sequence[Record], rows: Sequence[dict[str, Any]]) -> str | None:
    """The best value as it is written: two runs that read alike are both the best. None where nothing competes."""
    values = [
        value
        for record, row in zip(records, rows, strict=True)
        if record.status == "completed" and (value := finite(row.get(column.key))) is not None
    ]
    return column.write(max(values)) if column.best_is_most and len(values) > 1 else None


def _row(record: Record, row: dict[str, Any], best: dict[str, str | None]) -> str:
    cells = [f'<th scope="row" data-value="{escape(record.name)}">{escape(record.name)}</th>']
    for _, name in _GRID:
        cells.append(_cell(getattr(record, name), lambda value: short(value, "g")))
    for column in _FIGURES:
        value = row.get(column.key)
        is_best = record.status == "completed" and best[column.key] is not None
        is_best = is_best and column.write(value) == best[column.key]
        cells.append(_cell(value, column.write, best=is_best))
    status = record.status
    if status not in ("completed", "missing") and record.history and record.history.epochs:
        status += f" (figures after epoch {short(record.history.epochs[-1].get('epoch'), 'g')})"
    if record.reason and record.status != "completed":
        status += f": {record.reason}"
    kind = "" if record.status == "completed" else ' class="unfinished"'
    cells.append(f'<td class="words" data-value="{escape(status)}">{escape(status)}</td>')
    return f"<tr{kind}>{''.join(cells)}</tr>"


def _cell(value: object, write: Callable[[object], str], *, best: bool = False) -> str:
    number = finite(value)
    data = "" if number is None else repr(number)
    if best:
        return (
            f'<td class="best" data-value="{data}">{escape(write(value))}'
            '<span aria-hidden="true"> ★</span><span class="unseen"> (best)</span></td>'
        )
    return f'<td data-value="{data}">{escape(write(value))}</td>'


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key} · ")
        elif isinstance(value, int | float | str) and not isinstance(value, bool):
            flat[f"{prefix}{key}".replace("_", " ")] = value
    return flat


def _scalar(value: object) -> str:
    if value is None:
        return "–"
    return escape(short(value, ".4g") if isinstance(value, float) else value)
