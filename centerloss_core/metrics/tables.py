"""`evaluation.csv` and `evaluation-classes.csv`: what `evaluation.json` says, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from centerloss_core.files.atomic import atomic_write

FIGURES = "evaluation.csv"
CLASSES = "evaluation-classes.csv"


def write_tables(
    directory: Path, figures: Sequence[dict[str, Any]], classes: Sequence[dict[str, Any]]
) -> None:
    """Replace both tables, each whole or not at all; what is None becomes an empty cell.

    Args:
        directory: of the run or the sweep.
        figures: a row for each split of each run; all have the same keys, which become the columns.
        classes: a row for each class of each split of each run, likewise; runs may differ in their classes.

    Raises:
        OSError: the directory cannot be written, or the disk is full.
    """
    for name, rows in ((FIGURES, figures), (CLASSES, classes)):
        columns = list(dict.fromkeys(column for row in rows for column in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        with atomic_write(directory / name) as file:
            file.write(text.getvalue().encode())
