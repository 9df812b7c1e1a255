"""From images to a feature dump: every image of a split, in its own order. Nothing is changed by it."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from centerloss_core.datasets import Split
from centerloss_core.errors import DivergedError
from centerloss_core.limits import EVALUATION_BATCH, LOGIT_BYTES
from centerloss_core.losses.base import ClassPoints
from centerloss_core.run_directory.feature_dumps import FeatureDump


def extract(network: keras.Model, points: ClassPoints | None, split: Split, step: int) -> FeatureDump:
    """Run the network over a whole split, also when the batch size does not divide it.

    Args:
        network: from uint8 images to (features, logits), or to features alone, which predict nothing.
        points: those that the loss holds for the classes, if it holds any.
        split: the images and labels.
        step: steps taken, for the error.

    Returns:
        The dump, with logits unless they are as many as `limits.LOGIT_BYTES` does not allow.

    Raises:
        DivergedError: a feature or a logit is NaN or infinite.
    """
    count = len(split)
    # Batches of one size only: JAX compiles the network anew for every other one.
    size = min(EVALUATION_BATCH, count)
    features, predictions, logits = [], [], []
    for start in range(0, count, size):
        images = split.images[start : start + size]
        padding = np.zeros((size - len(images), *images.shape[1:]), images.dtype)
        batch = network.predict_on_batch(np.concatenate([images, padding]) if len(padding) else images)
        own, *by_class = batch if len(network.outputs) > 1 else [batch]
        features.append(np.asarray(own, dtype=np.float32)[: len(images)])
        for each in by_class:
            predictions.append(np.argmax(each, axis=1)[: len(images)])
            if count * each.shape[1] * 4 <= LOGIT_BYTES:
                logits.append(np.asarray(each, dtype=np.float32)[: len(images)])
    return FeatureDump(
        features=_finite("features", features, step),
        labels=split.labels,
        predictions=np.concatenate(predictions) if predictions else None,
        centers=None if points is None else np.array(keras.ops.convert_to_numpy(points.values), np.float32),
        centers_kind=None if points is None else points.kind,
        logits=_finite("logits", logits, step) if logits else None,
    )


def _finite(name: str, parts: list[NDArray[np.float32]], step: int) -> NDArray[np.float32]:
    numbers = np.concatenate(parts)
    if not np.isfinite(numbers).all():
        raise DivergedError(f"after step {step} the {name}")
    return numbers
