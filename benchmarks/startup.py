"""`startup`: how long a person waits before anything happens."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.made_up_sweep import write_sweep
from benchmarks.processes import CL, PYTHON, run, seconds_until_written
from benchmarks.sections import CONFIG, Options, Outcome, has_full_mnist, in_turns

_TYPER = 'python -c "import typer, rich"'
_TENSORFLOW = 'python -c "import tensorflow"'


def measure(options: Options) -> Outcome:
    """Every command and the two references in turns; each in a process of its own, from a warm file cache."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "bad.yaml").write_text("data: {name: mnist6k}\ntrain: {epochs: 1}\n", encoding="utf-8")
        write_sweep(home / "sweep")
        taken = in_turns(_contestants(home, options), rounds=2 if options.quick else 9)
    for what, reference in (
        (_TYPER, None),
        ("cl --help", _TYPER),
        ("cl train, a config error", _TYPER),
        ("cl plot, 4 × 10,000 points", None),
        (_TENSORFLOW, None),
        ("cl train, to its first step", _TENSORFLOW),
    ):
        outcome.add(what, "s", taken[what], reference=reference)
    if not has_full_mnist():
        outcome.notes.append("the first step on mnist5k: full MNIST is not here (set CENTERLOSS_DATA_DIR)")
    return outcome


def _contestants(home: Path, options: Options) -> dict[str, Callable[[], float]]:
    return {
        _TYPER: lambda: run([*PYTHON, "-c", "import typer, rich"], home).seconds,
        "cl --help": lambda: run([*CL, "--help"], home).seconds,
        "cl train, a config error": lambda: (
            run([*CL, "train", "--config", "bad.yaml"], home, expected=2).seconds
        ),
        "cl plot, 4 × 10,000 points": lambda: run([*CL, "plot", "sweep"], home).seconds,
        _TENSORFLOW: lambda: run([*PYTHON, "-c", "import tensorflow"], home).seconds,
        "cl train, to its first step": _to_the_first_step(home, options),
    }


def _to_the_first_step(home: Path, options: Options) -> Callable[[], float]:
    numbers = itertools.count()
    settings = ["train.log_every=1", f"data.name={'mnist' if has_full_mnist() else 'mnist5k'}"]
    command = [*CL, "train", "--config", str(CONFIG), "--device", options.device, "--quiet"]
    command += [word for setting in settings for word in ("--set", setting)]

    def measure_once() -> float:
        directory = home / f"run-{next(numbers)}"
        # The first row of metrics is written when the first step is done.
        return seconds_until_written(
            [*command, "--run-dir", str(directory)], home, directory / "metrics.jsonl"
        )

    return measure_once
