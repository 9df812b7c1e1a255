"""`figure`: from pressing Enter to the figure on disk, beside what the public recipe would take on this machine."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks.processes import CL, run
from benchmarks.pytorch_loop import BATCH_SIZE
from benchmarks.sections import CONFIG, Options, Outcome, require_full_mnist, require_torch
from benchmarks.step import images_per_second
from benchmarks.workers import workers

# The public recipe: PyTorch, no batch norm, batches of 128, SGD 1e-3; 98.5 % after this many epochs.
_EPOCHS, _IMAGES = 30, 60_000


_LAYOUTS = {"default layout": False, "channels last": True}


def measure(options: Options) -> Outcome:
    """A run per seed, `cl train` and `cl plot`, between looks at the PyTorch loop's rates."""
    require_full_mnist()
    require_torch()
    steps = 3 if options.quick else 100
    seconds: list[float] = []
    tests: list[dict[str, float]] = []
    contestants = {
        name: (
            "pytorch_loop",
            {"precision": "float32", "device": options.device, "channels_last": channels_last},
        )
        for name, channels_last in _LAYOUTS.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    with tempfile.TemporaryDirectory() as directory_name, workers(contestants) as running:

        def look() -> None:
            for name, pytorch in running.items():
                rates[name].append(images_per_second(pytorch, steps, BATCH_SIZE))

        look()
        rates = {name: [] for name in contestants}  # that was to warm up
        look()
        for seed in options.seeds:
            directory = Path(directory_name) / f"seed{seed}"
            seconds.append(_to_the_figure(directory, seed, options))
            tests.append(json.loads((directory / "run.json").read_text("utf-8"))["metrics"]["test"])
            look()
    outcome = Outcome()
    ours = "cl train + cl plot, λ = 0.01"
    outcome.add(ours, "s", seconds)
    for name in contestants:
        outcome.add(f"PyTorch, float32, {name}", "images/s", rates[name])
        estimates = [_EPOCHS * _IMAGES / rate for rate in rates[name]]
        outcome.add(f"· its {_EPOCHS} epochs, {name}: an estimate", "s", estimates, reference=ours)
    outcome.add("softmax accuracy", "%", [100 * test["accuracy"] for test in tests])
    outcome.add("nearest-center accuracy", "%", [100 * test["nearest_center_accuracy"] for test in tests])
    outcome.add("inter/intra", "", [test["separation_ratio"] for test in tests])
    outcome.notes.append(
        f"the estimates are {_EPOCHS} × {_IMAGES:,} images at the rates measured here, without start-up and "
        f"evaluation; ours is wall time with both; seeds {', '.join(map(str, options.seeds))}"
    )
    return outcome


def _to_the_figure(directory: Path, seed: int, options: Options) -> float:
    train = [*CL, "train", "--config", str(CONFIG), "--lambda", "0.01", "--seed", str(seed)]
    train += ["--device", options.device, "--run-dir", str(directory)]
    if options.quick:
        train += ["--set", "train.epochs=null", "--set", "train.iterations=20"]
    home = directory.parent
    return run(train, home).seconds + run([*CL, "plot", str(directory)], home).seconds
