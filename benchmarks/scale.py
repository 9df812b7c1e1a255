"""`scale`: whether a step costs the same with little and much data and in a long run, and what many classes cost."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from typing import Any

from benchmarks.sections import ROOT, Options, Outcome, Row, in_turns
from benchmarks.step import OUR_BATCH, images_per_second
from benchmarks.workers import workers

_SIZES = (60_000, 20_000, 6_000)  # the first is what the others are compared with
_EPOCHS = 10
_FLAT = 0.05


def measure(options: Options) -> Outcome:
    """Data of three sizes in turns, and one epoch of the smallest beside several; then center loss by classes."""
    contestants = {f"{size:,} images": ("our_step", _settings(size, options)) for size in _SIZES}
    smallest = f"{_SIZES[-1]:,} images"
    epoch = 3 if options.quick else _SIZES[-1] // OUR_BATCH
    outcome = Outcome()
    with workers(contestants) as running:
        measured = {name: partial(images_per_second, running[name], epoch, OUR_BATCH) for name in contestants}
        measured[f"{smallest}, {_EPOCHS} epochs in one go"] = partial(
            images_per_second, running[smallest], _EPOCHS * epoch, OUR_BATCH
        )
        rates = in_turns(measured, rounds=2 if options.quick else 5)
    first = next(iter(contestants))
    rows = [outcome.add(first, "images/s", rates[first])]
    rows += [outcome.add(name, "images/s", rates[name], reference=first) for name in list(rates)[1:]]
    outcome.notes.append(_verdict(rows))
    _add_center_update(outcome, options)
    return outcome


def _settings(size: int, options: Options) -> dict[str, object]:
    return {"images": size, "device": options.device}


def _verdict(rows: list[Row]) -> str:
    ratios = [row.ratio for row in rows if row.ratio is not None]
    flat = all(abs(ratio - 1) <= _FLAT for ratio in ratios)
    return f"{'flat' if flat else 'NOT flat'} within ±{_FLAT:.0%} of {rows[0].what}"


def _add_center_update(outcome: Outcome, options: Options) -> None:
    for row in _center_update(options):
        what = f"center loss, {row['classes']:,} classes × {row['dimensions']}, batch {row['batch']:,}"
        outcome.add(what, "ms", [row["milliseconds"]])
        if row["one_hot_milliseconds"] is not None:
            outcome.add(f"{what}, one-hot", "ms", [row["one_hot_milliseconds"]], reference=what)
        if row["peak_megabytes"] is not None:
            outcome.add(f"{what}, memory", "MB", [row["peak_megabytes"]])


def _center_update(options: Options) -> list[dict[str, Any]]:
    """Call `center_update.measure` in a process of its own, because it measures the memory of its process."""
    few = {"sizes": ((10, 2), (1_000, 64)), "batches": (100,), "repeats": 5} if options.quick else {}
    program = (
        "import json\n"
        "from benchmarks.center_update import measure\n"
        f"print('ROWS', json.dumps(measure(**{few!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    (rows,) = (line for line in done.stdout.splitlines() if line.startswith("ROWS "))
    found: list[dict[str, Any]] = json.loads(rows.removeprefix("ROWS "))
    return found
