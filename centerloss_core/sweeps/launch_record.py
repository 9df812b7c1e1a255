"""How a sweep was begun, as `summary.json` keeps it: it is resumed so, but for what is asked for now.

The file may be untrusted, or edited by hand: it must not ask more of a machine than a sweep may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from centerloss_core.config import Resources, Slurm
from centerloss_core.devices import threads_of_this_process, usable_cores
from centerloss_core.limits import JOBS, THREADS
from centerloss_core.sweeps.launchers import Launch
from centerloss_core.sweeps.states import PointState

_Section = TypeVar("_Section", Resources, Slurm)

_LAUNCHERS = ("local", "ray", "slurm")


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
