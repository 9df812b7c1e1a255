"""From images to a feature dump: every image of a split, in its own order. Nothing is changed by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import keras
import numpy as np
from numpy.typing import NDArray

from centerloss_core.datasets import Split
from centerloss_core.datasets.stored import Images
from centerloss_core.errors import DivergedError
from centerloss_core.limits import EVALUATION_BATCH, LOGIT_BYTES
from centerloss_core.losses.base import ClassPoints
from centerloss_core.run_directory.feature_dumps import FeatureDump

Outputs = tuple[
    NDArray[np.float32], NDArray[np.float32] | None
]  # features (m, d), logits (m, k) if there are any


def batches_of(images: Images) -> Iterator[NDArray[np.uint8]]:
    """Images (n, h, w, c) as batches of `EVALUATION_BATCH`, the last one as many as are left."""
    return (images[start : start + EVALUATION_BATCH] for start in range(0, len(images), EVALUATION_BATCH))


def outputs_of(network: keras.Model, batches: Iterable[NDArray[np.uint8]]) -> Iterator[Outputs]:
    """What the network makes of each batch.

    Args:
        network: from uint8 images to (features, logits), or to features alone.
        batches: uint8 (m, h, w, c), m the same in all but the last, which may be smaller.
    """
    size = None
    for images in batches:
        # Batches of one size only: JAX compiles the network anew for every other one, and sums may round differently.
        size = len(images) if size is None else size
        padding = np.zeros((size - len(images), *images.shape[1:]), images.dtype)
        made = network.predict_on_batch(np.concatenate([images, padding]) if len(padding) else images)
        parts = made if len(network.outputs) > 1 else [made]
        features, *logits = (np.asarray(each, dtype=np.float32)[: len(images)] for each in parts)
        yield features, logits[0] if logits else None


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
    features, predictions, logits = [], [], []
    for own, by_class in outputs_of(network, batches_of(split.images)):
        features.append(own)
        if by_class is not None:
            predictions.append(np.argmax(by_class, axis=1))
            if len(split) * by_class.shape[1] * 4 <= LOGIT_BYTES:
                logits.append(by_class)
    return FeatureDump(
        features=_finite("features", features, step),
        labels=split.labels,
        predictions=np.concatenate(predictions) if predictions else None,
        centers=None if points is None else np.array(keras.ops.convert_to_numpy(points.values), np.float32),
        centers_kind=None if points is None else points.kind,
        logits=_finite("logits", logits, step) if logits else None,
        original_labels=split.original_labels,
    )


def _finite(name: str, parts: list[NDArray[np.float32]], step: int) -> NDArray[np.float32]:
    numbers = np.concatenate(parts)
    if not np.isfinite(numbers).all():
        raise DivergedError(f"after step {step} the {name}")
    return numbers
