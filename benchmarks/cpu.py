"""`cpu`: the training step in float32 beside PyTorch's loop and the matrix peak, one setting varied at a time.

A processor with AVX-512 plays an older one under ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2.
"""

from __future__ import annotations

import os
import statistics
from functools import partial
from typing import Any

from benchmarks.peak import product_rate
from benchmarks.pytorch_loop import BATCH_SIZE
from benchmarks.sections import Options, Outcome, in_turns, is_installed
from benchmarks.step import MFLOP_PER_IMAGE, OUR_BATCH, images_per_second
from benchmarks.workers import workers

_PEAK_SIZE = 2048
_OURS = "ours: batch norm, Muon, deterministic"
_VARIED = {
    _OURS: "train.batch_size=100",
    "ours with Adam": "train.optimizer=adam",
    "ours without batch norm": "model.batch_norm=false",
    "ours, not deterministic": "train.deterministic=false",
}


def measure(options: Options) -> Outcome:
    """All in turns. Without PyTorch ours are measured alone."""
    outcome = Outcome()
    contestants: dict[str, tuple[str, dict[str, Any]]] = {}
    if is_installed("torch"):
        for layout, channels_last in (("channels last", True), ("default layout", False)):
            contestants[f"PyTorch, {layout}"] = ("pytorch_loop", {"channels_last": channels_last})
    else:
        outcome.notes.append("without the PyTorch loop: torch is not installed (make bench installs it)")
    for name, setting in _VARIED.items():
        contestants[name] = ("our_step", {"precision": "float32", "settings": [setting]})
    contestants["peak"] = ("matrix_product", {"precision": "float32", "size": _PEAK_SIZE})
    steps = 2 if options.quick else 20
    with workers(contestants) as running:
        measures = {
            name: partial(
                images_per_second,
                running[name],
                steps,
                BATCH_SIZE if name.startswith("PyTorch") else OUR_BATCH,
            )
            for name in contestants
            if name != "peak"
        }
        rates = in_turns(
            {**measures, "peak": partial(product_rate, running["peak"], _PEAK_SIZE)},
            rounds=2 if options.quick else 7,
        )
    peak = rates.pop("peak")
    theirs = [name for name in rates if name.startswith("PyTorch")]
    faster = max(theirs, key=lambda name: statistics.median(rates[name]), default=None)
    for name, taken in rates.items():
        reference = (faster if name == _OURS else _OURS) if name in _VARIED and name != faster else None
        outcome.add(name, "images/s", taken, reference=reference)
    outcome.add("matrix peak, float32", "GFLOP/s", peak)
    shares = [
        100 * rate * MFLOP_PER_IMAGE / 1000 / best for rate, best in zip(rates[_OURS], peak, strict=True)
    ]
    outcome.add("share of the peak: ours", "%", shares)
    switches = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "TF_ENABLE_ONEDNN_OPTS")
    outcome.notes += [f"{name}={os.environ[name]}" for name in switches if name in os.environ]
    return outcome
