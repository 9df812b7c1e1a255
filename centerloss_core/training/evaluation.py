"""From images to a feature dump: every image of a split, in its own order. Nothing is changed by it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from centerloss_core.datasets import Split
from centerloss_core.errors import DivergedError
from centerloss_core.losses.base import ClassPoints
from centerloss_core.run_directory.feature_dumps import FeatureDump

# Large enough to keep the cores busy, small enough that activations of a batch stay under 200 MB.
_BATCH = 500


def extract(network: keras.Model, points: ClassPoints | None, split: Split, step: int) -> FeatureDump:
    """Run the network over a whole split, also when the batch size does not divide it.

    Args:
        network: from uint8 images to (features, logits).
        points: those that the loss holds for the classes, if it holds any.
        split: the images and labels.
        step: steps taken, for the error.

    Raises:
        DivergedError: a feature is NaN or infinite.
    """
    count = len(split.images)
    # Batches of one size only: JAX compiles the network anew for every other one.
    batch = min(_BATCH, count)
    padding = np.zeros((-count % batch, *split.images.shape[1:]), split.images.dtype)
    predicted = network.predict(np.concatenate([split.images, padding]), batch_size=batch, verbose=0)
    features, logits = (each[:count] for each in predicted)
    if not np.isfinite(features).all():
        raise DivergedError(f"after step {step} the features")
    return FeatureDump(
        features=np.asarray(features, dtype=np.float32),
        labels=split.labels,
        predictions=np.argmax(logits, axis=1).astype(split.labels.dtype),
        **_points(points),
    )


def _points(points: ClassPoints | None) -> dict[str, Any]:
    if points is None:
        return {}
    return {"centers": np.array(keras.ops.convert_to_numpy(points.values), np.float32)}
