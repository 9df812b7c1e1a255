"""`sweep`: what a point costs beyond its training steps, the memory of a run, and two points at a time against one."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.processes import CL, run
from benchmarks.sections import CONFIG, Options, Outcome, has_full_mnist, in_turns

_LAMBDAS = "0.01,0.1"  # of one program, which --jobs 1 compiles once


def measure(options: Options) -> Outcome:
    """A single run and a sweep of two points with one and two jobs, in turns, on the larger data set that is here."""
    data = "mnist" if has_full_mnist() and not options.quick else "mnist5k"
    steps = 4 if options.quick else 100
    settings = [f"data.name={data}", "train.epochs=null", f"train.iterations={steps}"]
    shared = ["--config", str(CONFIG), "--device", options.device, "--quiet"]
    shared += [word for setting in settings for word in ("--set", setting)]
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        numbers = itertools.count()
        runs: list[dict[str, float]] = []
        later: list[float] = []

        def single() -> float:
            directory = home / f"run-{next(numbers)}"
            finished = run([*CL, "train", *shared, "--run-dir", str(directory)], home)
            (metrics,) = _metrics(directory)
            outside = finished.seconds - metrics["seconds"]
            runs.append({**metrics, "outside": outside, "peak": finished.peak_mib or 0.0})
            return finished.seconds

        def sweep(jobs: int) -> float:
            directory = home / f"sweep-{next(numbers)}"
            command = [*CL, "sweep", *shared, "--lambda", _LAMBDAS, "--jobs", str(jobs)]
            seconds = run([*command, "--run-dir", str(directory)], home).seconds
            if jobs == 1:
                later.append(min(map(_beside_steps, _metrics(directory))))
            return seconds

        taken = in_turns(
            {"single": single, "1": lambda: sweep(1), "2": lambda: sweep(2)},
            rounds=1 if options.quick else 5,
            warm_up=0,
        )
    outcome.add(f"a run of {steps} steps, wall time", "s", taken["single"])
    outcome.add("· its training steps", "s", [each["training_seconds"] for each in runs])
    outcome.add("· beside them in the run", "s", [_beside_steps(each) for each in runs])
    outcome.add("· before and after the run", "s", [each["outside"] for each in runs])
    outcome.add("second point of a sweep, beside its steps", "s", later)
    if any(each["peak"] for each in runs):
        outcome.add("peak memory of a run", "MiB", [each["peak"] for each in runs])
    outcome.add("sweep of 2 points, --jobs 1", "s", taken["1"])
    outcome.add("sweep of 2 points, --jobs 2", "s", taken["2"], reference="sweep of 2 points, --jobs 1")
    outcome.notes.append(
        f"on {data}; beside the steps: imports, data, building, the final evaluation of all images, files"
    )
    return outcome


def _beside_steps(metrics: dict[str, Any]) -> float:
    return float(metrics["seconds"] - metrics["training_seconds"])


def _metrics(directory: Path) -> Iterator[dict[str, Any]]:
    for manifest in directory.glob("**/run.json"):
        yield json.loads(manifest.read_text(encoding="utf-8"))["metrics"]
