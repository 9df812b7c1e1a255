"""A finished sweep of four λ without training: what `cl plot` has to draw does not depend on what was learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.sections import CONFIG
from centerloss_core.config import load_document, resolve_sweep
from centerloss_core.metrics.separation import separation
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.writer import Run
from centerloss_core.sweeps import PointState, write_summary

_STEPS, _LOG_EVERY, _EPOCH = 600, 50, 600  # of configs/mnist.yaml


def write_sweep(directory: Path, *, images: int = 10_000) -> None:
    """Write the sweep directory of configs/mnist.yaml, `images` points a run."""
    points = resolve_sweep(load_document(CONFIG)).points
    states = [PointState(point, directory / point.name, "completed") for point in points]
    for state in states:
        config = state.point.config
        run = Run.create(state.path, config, {"data": {"title": "MNIST"}})
        dump = _clusters(images, spread=1 / (1 + 10 * config.loss.lambda_))
        test = separation(dump).as_dict()
        for step in range(_LOG_EVERY, _STEPS + 1, _LOG_EVERY):
            figures = {"softmax_loss": 1 / step, "center_loss": 1 / step, "accuracy": 1 - 1 / step}
            rates = {"lambda": config.loss.lambda_, "learning_rate": 1e-2, "images_per_second": 1e3}
            run.log_row({"kind": "steps", "step": step, "epoch": step / _EPOCH, **figures, **rates})
            if step % _EPOCH == 0:
                run.log_row({"kind": "epoch", "epoch": step // _EPOCH, "step": step, "test": test})
        run.write_features("test-final", dump)
        run.finish("completed", metrics={"test": test, "images_per_second": 1e3, "seconds": 1.0})
    write_summary(directory, states, {})


def _clusters(images: int, spread: float) -> FeatureDump:
    random = np.random.default_rng(0)
    labels = np.arange(images) % 10
    centers = random.normal(0, 4, (10, 2))
    features = centers[labels] + random.normal(0, spread, (images, 2))
    return FeatureDump(features.astype(np.float32), labels, labels, centers.astype(np.float32))
