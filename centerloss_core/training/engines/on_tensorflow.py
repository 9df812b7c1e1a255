"""The training step as a TensorFlow graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from centerloss_core.training.engines import Batch, Program, Scalars


class TensorFlowEngine:
    """A `tf.function` over the Keras variables themselves, which are therefore always up to date."""

    most = 1  # a loop in the graph gains nothing on a processor
    fingerprint: str | None = None

    def __init__(self, program: Program) -> None:
        self._program = program
        self._data = None if program.data is None else tuple(map(tf.constant, program.data))
        self._compiled = tf.function(self._step, autograph=False)

    def __call__(self, batches: Sequence[Batch], scalars: Sequence[Scalars]) -> dict[str, Any]:
        """See `Engine`."""
        (batch,), (numbers,) = batches, scalars
        on_device = tuple(map(tf.constant, batch)) if isinstance(batch, tuple) else tf.constant(batch)
        figures: dict[str, Any] = self._compiled(
            on_device, tuple(numbers), tf.constant(list(numbers.values()), tf.float32)
        )
        return figures

    def settle(self) -> None:
        """See `Engine`."""

    def _step(self, batch: Any, names: tuple[str, ...], values: Any) -> dict[str, Any]:
        scalars = dict(zip(names, tf.unstack(values), strict=True))
        images, labels = batch if self._data is None else (tf.gather(each, batch) for each in self._data)
        with tf.GradientTape() as tape:
            loss, figures = self._program.forward(images, labels, scalars)
        gradients = tape.gradient(loss, [variable.value for variable in self._program.trainable])
        self._program.update(gradients, scalars)
        return {name: tf.reshape(figure, [1]) for name, figure in figures.items()}
