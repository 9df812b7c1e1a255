"""`summary.json` and `summary.csv`: a row per point."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerloss_core.files.atomic import atomic_write
from centerloss_core.run_directory import manifest
from centerloss_core.run_directory.lock import holder
from centerloss_core.run_directory.manifest import FORMAT, write_json
from centerloss_core.run_directory.names import SUMMARY

if TYPE_CHECKING:
    from centerloss_core.sweeps.states import PointState

__all__ = ["SUMMARY", "read_summary", "rows_now", "write_summary"]


def write_summary(directory: Path, states: Sequence[PointState], origin: Mapping[str, Any]) -> None:
    """Replace `summary.json` (with `origin`, where it came from) and `summary.csv`."""
    rows = [state.summary() for state in states]
    write_json(directory / SUMMARY, {"format": FORMAT, **origin, "runs": rows})
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(directory / "summary.csv") as file:
        file.write(table.getvalue().encode(errors="backslashreplace"))  # a reason may hold any file's name


def read_summary(directory: Path) -> list[dict[str, Any]] | None:
    """The rows of a sweep's `summary.json`; None where there is no sweep.

    Raises:
        RunError: the file is damaged, or the directory of a row is not a plain name.
    """
    if not (directory / SUMMARY).exists():
        return None
    rows: list[dict[str, Any]] = manifest.read_summary(directory)["runs"]
    return rows


def rows_now(directory: Path) -> list[dict[str, Any]] | None:
    """The rows of `read_summary`, of which none says that it runs when its sweep has been killed: it is "stopped".

    Raises:
        RunError: as `read_summary`.
    """
    rows = read_summary(directory)
    if rows is None or holder(directory) is not None:
        return rows
    return [{**row, "status": "stopped"} if row.get("status") == "running" else row for row in rows]
