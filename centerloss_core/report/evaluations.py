"""What `cl evaluate` has measured: rows per run and split, and a row per class of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from centerloss_core.formatting import number
from centerloss_core.metrics.names import CLASS_FIGURES, CLUSTERS, RECOGNITION, VERIFICATION
from centerloss_core.report.markup import cell, escape, mapping, row_name, sortable
from centerloss_core.report.reading import Record
from centerloss_core.report.seeds import has_seeds
from centerloss_core.report.tables import best_of

_SPLITS = ("test", "train")
_KINDS = (
    ("How many images are recognised, by what", RECOGNITION),
    ("How far the classes are apart", CLUSTERS),
    ("Whether two images are of one class", VERIFICATION),
)
_MOST_CLASS_ROWS = 400  # 40 splits of ten digits
_write_number = partial(number, digits="g")


def evaluation_tables(records: Sequence[Record]) -> str:
    """All tables; nothing where nothing has been measured."""
    measured = [
        (record, split, figures)
        for split in _SPLITS  # the rows to compare stand together
        for record in records
        if (figures := mapping(mapping(record.manifest.get("evaluation")).get(split)))
    ]
    return (
        f"<h3>Evaluation</h3>{_figures(measured, starred=not has_seeds(records))}{_classes(measured)}"
        if measured
        else ""
    )


_Measured = Sequence[tuple[Record, str, dict[str, Any]]]


def _figures(measured: _Measured, *, starred: bool) -> str:
    """A table per kind of figure, as wide as a page; whichever is sorted, the others follow."""
    rows = [figures for _, _, figures in measured]
    tables = []
    for place, (title, names) in enumerate(_KINDS):
        best = {
            split: [
                best_of(name, rows, [starred and each == split for _, each, _ in measured]) for name in names
            ]
            for split in _SPLITS
        }
        caption = title
        if any(map(any, best.values())):
            least = " and ".join(name.title for name in names if name.best == "least")
            caption += "; ★ marks the best of each split" + (f", the smallest {least}" if least else "")
        body = []
        for record, split, figures in measured:
            cells = [row_name(record.label), _split(split)]
            for name, star in zip(names, best[split], strict=True):
                value = figures.get(name.key)
                cells.append(cell(value, name.write, best=star is not None and name.write(value) == star))
            body.append(f"<tr>{''.join(cells)}</tr>")
        head = ["run", "split", *(name.title for name in names)]
        tables.append(
            sortable(head, body, name=f"evaluation-{place}", caption=caption, kind="together many-rows")
        )
    return "".join(tables)


def _classes(measured: _Measured) -> str:
    """As many rows as a reader can use: those of the training images go first, then the last runs'."""
    caption = "Class by class"
    rows = list(_class_rows(measured))
    if len(rows) > _MOST_CLASS_ROWS:
        rows = list(_class_rows([each for each in measured if each[1] == "test"])) or rows
        caption += ", on the test images"
    if len(rows) > _MOST_CLASS_ROWS:
        caption += f"; the first {_MOST_CLASS_ROWS} of {len(rows)} rows"
        rows = rows[:_MOST_CLASS_ROWS]
    if not rows:
        return ""
    caption += "; all are in evaluation-classes.csv. The last column is small for a class that is compact"
    head = ["run", "split", "class", *(name.title for name in CLASS_FIGURES)]
    return sortable(head, rows, name="classes-table", caption=caption, kind="many-rows")


def _class_rows(measured: _Measured) -> Iterator[str]:
    for record, split, figures in measured:
        classes = figures.get("per_class")
        for row in map(mapping, classes if isinstance(classes, list) else []):
            cells = [row_name(record.label), _split(split), cell(row.get("class"), _write_number)]
            cells += [cell(row.get(name.key), name.write) for name in CLASS_FIGURES]
            yield f"<tr>{''.join(cells)}</tr>"


def _split(name: str) -> str:
    return f'<td class="name" data-value="{escape(name)}">{escape(name)}</td>'
