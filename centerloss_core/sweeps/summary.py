"""`summary.json` and `summary.csv`: a row per point."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from centerloss_core.config.axes import ALPHA, LAMBDA, SEED, in_order
from centerloss_core.files.atomic import atomic_write
from centerloss_core.run_directory import manifest
from centerloss_core.run_directory.lock import holder
from centerloss_core.run_directory.names import SUMMARY
from centerloss_core.sweeps.states import PointState


def write_summary(directory: Path, states: Sequence[PointState], origin: Mapping[str, Any]) -> None:
    """Replace `summary.json` (with `origin`, where it came from) and `summary.csv`."""
    rows = [state.summary() for state in states]
    axes = in_order(key for row in rows for key in row["settings"])
    manifest.write_json(
        directory / SUMMARY, {"format": manifest.FORMAT, **origin, "axes": axes, "runs": rows}
    )
    # λ, α and seed have a column of their own in every sweep.
    columns = [key for key in (*rows[0], *axes) if key not in ("settings", LAMBDA, ALPHA, SEED)]
    table = io.StringIO()
    writer = csv.DictWriter(table, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row["settings"], **row} for row in rows)
    with atomic_write(directory / "summary.csv") as file:
        file.write(table.getvalue().encode(errors="backslashreplace"))  # a reason may hold any file's name


def rows_now(directory: Path) -> list[dict[str, Any]] | None:
    """The rows of a sweep's `summary.json`; those that ran when their sweep was killed are "stopped".

    None where there is no sweep.

    Raises:
        RunError: the file is damaged.
    """
    if not (directory / SUMMARY).exists():
        return None
    rows: list[dict[str, Any]] = manifest.read_summary(directory)["runs"]
    if holder(directory) is not None:
        return rows
    return [{**row, "status": "stopped"} if row.get("status") == "running" else row for row in rows]
