"""Muon: gradient steps whose singular values are all made about equal, for the kernels of the convolutions.

Keras has a Muon of its own, which leaves four-dimensional kernels to Adam; here they are what it is for.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from centerloss_core.optimizers.adam import Adam

# Coefficients of the quintic iteration that pulls singular values towards 1 (Jordan et al., 2024), and how often.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
# Root mean square of a weight's step, in learning rates. Adam's steps have about 0.2 to 0.4.
_STEP = 0.4


class Muon(Adam):
    """Muon (Jordan et al., 2024) for kernels of convolutions, Adam for every other weight.

    A gradient of a kernel is often nearly of low rank, and steps along it, Adam's too, leave most directions unused.
    Muon replaces the averaged gradient, laid out as a matrix (inputs × channels), by the nearest matrix with
    orthonormal columns, so that all filters move, and by equal amounts. The learning rate means what it means in
    Adam: steps are scaled to the same root mean square.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One update of one variable; called by Keras."""
        if len(variable.shape) != 4:
            super().update_step(gradient, variable, learning_rate)
            return
        average = self._momentums[self._get_variable_index(variable)]
        self.assign(average, self._blend(average, gradient))
        # Nesterov's look ahead: the gradient counts once more.
        rows = ops.reshape(self._blend(average, gradient), (-1, variable.shape[-1]))
        direction = orthonormal_columns(rows)
        scale = _STEP * max(rows.shape) ** 0.5
        self.assign_sub(variable, learning_rate * scale * ops.reshape(direction, variable.shape))

    def _blend(self, average: Any, gradient: Any) -> Any:
        return self.beta_1 * ops.convert_to_tensor(average) + (1 - self.beta_1) * gradient


def orthonormal_columns(matrix: Any) -> Any:
    """The matrix with its singular values, whatever they were, brought to between about 0.7 and 1.2.

    Args:
        matrix: (n, c), float32. A tall one is cheapest: products are (c, c) and (n, c).

    Returns:
        (n, c) float32; computed in the precision of the network's layers.
    """
    dtype = keras.config.dtype_policy().compute_dtype
    x = ops.cast(matrix / (ops.norm(matrix) + 1e-12), dtype)
    a, b, c = _QUINTIC
    for _ in range(_ITERATIONS):
        gram = ops.matmul(ops.transpose(x), x)
        x = a * x + ops.matmul(x, b * gram + c * ops.matmul(gram, gram))
    return ops.cast(x, matrix.dtype)
