"""`gpu`: a machine with one GPU, under JAX alone: the training step, a run from Enter to its end, a sweep."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.matrix_product import gflop
from benchmarks.processes import CL, run
from benchmarks.sections import ROOT, Options, Outcome, has_full_mnist, in_turns, is_installed, require
from benchmarks.step import MFLOP_PER_IMAGE
from benchmarks.workers import Worker, workers

_CONFIG, _POST = ROOT / "configs" / "mnist-gpu.yaml", ROOT / "configs" / "post.yaml"
_PEAK_SIZE, _PEAK_TIMES = 8192, 20
_IMAGES_A_TURN = 40_000
_FROM = "batch 100, Muon, deterministic"
_SEEDS = 5
_NARROW = "model.channels=[4,6,8]"  # in --quick, where a processor stands in


def measure(options: Options) -> Outcome:
    """One setting of the step is varied at a time. KERAS_BACKEND must be unset or jax."""
    require("jax", "pip install 'centerloss[jax-cuda]'")
    os.environ["KERAS_BACKEND"] = "jax"
    device = "cpu" if options.quick else "gpu"
    outcome = Outcome()
    _steps(outcome, device, options)
    data = "mnist" if has_full_mnist() and not options.quick else "mnist5k"
    with tempfile.TemporaryDirectory() as name:
        _runs(outcome, Path(name), data, device, options)
    outcome.notes.append(
        f"one setting varied at a time from: {_FROM}, bfloat16; {MFLOP_PER_IMAGE} MFLOP an image; runs and sweep: "
        f"configs/mnist-gpu.yaml on {data}" + ("" if data == "mnist" else ", for want of CENTERLOSS_DATA_DIR")
    )
    return outcome


def _steps(outcome: Outcome, device: str, options: Options) -> None:
    ours: dict[str, tuple[int, dict[str, Any]]] = {
        _FROM: (100, {}),
        "batch 500": (500, {}),
        "batch 1,000": (1000, {}),
        "batch 4,000": (4000, {}),
        "Adam": (100, {"settings": ["train.optimizer=adam"]}),
        "not deterministic": (100, {"settings": ["train.deterministic=false"]}),
        "configs/post.yaml: SGD, float32, no batch norm": (
            100,
            {"config": str(_POST), "precision": "float32"},
        ),
    }
    sizes = {name: max(2, batch // 50) if options.quick else batch for name, (batch, _) in ours.items()}
    contestants: dict[str, tuple[str, Mapping[str, Any]]] = {
        name: (
            "our_step",
            {
                "backend": "jax",
                "device": device,
                "config": str(_CONFIG),
                **settings,
                "settings": [
                    f"train.batch_size={sizes[name]}",
                    *settings.get("settings", ()),
                    *([_NARROW] if options.quick else []),
                ],
            },
        )
        for name, (_, settings) in ours.items()
    }
    if is_installed("torch"):
        for batch in (128, 4000):
            name = f"PyTorch's eager loop, bfloat16, batch {batch:,}"
            sizes[name] = max(2, batch // 50) if options.quick else batch
            contestants[name] = (
                "pytorch_loop",
                {"precision": "bfloat16", "device": device, "batch_size": sizes[name]},
            )
    else:
        outcome.notes.append("without the PyTorch loop: torch is not installed")
    peak = {"precision": "bfloat16", "size": 512 if options.quick else _PEAK_SIZE, "backend": "jax"}
    contestants["peak"] = ("matrix_product", peak)
    images = 10 if options.quick else _IMAGES_A_TURN
    with workers(contestants) as running:
        measures = {
            name: partial(_images_per_second, running[name], batch, images) for name, batch in sizes.items()
        }
        rates = in_turns(
            {**measures, "peak": partial(_tflops, running["peak"], int(str(peak["size"])))},
            rounds=1 if options.quick else 5,
        )
    best = statistics.median(rates.pop("peak"))
    outcome.add("matrix peak, bfloat16", "TFLOP/s", [best])
    for name, taken in rates.items():
        outcome.add(name, "images/s", taken, reference=None if name == _FROM else _FROM)
    for name in (_FROM, "batch 500", "batch 4,000"):
        outcome.add(
            f"share of the peak: {name}", "%", [rate * MFLOP_PER_IMAGE / 1e4 / best for rate in rates[name]]
        )


def _runs(outcome: Outcome, home: Path, data: str, device: str, options: Options) -> None:
    shared = ["--config", str(_CONFIG), "--device", device, "--quiet", "--set", f"data.name={data}"]
    if options.quick:
        shared += [
            "--set",
            "train.iterations=4",
            "--set",
            "train.batch_size=20",
            "--set",
            "train.epochs=null",
        ]
    seconds, rates = [], []
    for number in (
        1,
        2,
    ):  # with what this machine has compiled before: in a fresh cache the first one compiles
        path = home / f"run-{number}"
        seconds.append(run([*CL, "train", *shared, "--run-dir", str(path)], home).seconds)
        metrics = json.loads((path / "run.json").read_text("utf-8"))["metrics"]
        rates.append(metrics["images_per_second"])
    outcome.add("a run, from Enter to the end: first time", "s", seconds[:1])
    outcome.add("· second time", "s", seconds[1:])
    outcome.add("· images/s in its steps", "images/s", rates)
    dumps = [hashlib.sha256((home / f"run-{n}" / "features" / "test-final.npz").read_bytes()) for n in (1, 2)]
    outcome.notes.append(
        "the two runs ended in "
        + ("the same bytes" if len({each.digest() for each in dumps}) == 1 else "OTHER BYTES")
    )
    seeds = 1 if options.quick else _SEEDS
    command = [*CL, "sweep", *shared, "--seed", ",".join(map(str, range(seeds)))]
    sweep = home / "sweep"
    outcome.add(
        f"a sweep of 4 λ × {seeds} seeds", "s", [run([*command, "--run-dir", str(sweep)], home).seconds]
    )
    rows = json.loads((sweep / "summary.json").read_text("utf-8"))["runs"]
    for value in sorted({row["lambda"] for row in rows}):
        of_value = [row for row in rows if row["lambda"] == value]
        for key, words in (("accuracy", "softmax"), ("nearest_center_accuracy", "nearest center")):
            outcome.add(f"λ = {value:g}, {words}", "%", [100 * row[key] for row in of_value])


def _images_per_second(running: Worker, batch: int, images: int) -> float:
    steps = max(2, images // batch)
    return steps * batch / running.seconds(steps)


def _tflops(running: Worker, size: int) -> float:
    return _PEAK_TIMES * gflop(size) / 1000 / running.seconds(_PEAK_TIMES)
