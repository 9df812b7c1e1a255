"""`summary.json` and `summary.csv`: a row per point, and how the sweep was begun, which it is resumed as.

The file may be untrusted, or edited by hand: it must not ask more of a machine than a sweep may.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from centerloss_core.config import Resources, Slurm
from centerloss_core.config.axes import ALPHA, LAMBDA, SEED, in_order
from centerloss_core.devices import threads_of_this_process, usable_cores
from centerloss_core.files.atomic import atomic_write
from centerloss_core.limits import JOBS, THREADS
from centerloss_core.run_directory import manifest
from centerloss_core.run_directory.lock import holder
from centerloss_core.run_directory.names import SUMMARY
from centerloss_core.sweeps.launchers import Launch
from centerloss_core.sweeps.states import PointState

_Section = TypeVar("_Section", Resources, Slurm)

_LAUNCHERS = ("local", "ray", "slurm")


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


# ---- How it is launched -------------------------------------------------------------------------------------------


def record(launch: Launch, threads: int, earlier: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What `summary.json` keeps.

    Args:
        launch: how it is launched from now on.
        threads: of a point.
        earlier: what it kept before; a launcher that is used again has as many jobs as it had.
    """
    launcher = launch.launcher or "local"
    return {
        "launcher": launcher,
        "jobs": launch.jobs,
        "jobs_by_launcher": {**_jobs(earlier or {}), launcher: launch.jobs},
        "ray_address": launch.ray_address,
        "threads": threads,
        "resources": (launch.resources or Resources()).model_dump(),
        "slurm": (launch.slurm or Slurm()).model_dump(),
    }


def as_begun(origin: Mapping[str, Any], asked: Launch, states: Sequence[PointState]) -> tuple[Launch, int]:
    """What was asked for, completed by how the sweep was begun, and the threads of a point."""
    launcher = asked.launcher or _launcher(origin)
    slurm = _merged(Slurm, origin.get("slurm"), asked.slurm)
    jobs = _jobs(origin).get(launcher)
    if launcher == "local" or (launcher == "slurm" and slurm.cluster == "local"):
        jobs = None if jobs is None else min(jobs, usable_cores())
    # Where the summary is lost, the points that were begun say it.
    known = (origin.get("threads"), *(state.manifest().get("threads") for state in states))
    threads = next((count for each in known if (count := _count(each, THREADS))), None)
    if threads is None:
        threads = max(1, threads_of_this_process() // (jobs or asked.jobs or 1))
    return (
        Launch(
            launcher=launcher,
            jobs=asked.jobs or jobs or (1 if launcher == "local" else None),
            resources=_merged(Resources, origin.get("resources"), asked.resources),
            ray_address=asked.ray_address or (begun_address(origin) if launcher == "ray" else None),
            slurm=slurm,
        ),
        threads,
    )


def begun_address(origin: Mapping[str, Any]) -> str | None:
    """The Ray cluster that it was begun on."""
    address = origin.get("ray_address")
    return address if address and isinstance(address, str) and origin.get("launcher") == "ray" else None


def _launcher(origin: Mapping[str, Any]) -> str:
    begun = origin.get("launcher")
    return str(begun) if begun in _LAUNCHERS else "local"


def _jobs(origin: Mapping[str, Any]) -> dict[str, int]:
    """How many points at a time were asked for, by launcher."""
    kept = origin.get("jobs_by_launcher")
    said = {**(kept if isinstance(kept, dict) else {}), _launcher(origin): origin.get("jobs")}
    return {name: count for name in _LAUNCHERS if (count := _count(said.get(name), JOBS))}


def _count(value: object, most: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most else None


def _merged(section: type[_Section], begun: object, asked: _Section | None) -> _Section:
    """Key by key: asking for more memory does not give up the GPU."""
    try:
        kept = section.model_validate(begun or {})
    except ValidationError:  # edited by hand
        kept = section()
    said = {} if asked is None else asked.model_dump(include=asked.model_fields_set)
    return section.model_validate({**kept.model_dump(), **said})
