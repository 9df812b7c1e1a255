"""`data`: reading, unpacking and checking a data set."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.sections import Options, Outcome, has_full_mnist, in_turns
from centerloss_core.datasets import load_dataset

_NO_MNIST = "without full MNIST: set CENTERLOSS_DATA_DIR to a folder with its files"


def measure(options: Options) -> Outcome:
    """All that is here, in turns; the files are in the system's cache after the first."""
    names = ["mnist5k", *(["mnist"] if has_full_mnist() else [])]
    taken = in_turns({name: partial(_seconds, name) for name in names}, rounds=3 if options.quick else 15)
    outcome = Outcome(notes=[] if "mnist" in names else [_NO_MNIST])
    for name in names:
        outcome.add(f"load_dataset({name!r})", "s", taken[name])
    return outcome


def _seconds(name: str) -> float:
    began = time.perf_counter()
    load_dataset(name)
    return time.perf_counter() - began
