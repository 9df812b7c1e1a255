"""`step`: images/s of our training step beside the plain PyTorch loop and the matrix peak."""

from __future__ import annotations

import statistics
from functools import partial
from typing import Any

from benchmarks.peak import product_rate
from benchmarks.pytorch_loop import BATCH_SIZE
from benchmarks.sections import Options, Outcome, in_turns, is_installed
from benchmarks.workers import Worker, workers

MFLOP_PER_IMAGE = 485  # forward and backward through LeNets++
OUR_BATCH = 100
_PEAK_SIZE = 2048


def measure(options: Options) -> Outcome:
    """All in turns. Without PyTorch ours are measured alone."""
    device = {"device": options.device}
    contestants: dict[str, tuple[str, dict[str, Any]]] = {}
    outcome = Outcome()
    if is_installed("torch"):  # first, because a reference stands before what is compared with it
        contestants["PyTorch, float32"] = ("pytorch_loop", {"precision": "float32", **device})
        contestants["PyTorch, bfloat16"] = ("pytorch_loop", {"precision": "bfloat16", **device})
    else:
        outcome.notes.append("without the PyTorch loop: torch is not installed (make bench installs it)")
    contestants["ours, float32"] = ("our_step", {"precision": "float32", **device})
    contestants["ours, auto precision"] = ("our_step", {"precision": "auto", **device})
    peak_settings = {"precision": "bfloat16", "size": _PEAK_SIZE, **device}
    contestants["peak bfloat16"] = ("matrix_product", peak_settings)
    steps = 3 if options.quick else 40
    with workers(contestants) as running:
        figures = in_turns(
            {name: partial(_figure, name, running[name], steps) for name in contestants},
            rounds=2 if options.quick else 11,
        )
    peak = figures.pop("peak bfloat16")
    for name, rates in figures.items():
        outcome.add(name, "images/s", rates, reference=_reference(name, figures))
    outcome.add("matrix peak, bfloat16", "GFLOP/s", peak)
    for name, rates in figures.items():
        shares = [100 * rate * MFLOP_PER_IMAGE / 1000 / best for rate, best in zip(rates, peak, strict=True)]
        outcome.add(f"share of the peak: {name}", "%", shares)
    outcome.notes.append(
        f"ours: a compiled graph, batch {OUR_BATCH}, batch norm, Muon and Adam, center loss by Eq. 4; PyTorch: eager, "
        f"batch {BATCH_SIZE}, no batch norm, SGD, channels last, bfloat16 by autocast; {MFLOP_PER_IMAGE} MFLOP an image"
    )
    return outcome


def images_per_second(running: Worker, steps: int, batch_size: int) -> float:
    """Let a training contestant run so many steps."""
    return steps * batch_size / running.seconds(steps)


def _figure(name: str, running: Worker, steps: int) -> float:
    if name.startswith("peak"):
        return product_rate(running, _PEAK_SIZE)
    return images_per_second(running, steps, BATCH_SIZE if name.startswith("PyTorch") else OUR_BATCH)


def _reference(name: str, figures: dict[str, list[float]]) -> str | None:
    """Like is compared with like: float32 with float32, the precision that we choose with PyTorch's faster one."""
    theirs = {
        other: statistics.median(rates) for other, rates in figures.items() if other.startswith("PyTorch")
    }
    if not theirs or name in theirs:
        return None
    return "PyTorch, float32" if name == "ours, float32" else max(theirs, key=lambda other: theirs[other])
