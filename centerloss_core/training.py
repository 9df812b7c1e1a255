"""One run, from a config to a finished run directory, as one story."""

from __future__ import annotations

import shlex
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerloss_core import devices
from centerloss_core.callbacks import ShowProgress, ignore_progress
from centerloss_core.config import Config
from centerloss_core.datasets import Dataset, load_dataset
from centerloss_core.interrupts import InterruptedRunError, StopRequest
from centerloss_core.provenance import provenance
from centerloss_core.runs import Run, refuse_existing


@dataclass(frozen=True)
class Result:
    """What a finished run reached: its directory and the `metrics` of its `run.json`."""

    path: Path
    metrics: dict[str, Any]


def train(config: Config, path: Path, *, show: ShowProgress = ignore_progress) -> Result:
    """Train one run into the new directory `path`.

    Args:
        config: resolved; see `centerloss_core.config`.
        path: the run directory, which must not exist yet.
        show: called with a `Progress` once per logging interval.

    Raises:
        DataError: the data is not to be had, or is not what it should be.
        DeviceError: the device asked for is not there.
        RunError: the run directory exists or cannot be made.
        DivergedError: the loss became NaN; the run is marked failed.
        InterruptedRunError: Ctrl-C or SIGTERM; the state is saved and the run marked interrupted.
    """
    began = time.perf_counter()
    refuse_existing(path)  # Run.create would, but only after the framework has taken its seconds
    dataset = load_dataset(config.data.name, dir=config.data.dir, validation=config.data.validation)
    with tempfile.TemporaryFile() as chatter:
        with devices.chatter_to(chatter):
            device = devices.find_device(config.train)

            from centerloss_core.fitting import fit
        run = Run.create(
            path,
            config,
            {
                **provenance(device.backend),
                "repeat": f"cl train --config {shlex.quote(str(path.absolute() / 'config.yaml'))}",
                "backend": device.backend,
                "device": device.label,
                "precision": device.precision,
                "data": _describe(dataset),
            },
        )
        with run.open_log() as log:
            chatter.seek(0)
            shutil.copyfileobj(chatter, log)
    try:
        with run.open_log() as log, devices.chatter_to(log), StopRequest() as stop:
            devices.prepare(device, config.train)
            metrics = fit(config, dataset, run, show, stop)
    except (KeyboardInterrupt, InterruptedRunError) as error:
        run.finish("interrupted", reason=str(error) or "Ctrl-C")
        raise
    except BaseException as error:
        run.finish("failed", reason=f"{type(error).__name__}: {error}")
        raise
    metrics["seconds"] = time.perf_counter() - began
    run.finish("completed", metrics=metrics)
    return Result(run.path, metrics)


def _describe(dataset: Dataset) -> dict[str, Any]:
    validation = dataset.validation
    return {
        "name": dataset.name,
        "title": dataset.title,
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "train": len(dataset.train.labels),
        "validation": 0 if validation is None else len(validation.labels),
        "test": len(dataset.test.labels),
    }
