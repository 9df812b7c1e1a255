"""A sweep: every λ × α × seed, each point an ordinary `cl train` in a process of its own.

A process each, because TensorFlow gives neither memory nor threads back, and so that one point that dies (out of
memory, say) leaves the others alone. The run directories are the only thing that points and sweep share:

    sweep.yaml       the config file as it was given
    summary.json     the command, and a row per point; replaced whole whenever a point starts or ends
    summary.csv      the same for a spreadsheet
    logs/            what each point's process printed
    <point>/         the run directories
"""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centerloss_core.atomic import atomic_write
from centerloss_core.config import Config, Document, resolve_sweep
from centerloss_core.devices import thread_limits
from centerloss_core.interrupts import InterruptedRunError, StopRequest
from centerloss_core.provenance import provenance
from centerloss_core.runs import (
    FORMAT,
    RunError,
    last_row,
    make_directory,
    point_name,
    read_json,
    read_manifest,
    update_manifest,
    write_json,
)

SUMMARY = "summary.json"
_POLL_SECONDS = 0.25
_FIGURES = (
    "accuracy",
    "nearest_center_accuracy",
    "intra_class_distance",
    "inter_class_distance",
    "inter_class_distance_min",
    "separation_ratio",
)


@dataclass(frozen=True)
class Point:
    """One point of the grid: its name, its resolved config and the arguments of `cl` that train it."""

    name: str
    config: Config
    arguments: tuple[str, ...]


@dataclass
class PointState:
    """How a point is doing; what the live table shows and `summary.json` keeps."""

    point: Point
    path: Path
    status: str = "waiting"
    reason: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def latest(self) -> dict[str, Any] | None:
        """The newest row of its metrics log, if it has one."""
        return last_row(self.path, kind="steps")

    def summary(self) -> dict[str, Any]:
        """Its row in `summary.json`: the grid, the status, and the figures on the test set where there are any."""
        loss = self.point.config.loss
        row: dict[str, Any] = {
            "directory": self.path.name,
            "lambda": loss.lambda_,
            "alpha": loss.alpha,
            "seed": self.point.config.train.seed,
            "lambda_eq": self.point.config.lambda_eq,
            "status": self.status,
            "reason": self.reason,
        }
        metrics = _metrics(self.path)
        test = metrics.get("test", {})
        row |= {figure: test.get(figure) for figure in _FIGURES}
        return row | {key: metrics.get(key) for key in ("images_per_second", "seconds")}


ShowStates = Callable[[Sequence[PointState]], None]


def plan(
    document: Document,
    directory: Path,
    *,
    lambdas: Sequence[float] | None = None,
    alphas: Sequence[float] | None = None,
    seeds: Sequence[int] | None = None,
    device: str | None = None,
    settings: Sequence[str] = (),
) -> list[Point]:
    """Expand the grid; each point knows the `cl train` call that repeats it alone.

    Raises:
        ConfigError: with the problems of all points.
    """
    configs = resolve_sweep(
        document, lambdas=lambdas, alphas=alphas, seeds=seeds, device=device, settings=settings
    )
    return [_point(config, directory, device, settings) for config in configs]


def _point(config: Config, directory: Path, device: str | None, settings: Sequence[str]) -> Point:
    name = point_name(config)
    arguments = ["train", "--config", str(directory / "sweep.yaml"), "--run-dir", str(directory / name)]
    arguments += ["--lambda", repr(config.loss.lambda_), "--alpha", repr(config.loss.alpha)]
    arguments += ["--seed", str(config.train.seed)]
    if device is not None:
        arguments += ["--device", device]
    for setting in settings:
        arguments += ["--set", setting]
    return Point(name, config, tuple(arguments))


def run_sweep(
    points: Sequence[Point],
    directory: Path,
    document_text: str,
    *,
    jobs: int = 1,
    show: ShowStates = lambda _: None,
) -> list[PointState]:
    """Train every point, `jobs` at a time; one that fails does not stop the others.

    Args:
        points: from `plan`, for the same directory.
        directory: the sweep directory, which must not exist yet.
        document_text: the config file, kept as `sweep.yaml`.
        jobs: processes at a time; they share the cores.
        show: called a few times a second with the state of all points.

    Raises:
        RunError: the directory exists or cannot be made.
        InterruptedRunError: Ctrl-C or SIGTERM; running points have saved their state.
    """
    make_directory(directory)
    (directory / "logs").mkdir()
    with atomic_write(directory / "sweep.yaml") as file:
        file.write(document_text.encode())
    states = [PointState(point, directory / point.name) for point in points]
    origin = provenance()
    write_summary(directory, states, origin)
    with StopRequest() as stop:
        try:
            _run_all(states, directory, max(1, min(jobs, len(states))), show, stop, origin)
        finally:
            _end_children(states, directory, origin)
    if stop.signal_number is not None:
        done = sum(state.status == "completed" for state in states)
        raise InterruptedRunError(
            stop.signal_number, f"stopped with {done} of {len(states)} points completed"
        )
    return states


def _run_all(
    states: Sequence[PointState],
    directory: Path,
    jobs: int,
    show: ShowStates,
    stop: StopRequest,
    origin: Mapping[str, Any],
) -> None:
    """Start, watch and collect until nothing waits or runs."""
    forwarded = False
    while True:
        running = [state for state in states if state.process is not None]
        for state in running:
            if _collect(state, directory, stopping=forwarded):
                write_summary(directory, states, origin)
        if stop.signal_number is not None and not forwarded:
            _forward(states, stop.signal_number)
            forwarded = True
        running = [state for state in states if state.process is not None]
        waiting = [state for state in states if state.status == "waiting"] if not forwarded else []
        for state in waiting[: jobs - len(running)]:
            _start(state, directory, jobs)
            write_summary(directory, states, origin)
        show(states)
        if not running and not waiting:
            return
        time.sleep(_POLL_SECONDS)


def _start(state: PointState, directory: Path, jobs: int) -> None:
    with _log_path(state, directory).open("wb") as log:
        state.process = subprocess.Popen(
            # -P: what lies in the user's folder must not be imported in place of this program.
            [sys.executable, "-P", "-m", "cli", *state.point.arguments, "--quiet"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_import_path(), **thread_limits(jobs)},
            start_new_session=True,  # Ctrl-C reaches the sweep alone, which passes it on once
        )
    state.status = "running"


def _import_path() -> dict[str, str]:
    """Let the points run the same code as the sweep, also from a checkout that is not installed."""
    home = Path(__file__).resolve().parent.parent
    if home.is_relative_to(sys.prefix):
        return {}
    earlier = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(home), *([earlier] if earlier else [])])}


def _collect(state: PointState, directory: Path, *, stopping: bool) -> bool:
    """Take note of a process that has ended; return whether it had."""
    if state.process is None or (code := state.process.poll()) is None:
        return False
    state.process = None
    try:
        manifest = read_manifest(state.path)
    except RunError:
        state.status = "interrupted" if stopping else "failed"
        state.reason = _last_words(state, directory) if code > 0 else _exit_in_words(code)
        return True
    if manifest.get("status") == "running":  # it died without a word
        manifest = update_manifest(
            state.path,
            status="interrupted" if stopping else "failed",
            reason="killed with the sweep" if stopping else _exit_in_words(code),
        )
    state.status, state.reason = str(manifest["status"]), manifest.get("reason")
    return True


def _exit_in_words(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"its process ended with {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"


def _last_words(state: PointState, directory: Path) -> str:
    lines = _log_path(state, directory).read_text(encoding="utf-8", errors="replace").split("\n")
    return next(
        (line.strip() for line in reversed(lines) if line.strip()), "its process ended without a word"
    )


def _log_path(state: PointState, directory: Path) -> Path:
    return directory / "logs" / f"{state.point.name}.log"


def _forward(states: Sequence[PointState], number: int) -> None:
    for state in states:
        if state.process is not None:
            state.process.send_signal(number)


def _end_children(states: Sequence[PointState], directory: Path, origin: Mapping[str, Any]) -> None:
    """Leave no process behind, also when the sweep itself fails or is stopped a second time."""
    for state in states:
        if state.process is not None:
            state.process.kill()
            state.process.wait()
            _collect(state, directory, stopping=True)
    write_summary(directory, states, origin)


def write_summary(directory: Path, states: Sequence[PointState], origin: Mapping[str, Any]) -> None:
    """Replace `summary.json` (with `origin`, where it came from) and `summary.csv`."""
    rows = [state.summary() for state in states]
    write_json(directory / SUMMARY, {"format": FORMAT, **origin, "runs": rows})
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(directory / "summary.csv") as file:
        file.write(table.getvalue().encode())


def read_summary(directory: Path) -> list[dict[str, Any]] | None:
    """The rows of a sweep's `summary.json`; None where there is no sweep.

    Raises:
        RunError: the file is damaged.
    """
    path = directory / SUMMARY
    if not path.exists():
        return None
    rows = read_json(path).get("runs")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RunError(f"{path}: has no list of runs")
    return rows


def _metrics(path: Path) -> dict[str, Any]:
    try:
        metrics = read_manifest(path).get("metrics")
    except RunError:
        return {}
    return metrics if isinstance(metrics, dict) else {}
