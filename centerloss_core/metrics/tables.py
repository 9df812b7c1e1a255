"""`evaluation.csv` and `evaluation-classes.csv`: what `evaluation.json` says, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

FIGURES = "evaluation.csv"
CLASSES = "evaluation-classes.csv"


def table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A table in CSV with a column for every key that any row has; what is None becomes an empty cell."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
