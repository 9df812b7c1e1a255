"""A sweep of runs that do nothing, seen from inside: `python -m benchmarks.stand_in_sweep LAUNCHER POINTS RESULT`."""

from __future__ import annotations

import io
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.sections import CONFIG
from centerloss_core.config import Flags, Resources, Slurm, load_document, resolve_sweep
from centerloss_core.sweeps import Launch, PointState, run_sweep

# Python reads this file when it starts. `cl train` leaves what a completed run leaves, and ends before it begins; a
# worker of the local launcher likewise, point for point.
_STAND_IN = """
import json, os, sys
def train(words):
    path = words[words.index("--run-dir") + 1]
    os.makedirs(path)
    figures = {"accuracy": 0.99, "nearest_center_accuracy": 0.99}
    content = {"format": 2, "status": "completed", "reason": None, "metrics": {"test": figures}}
    with open(os.path.join(path, "run.json"), "w") as file:
        json.dump(content, file)
words = sys.orig_argv
if "cli.worker" in words:
    for line in sys.stdin:
        train(json.loads(line)["words"])
        print("done", flush=True)
    os._exit(0)
if "train" in words and "--run-dir" in words:
    train(words)
    os._exit(0)
"""


def main(launcher: str, points: int, result: Path) -> None:
    """Run it and write what was seen."""
    from rich.console import Console

    from cli.sweep_view import View

    document = load_document(CONFIG)
    weights = [index / points for index in range(points)]
    grid = resolve_sweep(document, Flags(axes={"loss.lambda": weights})).points
    looks: list[float] = []
    drawings: list[float] = []
    view, console = View(), Console(file=io.StringIO(), width=120, markup=False)

    def show(states: Sequence[PointState]) -> None:
        looks.append(time.perf_counter())
        console.print(view.drawn(states, 120, 40))
        drawings.append(time.perf_counter() - looks[-1])

    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "sitecustomize.py").write_text(_STAND_IN)
        os.environ["PYTHONPATH"] = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(home)])
        launch = Launch(launcher, jobs=2, resources=Resources(cpus=1), slurm=Slurm(cluster="local"))
        began = time.perf_counter()
        states = run_sweep(grid, home / "sweep", document.text, launch=launch, show=show)
        seconds = time.perf_counter() - began
    assert {state.status for state in states} == {"completed"}, states[0]
    pauses = [later - earlier for earlier, later in itertools.pairwise(looks)]
    told = {
        "seconds": seconds,
        "median_pause": statistics.median(pauses),
        "longest_pause": max(pauses),
        "drawing": statistics.median(drawings),
    }
    result.write_text(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
