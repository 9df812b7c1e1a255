"""`streaming`: faces that are streamed from the cache beside the same ones in memory: images/s, and memory."""

from __future__ import annotations

import io
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.sections import Options, Outcome, in_turns
from benchmarks.step import images_per_second
from benchmarks.streamed_step import BATCH, SHAPE
from benchmarks.workers import workers

_CLASSES = 100
_HELD, _STREAMED = "in memory", "streamed"


def measure(options: Options) -> Outcome:
    """Both in turns, on an artificial set of `options.gib`; what a contestant needs at most is asked at the end."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as folder:
        faces = Path(folder) / "faces.zip"
        count = make_faces(faces, options.gib)
        peaks = {name: Path(folder) / f"{name}.txt" for name in (_HELD, _STREAMED)}
        contestants = {
            name: (
                "streamed_step",
                {
                    "faces": str(faces),
                    "cache": folder,
                    "memory": 1000.0 if name == _HELD else options.gib / 1000,
                    "peak": str(peak),
                    "device": options.device,
                },
            )
            for name, peak in peaks.items()
        }
        steps = 1 if options.quick else 20
        with workers(contestants) as running:
            measured = {
                name: partial(images_per_second, each, steps, BATCH) for name, each in running.items()
            }
            rates = in_turns(measured, rounds=2 if options.quick else 7)
            outcome.add(_HELD, "images/s", rates[_HELD])
            outcome.add(_STREAMED, "images/s", rates[_STREAMED], reference=_HELD)
            for name, peak in peaks.items():
                outcome.add(f"RssAnon at most, {name}", "MiB", [int(peak.read_text()) / 1024])
    outcome.notes.append(f"{count:,} images of {SHAPE}, {options.gib:g} GiB; LeNets++, batch {BATCH}")
    return outcome


def make_faces(path: Path, gib: float) -> int:
    """Write a zip file of coarse random images that take so many GiB when they are decoded; return how many."""
    from PIL import Image

    height, width, channels = SHAPE
    count = max(4 * _CLASSES, round(gib * (1 << 30) / (height * width * channels)))
    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            coarse = random.integers(0, 256, (height // 8, width // 8, channels)).astype(np.uint8)
            file = io.BytesIO()
            Image.fromarray(coarse.repeat(8, 0).repeat(8, 1)).save(file, "PNG", compress_level=1)
            archive.writestr(f"{number % _CLASSES}/{number}.png", file.getvalue())
    return count
