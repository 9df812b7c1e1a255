"""`launchers`: what a launcher costs a point, beside the run itself, and what a thousand points cost the sweep.

The runs are stand-ins that are over as soon as they begin: what is left is starting, watching and collecting.
"""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.processes import PYTHON, run
from benchmarks.sections import Options, Outcome, in_turns

_NEEDS = {"local": None, "ray": "ray", "slurm": "submitit"}


def measure(options: Options) -> Outcome:
    """A thousand stand-ins with each launcher that is installed, two at a time."""
    from importlib.util import find_spec

    points = 20 if options.quick else 1000
    launchers = [name for name, module in _NEEDS.items() if module is None or find_spec(module)]
    outcome = Outcome()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in launchers}
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)

        def sweep(launcher: str) -> float:
            result = home / "result.json"
            command = [*PYTHON, "-m", "benchmarks.stand_in_sweep", launcher, str(points), str(result)]
            finished = run(command, home)
            told = json.loads(result.read_text())
            found[launcher].append({**told, "peak": finished.peak_mib or 0.0})
            return float(told["seconds"]) / points

        taken = in_turns(
            {launcher: partial(sweep, launcher) for launcher in launchers},
            rounds=1 if options.quick else 3,
            warm_up=0,
        )
    for launcher in launchers:
        reference = None if launcher == "local" else "local: a point"
        outcome.add(f"{launcher}: a point", "s", taken[launcher], reference=reference)
        for key, what, unit in (
            ("peak", "peak memory of the sweep's process", "MiB"),
            ("median_pause", "between two looks at the points, median", "s"),
            ("longest_pause", "· longest", "s"),
            ("drawing", "drawing the table once, median", "s"),
        ):
            outcome.add(f"{launcher}: {what}", unit, [each[key] for each in found[launcher]])
    outcome.notes.append(
        f"{points} points, two at a time; each writes a run directory and ends; on Ray and Slurm a Python starts for "
        "each"
    )
    return outcome
