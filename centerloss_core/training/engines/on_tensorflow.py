"""The training step as a TensorFlow graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from centerloss_core.training.engines import Program


class TensorFlowEngine:
    """A `tf.function` over the Keras variables themselves, which are therefore always up to date."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._images = tf.constant(program.images)
        self._labels = tf.constant(program.labels)
        self._compiled = tf.function(self._step, autograph=False)

    def __call__(self, indices: NDArray[np.int32], learning_rate: float, lambda_: float) -> Any:
        """See `Engine`."""
        return self._compiled(
            tf.constant(indices), tf.constant(learning_rate, tf.float32), tf.constant(lambda_, tf.float32)
        )

    def settle(self) -> None:
        """See `Engine`."""

    def _step(self, indices: Any, learning_rate: Any, lambda_: Any) -> Any:
        images, labels = tf.gather(self._images, indices), tf.gather(self._labels, indices)
        with tf.GradientTape() as tape:
            loss, figures = self._program.forward(images, labels, lambda_)
        gradients = tape.gradient(loss, [variable.value for variable in self._program.trainable])
        self._program.update(gradients, learning_rate)
        return figures
