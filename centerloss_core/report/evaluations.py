"""What `cl evaluate` has measured: rows per run and split, and a row per class of them."""

from collections.abc import Iterable, Sequence
from typing import Any

from centerloss_core.formatting import exact, number, percent
from centerloss_core.limits import CLASS_ROWS
from centerloss_core.metrics.names import (
    CLUSTERS,
    RECOGNITION,
    VERIFICATION,
    Name,
    class_figures_of,
    in_order,
    with_points,
)
from centerloss_core.report.open_set import open_set_tables
from centerloss_core.report.reading import Contents, Record
from centerloss_core.report.seeds import has_seeds
from centerloss_core.report.tables import (
    Cell,
    Row,
    Table,
    explained,
    figure,
    figure_cells,
    known_columns,
    measured,
    words,
)
from centerloss_core.run_directory.manifest import items, mapping

_KINDS = (
    ("How many images are recognised, by what", RECOGNITION),
    ("How far the classes are apart", CLUSTERS),
    ("Whether two images are of one class", VERIFICATION),
)
_COSINE = (
    "Cosine figures compare directions from the origin alone. Softmax makes rays, one direction for each class. Center "
    "loss makes clusters anywhere, and two of them may lie one behind the other, so cosine figures can fall while the "
    "clusters get tighter. Judge center loss by the Euclidean figures."
)
_OF_DIRECTIONS = "A loss that looks at directions leaves lengths to chance: judge it by the cosine figures."
_Measured = Sequence[tuple[Record, str, dict[str, Any]]]


def evaluation_tables(contents: Contents) -> list[Table]:
    """All tables; none where nothing has been measured."""
    found = [
        (record, split, figures)
        for split in ("test", "train")  # the rows to compare stand together
        for record in contents.records
        if (figures := record.evaluation(split))
    ]
    starred = not has_seeds(contents)
    is_angular = any(record.run.is_angular for record, _, _ in found)
    kinds = [(title, with_points(names, contents.kinds)) for title, names in _KINDS]
    tables = [
        _figures(f"evaluation-{place}", title, in_order(names, is_angular=is_angular), found, starred=starred)
        for place, (title, names) in enumerate(kinds)
    ]
    tables += [_thresholds(contents), *open_set_tables(contents), _classes(found, contents.kinds)]
    return [table for table in tables if table.rows]


def _figures(id_: str, caption: str, names: Sequence[Name], found: _Measured, *, starred: bool) -> Table:
    """One kind of figure, in a table as wide as a page; when one table is sorted, the others follow."""
    rows = [figures for _, _, figures in found]
    names = known_columns(names, rows)
    cells = figure_cells(names, rows, [split if starred else None for _, split, _ in found])
    if any(cell.mark for row in cells for cell in row):
        least = " and ".join(name.title for name in names if name.best == "least")
        caption += "; ★ marks the best of each split" + (f", the smallest {least}" if least else "")
    if any(cell.mark == "tied" for row in cells for cell in row):
        caption += "; ≈ marks accuracies that so few images cannot tell apart from the best"
    body = [
        Row([words(record.label), words(split, "name"), *own])
        for (record, split, _), own in zip(found, cells, strict=True)
        if own
    ]
    head = ["run", "split", *(name.title for name in names)]
    kinds = {record.run.is_angular for record, _, _ in found}
    notes = [text for kind, text in ((False, _COSINE), (True, _OF_DIRECTIONS)) if kind in kinds]
    note = " ".join(notes) if any(name.key.startswith("cosine") for name in names) else ""
    return Table(caption, head, body, id_, "together many-rows", explained(names, cells), note)


def _thresholds(contents: Contents) -> Table:
    """Of each run those of the score that fits its loss."""
    rows = []
    for record in contents.records:
        kept = record.run.thresholds
        accepted = {
            (row.get("score"), row.get("accept")): row.get("accepted_of_test")
            for row in map(mapping, items(record.evaluation("thresholds").get("values")))
        }
        for each in kept.values if kept is not None else ():
            if kept is not None and each.score == kept.default:
                cells = [words(record.label), words(each.score, "name"), figure(each.accept, percent)]
                cells += [figure(each.value, number), words(f"{kept.images:,} {kept.split}", "name")]
                cells += [figure(accepted.get((each.score, each.accept)), percent)]
                rows.append(Row(cells))
    note = "From training images a threshold is too tight. What one promises is in docs/metrics.md."
    head = ["run", "score", "to accept", "threshold", "taken from", "accepts of test images"]
    caption = "Known, or none of these: an image is known where its score is at least the threshold"
    return Table(caption, head, rows, "thresholds-table", "many-rows", (), note)


def _classes(found: _Measured, kinds: Iterable[str | None]) -> Table:
    """As many rows as a reader can use, those of the test images first."""
    measured_rows = [
        (record, split, mapping(row) | {"is_angular": record.run.is_angular})
        for record, split, figures in found
        for row in items(figures.get("per_class"))
    ]
    names = with_points(class_figures_of([row for _, _, row in measured_rows]), kinds)
    rows = []
    for record, split, row in measured_rows:
        cells = [
            _class_cell(record, row.get(name.key)) if name.key == "nearest_class" else measured(name, row)
            for name in names
        ]
        own = _class_cell(record, row.get("class"))
        rows.append(Row([words(record.label), words(split, "name"), own, *cells]))
    caption = "Class by class"
    if len(rows) > CLASS_ROWS:
        caption += f"; the first {CLASS_ROWS} of {len(rows)} rows"
    caption += "; all are in evaluation-classes.csv. The last column is small for a class that is compact"
    head = ["run", "split", "class", *(name.title for name in names)]
    about = explained(names, [row.cells for row in rows])
    return Table(caption, head, rows[:CLASS_ROWS], "classes-table", "many-rows", about)


def _class_cell(record: Record, label: object) -> Cell:
    """A class by its name, sorted by its label."""
    names = record.run.class_names
    if isinstance(label, int) and 0 <= label < len(names):
        return Cell(names[label], label)
    return figure(label, exact)
