"""Muon: gradient steps whose singular values are all made about equal, for the kernels of the convolutions.

Keras has a Muon of its own, which leaves four-dimensional kernels to Adam; here they are what it is for.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> Any:
        """One update of all variables, as in Keras."""
        variables = self._trainable_variables if trainable_variables is None else trainable_variables
        kernels = [pair for pair in zip(grads, variables, strict=True) if len(pair[1].shape) == 4]
        ahead = [self._averaged(*pair) for pair in kernels]
        directions = orthonormal_columns(ahead)
        self._directions = {
            self._get_variable_index(variable): direction
            for (_, variable), direction in zip(kernels, directions, strict=True)
        }
        return super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One update of one variable; called by Keras."""
        direction = self._directions.get(self._get_variable_index(variable))
        if direction is None:
            super().update_step(gradient, variable, learning_rate)
            return
        scale = _STEP * max(direction.shape) ** 0.5
        self.assign_sub(variable, learning_rate * scale * ops.reshape(direction, variable.shape))

    def _averaged(self, gradient: Any, variable: Any) -> Any:
        """The average of a kernel's gradients as a matrix, with Nesterov's look ahead: the newest counts twice."""
        average = self._momentums[self._get_variable_index(variable)]
        average.assign(self._blend(average, gradient))
        return ops.reshape(self._blend(average, gradient), (-1, variable.shape[-1]))

    def _blend(self, average: Any, gradient: Any) -> Any:
        return self.beta_1 * ops.convert_to_tensor(average) + (1 - self.beta_1) * gradient


def orthonormal_columns(matrices: Sequence[Any]) -> list[Any]:
    """The matrices with their singular values, whatever they were, brought to between about 0.7 and 1.2.

    The iteration X ← X p(XᵀX), p(G) = a + bG + cG², is carried out on G = XᵀX alone, G ← G p(G)², and X is multiplied
    once, by the product of all p(G): they commute. Several G go through it together.

    Args:
        matrices: (n, c) each, float32.

    Returns:
        (n, c) float32 each.
    """
    grams = [ops.matmul(ops.transpose(matrix), matrix) for matrix in matrices]
    factors: dict[int, Any] = {}
    for numbers in _batches([gram.shape[0] for gram in grams]):
        for number, factor in zip(numbers, _factors([grams[each] for each in numbers]), strict=True):
            factors[number] = factor
    return [ops.matmul(matrix, factors[number]) for number, matrix in enumerate(matrices)]


def _batches(sizes: Sequence[int]) -> list[list[int]]:
    """Which matrices go through the iteration together.

    On a GPU all of them, filled up with zeros: products so small take as long as it takes to start them.
    """
    if keras.backend.backend() == "jax":
        return [list(range(len(sizes)))] if sizes else []
    return [[number for number, each in enumerate(sizes) if each == size] for size in sorted(set(sizes))]


def _factors(grams: Sequence[Any]) -> list[Any]:
    """What each X is to be multiplied by from the right, from its G = XᵀX, (c, c)."""
    a, b, c = _QUINTIC
    sizes = [gram.shape[0] for gram in grams]
    widest = max(sizes)
    g = ops.stack([ops.pad(gram, [[0, widest - size]] * 2) for gram, size in zip(grams, sizes, strict=True)])
    squares = ops.trace(g, axis1=1, axis2=2)[:, None, None] + 1e-30  # of ‖X‖
    g = g / squares
    for number in range(_ITERATIONS):
        p = a * ops.eye(widest) + b * g + c * ops.matmul(g, g)
        if number == 0:
            product, g = p, ops.matmul(ops.matmul(g, p), p)
        elif number < _ITERATIONS - 1:
            both = ops.matmul(ops.concatenate([product, g], axis=1), p)  # in one call
            product, g = both[:, :widest], ops.matmul(both[:, widest:], p)
        else:
            product = ops.matmul(product, p)
    factors = ops.unstack(product * ops.rsqrt(squares), len(sizes))
    return [factor[:size, :size] for factor, size in zip(factors, sizes, strict=True)]
