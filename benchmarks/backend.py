"""`backend`: our training step on TensorFlow and on JAX."""

from __future__ import annotations

from functools import partial

from benchmarks.sections import Options, Outcome, in_turns, require
from benchmarks.step import OUR_BATCH, images_per_second
from benchmarks.workers import workers

_REFERENCE = "tensorflow, auto"


def measure(options: Options) -> Outcome:
    """Both backends in turns, each in the precision that it chooses itself and in float32."""
    require("jax", "pip install '.[jax]'")
    contestants = {
        f"{backend}, {precision}": (
            "our_step", {"backend": backend, "precision": precision, "device": options.device}
        )
        for backend in ("tensorflow", "jax")
        for precision in ("auto", "float32")
    }  # fmt: skip
    steps = 3 if options.quick else 30
    with workers(contestants) as running:
        rates = in_turns(
            {name: partial(images_per_second, running[name], steps, OUR_BATCH) for name in contestants},
            rounds=2 if options.quick else 7,
        )
    outcome = Outcome()
    for name, taken in rates.items():
        outcome.add(name, "images/s", taken, reference=None if name == _REFERENCE else _REFERENCE)
    return outcome
