"""Begin a sweep or resume one: what is read and written before and beside its points."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Unpack

from centerloss_core.config import Point
from centerloss_core.config.problems import shortened
from centerloss_core.errors import Warn
from centerloss_core.files.atomic import clear_temporaries, new_file, temporaries
from centerloss_core.files.untrusted import own_folder
from centerloss_core.interrupts import StopRequest
from centerloss_core.run_directory.directories import new_directory, refuse_existing, refuse_links, take_over
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.lock import DirectoryLock, ReplacedError, holder
from centerloss_core.run_directory.manifest import items, read_json, refuse_another_format
from centerloss_core.run_directory.names import MANIFEST, SUMMARY
from centerloss_core.run_directory.provenance import provenance
from centerloss_core.run_directory.reader import look_at
from centerloss_core.sweeps.asked import Resumed, compare
from centerloss_core.sweeps.conductor import Conductor, How
from centerloss_core.sweeps.grid import fingerprint, read_points, rewrite_points, write_points
from centerloss_core.sweeps.launchers import (
    Launch,
    LauncherError,
    open_launcher,
    refuse_path,
    resume_command,
    slurm_notes,
)
from centerloss_core.sweeps.launchers.child import wait_until_free
from centerloss_core.sweeps.layout import DOCUMENT, POINTS, config_path, log_path
from centerloss_core.sweeps.states import PointState
from centerloss_core.sweeps.summary import as_begun, begun_address, record, write_summary


def run_sweep(
    points: Sequence[Point],
    directory: Path,
    document_text: str,
    *,
    launch: Launch = Launch(),
    **how: Unpack[How],
) -> list[PointState]:
    """Train every point; one that fails does not stop the others.

    Args:
        points: from `resolve_sweep`.
        directory: the sweep directory, which must not exist yet.
        document_text: the config file, kept as `sweep.yaml`.
        launch: by what, how many at a time, and with which resources. Default: one at a time, on this machine.
        how: see `How`.

    Raises:
        RunError: the directory exists or cannot be made.
        LauncherError: the launcher is not there; nothing was made.
        InterruptedRunError: Ctrl-C or SIGTERM; running points have saved their state.
    """
    launch = launch.for_points(len(points))
    states = [PointState(point, directory / point.name) for point in points]
    origin = {**provenance(), **record(launch, launch.threads)}
    refuse_path(launch, directory)
    refuse_existing(directory)  # before a cluster is joined for nothing
    with (
        _stoppable(directory, launch.ray_address) as stop,
        open_launcher(launch, launch.threads) as launcher,
    ):
        stop.obey("stopped before anything was made")
        with new_directory(directory) as folder:
            log_path(folder, "").parent.mkdir()
            with new_file(folder / DOCUMENT) as file:
                file.write(document_text.encode())
            write_points(folder, points)
            origin["points"] = fingerprint(folder)
            write_summary(folder, states, origin)
            lock = DirectoryLock(folder)
        with lock.moved_to(directory) as lock:
            return Conductor(states, directory, lock, origin, launcher, **how).conduct(stop)


def resume_sweep(
    directory: Path,
    *,
    asked: Sequence[Point] | None = None,
    by_file: bool = False,
    launch: Launch = Launch(),
    warn: Warn | None = None,
    **how: Unpack[How],
) -> list[PointState]:
    """Train the points that are missing, interrupted or failed, from where they stopped; leave the others untouched.

    Args:
        directory: the sweep directory.
        asked: the points that are asked for: its own, where the data may be in another place now, and new ones, which
            have further values of its axes. None for its own.
        by_file: `asked` is what a config file says; see `compare`.
        launch: what differs from how it was begun. Each point has the threads that it would have had, whatever
            launches it, because the last bits of a result depend on their number.
        warn: called with each warning.
        how: see `How`.

    Raises:
        RunError: it is not a sweep, or cannot be written.
        InUseError: its process has not ended.
        LinkError: a folder in it that is written to is a link.
        ChangedError: `asked` differ from its points in more than that.
        LauncherError: as for `run_sweep`, and where it was begun on a Ray cluster elsewhere and none is asked for.
        InterruptedRunError: as for `run_sweep`.
    """
    warn = warn or (lambda _: None)
    summary = _read_summary(directory, warn)
    points = read_points(directory, summary)
    resumed = Resumed(points, [], []) if asked is None else compare(directory, points, asked, by_file=by_file)
    points = resumed.points
    _refuse_links(directory, points)
    with take_over(directory) as lock:
        states = [PointState(point, directory / point.name) for point in points]
        _wait_for_earlier_runs(directory, states, warn)
        clear_temporaries(directory)  # only now: a run that has yet to begin has such a folder
        origin = {
            key: value for key, value in (summary or provenance()).items() if key not in ("format", "runs")
        }
        if resumed.added or resumed.moved:
            origin = _take_in(directory, resumed, states, origin)
        asked_address = launch.ray_address
        launch, threads = as_begun(origin, launch, states)
        origin |= {**record(launch, threads, origin), "points": origin.get("points", fingerprint(directory))}
        log_path(directory, "").parent.mkdir(exist_ok=True)
        for state in states:
            if state.manifest().get("status") == "completed":
                state.status = "completed"
            elif state.path.is_dir() and not state.manifest():
                what = "is damaged" if (state.path / MANIFEST).exists() else "is lost"
                state.status = "failed"
                state.reason = (
                    f"{state.path / MANIFEST} {what}: put it back from a copy, or move {state.path} away"
                )
        _warn_of_other_runs(directory, points, warn)
        asked_cores = None if launch.resources is None else launch.resources.cpus
        if asked_cores not in (None, threads):
            warn(
                f"each point keeps the {threads} threads it was begun with; sweep.resources.cpus is {asked_cores}"
            )
        # A sweep that is done can be looked at where its cluster is not.
        refuse_path(launch, directory)
        launch_now = launch if any(state.waits for state in states) else Launch()
        if launch_now.ray_address != asked_address:
            _refuse_unasked_cluster(directory, launch_now.ray_address)
        with (
            _stoppable(directory, launch.ray_address) as stop,
            open_launcher(launch_now, threads) as launcher,
        ):
            stop.obey("stopped before any point was started")
            return Conductor(states, directory, lock, origin, launcher, **how).conduct(stop)


def _take_in(
    directory: Path, resumed: Resumed, states: Sequence[PointState], origin: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the configs of new points and of those whose data was moved; return what `summary.json` keeps from now on.

    Until it is written again it vouches for none of them, so that a kill leaves a sweep that can be resumed.
    """
    begun = {key: value for key, value in origin.items() if key != "points"}
    at = datetime.now(UTC).isoformat(timespec="seconds")
    row = {"at": at, "command": provenance()["command"], "runs": resumed.added}
    write_summary(directory, states, begun)
    changed = {*resumed.added, *resumed.moved}
    rewrite_points(directory, [point for point in resumed.points if point.name in changed])
    added = [*items(begun.get("added")), *([row] if resumed.added else [])]
    return {**begun, "points": fingerprint(directory), "added": added}


@contextmanager
def _stoppable(directory: Path, ray_address: str | None) -> Iterator[StopRequest]:
    """The first signal asks the block to stop, the second stops it at once.

    Whatever ends the block, the points of a sweep that has begun can be resumed.
    """
    try:
        with StopRequest() as stop:
            yield stop
    except ReplacedError:  # there is nothing left of this sweep to resume
        raise
    except BaseException as error:
        if (directory / SUMMARY).exists():
            error.add_note(f"resume it: {resume_command(directory, ray_address)}")
        raise


def _refuse_links(directory: Path, points: Sequence[Point]) -> None:
    notes = slurm_notes.notes_folder(directory)
    for folder in (config_path(directory, "").parent, log_path(directory, "").parent, notes.parent, notes):
        own_folder(folder)
    for point in points:
        refuse_links(own_folder(directory / point.name))


def _refuse_unasked_cluster(directory: Path, address: str | None) -> None:
    """Raise LauncherError for a cluster that only `summary.json` names: joining one means to trust it."""
    if address not in (None, "local", "auto"):
        where = shlex.quote(shortened(address, 200))
        raise LauncherError(
            f"{directory} was begun on the Ray cluster at {where}: resume there with --ray-address {where}, "
            "or here with --launcher local"
        )


def _warn_of_other_runs(directory: Path, points: Sequence[Point], warn: Warn) -> None:
    names = {point.name for point in points}
    for path in sorted(directory.glob(f"*/{MANIFEST}")):
        if path.parent.name not in names:
            warn(f"{path.parent} is not a point of this sweep: {directory / POINTS} has no config for it")


def _wait_for_earlier_runs(directory: Path, states: Sequence[PointState], warn: Warn) -> None:
    """Runs of a sweep that was killed save before they end; Slurm jobs that are still there are told to."""
    slurm_notes.stop_jobs(slurm_notes.notes_folder(directory))
    # First those that begin: they get their names meanwhile.
    folders = [*temporaries(directory), *(state.path for state in states)]
    for folder in folders:
        if (words := holder(folder)) and look_at(folder).status != "completed":
            warn(f"{folder} is in use by {words}: waiting for it to save and end, a minute at most")
            wait_until_free(folders)
            break


def ray_address_of(directory: Path, launch: Launch) -> str | None:
    """The Ray cluster that a sweep is resumed on: what was asked for, or where it was begun."""
    begun = begun_address(_read_summary(directory) or {})
    return launch.ray_address or (begun if launch.launcher in (None, "ray") else None)


def begun_points(directory: Path, warn: Warn | None = None) -> list[Point]:
    """The points of a sweep; see `read_points`."""
    return read_points(directory, _read_summary(directory, warn))


def _read_summary(directory: Path, warn: Warn | None = None) -> dict[str, Any] | None:
    """`summary.json`, or None where it is lost: it follows from the directory, and is written anew."""
    path = directory / SUMMARY
    try:
        summary = read_json(path)
    except RunError as error:
        if warn is not None and any((directory / POINTS).glob("*.yaml")):
            warn(f"{error}; it is written anew")
        return None
    refuse_another_format(path, summary)
    return summary
