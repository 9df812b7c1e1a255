"""`peak`: the rate of square matrix products, the ceiling of everything else."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.matrix_product import gflop
from benchmarks.sections import Options, Outcome, in_turns
from benchmarks.workers import Worker, workers

_WORK = 300.0  # GFLOP a turn: about a second on two cores


def measure(options: Options) -> Outcome:
    """Both precisions in turns, at two sizes."""
    sizes = (1024, 2048) if options.quick else (2048, 4096)
    contestants: dict[str, tuple[str, dict[str, Any]]] = {
        f"{precision} {size}": (
            "matrix_product",
            {"precision": precision, "size": size, "device": options.device},
        )
        for size in sizes
        for precision in ("float32", "bfloat16")
    }
    outcome = Outcome()
    with workers(contestants) as running:
        rates = in_turns(
            {
                name: partial(product_rate, running[name], int(settings["size"]))
                for name, (_, settings) in contestants.items()
            },
            rounds=2 if options.quick else 9,
        )
    for size in sizes:
        outcome.add(f"float32 {size}", "GFLOP/s", rates[f"float32 {size}"])
        outcome.add(f"bfloat16 {size}", "GFLOP/s", rates[f"bfloat16 {size}"], reference=f"float32 {size}")
    return outcome


def product_rate(product: Worker, size: int) -> float:
    """GFLOP/s over a turn of products."""
    times = max(1, round(_WORK / gflop(size)))
    return times * gflop(size) / product.seconds(times)
