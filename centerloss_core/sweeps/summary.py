"""`summary.json` and `summary.csv`: a row per point."""

from __future__ import annotations

import csv
import io
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerloss_core.files.atomic import atomic_write
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.lock import holder
from centerloss_core.run_directory.manifest import FORMAT, read_json, write_json

if TYPE_CHECKING:
    from centerloss_core.sweeps.states import PointState

SUMMARY = "summary.json"
_LONGEST_NAME = 255  # bytes, of a file


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

    Files are read and written in the directories that the rows name: one edited by hand must not lead out of the
    sweep.

    Raises:
        RunError: the file is damaged, or the directory of a row is not a plain name.
    """
    path = directory / SUMMARY
    if not path.exists():
        return None
    rows = read_json(path).get("runs")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RunError(f"{path}: has no list of runs")
    for row in rows:
        name = row.get("directory")
        if not _is_plain_name(name):
            raise RunError(
                f"{path}: a run's directory is {reprlib.repr(name)}, which is not a plain name; "
                "put the file back as the sweep wrote it"
            )
    return rows


def _is_plain_name(name: object) -> bool:
    return (
        isinstance(name, str)
        and name == Path(name).name
        and name not in ("", "..")
        and name.isprintable()  # a terminal shows it
        and len(name.encode()) <= _LONGEST_NAME
    )


def rows_now(directory: Path) -> list[dict[str, Any]] | None:
    """The rows of `read_summary`, of which none says that it runs when its sweep has been killed: it is "stopped".

    Raises:
        RunError: as `read_summary`.
    """
    rows = read_summary(directory)
    if rows is None or holder(directory) is not None:
        return rows
    return [{**row, "status": "stopped"} if row.get("status") == "running" else row for row in rows]
