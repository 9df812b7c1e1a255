"""A run's steps on a folder of faces, without a run directory; and the most memory of its own that it takes."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

from benchmarks.workers import Run

SHAPE = (112, 96, 3)
BATCH = 64
_LOOK_SECONDS = 0.05


def build(faces: str, cache: str, memory: float, peak: str, device: str = "cpu") -> Run:
    """Load, build and stream as `cl train` does.

    Args:
        faces: `data.dir`.
        cache: a folder for decoded images.
        memory: `data.memory`, in GiB.
        peak: a file that the most anonymous memory so far, in KiB, is written to.
        device: as in a config.
    """
    os.environ["XDG_CACHE_HOME"] = cache
    _watch(Path(peak))
    from centerloss_core import devices
    from centerloss_core.config import load_config
    from centerloss_core.datasets import load_dataset, sampler_of
    from centerloss_core.isolation import isolate_process
    from centerloss_core.training.feed import Feed
    from centerloss_core.training.schedules import scalars_of_step

    isolate_process()
    values = {"data.name": "folder", "data.dir": faces, "data.test_fraction": 0.01, "data.memory": memory}
    values |= {"train.batch_size": BATCH, "train.device": device}
    config = load_config("quickstart", values)
    dataset = load_dataset(config.data)
    devices.prepare(devices.find_device(config.train), config.train)

    from centerloss_core.training.build import build as build_step

    train_step = build_step(config, dataset)
    total = config.train.total_steps(len(dataset.train))
    streamed = dataset.train if train_step.is_streamed else None
    feed = Feed(sampler_of(config.train, dataset), streamed, range(10**9), train_step.most)
    taken = 0

    def run(steps: int) -> None:
        nonlocal taken
        end = taken + steps
        while taken < end:
            numbers = range(taken, min(end, taken + train_step.most))
            scalars = [scalars_of_step(config, number % total, total) for number in numbers]
            figures = train_step.take(feed.take(numbers), scalars)
            taken = numbers.stop
        float(figures["softmax_loss"][-1])  # wait for the last step

    return run


def _watch(peak: Path) -> None:
    """Keep the file up to date, from now on; only Linux tells anonymous memory from that of files."""

    def look() -> None:
        most = 0
        while True:
            status = Path("/proc/self/status").read_text()
            found = re.search(r"RssAnon:\s+(\d+) kB", status)
            if found and int(found[1]) > most:
                most = int(found[1])
                peak.write_text(str(most))
            time.sleep(_LOOK_SECONDS)

    threading.Thread(target=look, daemon=True).start()
