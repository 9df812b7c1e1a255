"""Weights at the start of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from centerloss_core.config import Model


def kernel_initializer(model: Model) -> keras.initializers.Initializer:
    """A new one for each layer: a Keras initializer that is used twice would give the same numbers twice."""
    if model.initializer == "he_normal":
        return keras.initializers.HeNormal()
    if model.initializer == "xavier":
        return keras.initializers.GlorotUniform()
    return keras.initializers.TruncatedNormal(stddev=0.1)


@keras.saving.register_keras_serializable(package="centerloss")
class Circle(keras.initializers.Initializer):
    """A head's kernel (2, k) with the classes at equal angles around the unit circle, in a given order."""

    def __init__(self, class_order: Sequence[int]) -> None:
        self.class_order = list(class_order)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Return the kernel; `shape` must be (2, number of classes)."""
        if tuple(shape) != (2, len(self.class_order)):
            raise ValueError(
                f"A circle of {len(self.class_order)} classes lies in the plane, received shape {shape}."
            )
        angles = np.empty(len(self.class_order))
        angles[self.class_order] = (
            2 * np.pi * (np.arange(len(self.class_order)) + 0.5) / len(self.class_order)
        )
        return keras.ops.convert_to_tensor(np.stack([np.cos(angles), np.sin(angles)]), dtype)

    def get_config(self) -> dict[str, Any]:
        """For Keras' own saving."""
        return {"class_order": self.class_order}
