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

_ON_JAX = keras.backend.backend() == "jax"


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
    if _ON_JAX:
        return _in_one_stack(matrices) if matrices else []
    grams = [ops.matmul(ops.transpose(matrix), matrix) for matrix in matrices]
    sizes = [gram.shape[0] for gram in grams]
    factors: dict[int, Any] = {}
    for size in sorted(set(sizes)):
        numbers = [number for number, each in enumerate(sizes) if each == size]
        found = ops.unstack(_factors(ops.stack([grams[number] for number in numbers])), len(numbers))
        factors.update(zip(numbers, found, strict=True))
    return [ops.matmul(matrix, factors[number]) for number, matrix in enumerate(matrices)]


def _in_one_stack(matrices: Sequence[Any]) -> list[Any]:
    """All of them filled up with zeros to one size: on a GPU a product so small takes as long as it takes to start it.

    Filters lie as rows, as XLA's convolutions have them, so that nothing is copied.
    """
    length, width = (max(matrix.shape[axis] for matrix in matrices) for axis in (0, 1))
    rows = ops.stack(
        [
            ops.pad(ops.transpose(matrix), [[0, width - matrix.shape[1]], [0, length - matrix.shape[0]]])
            for matrix in matrices
        ]
    )
    directions = ops.matmul(_factors(ops.matmul(rows, ops.swapaxes(rows, 1, 2))), rows)
    return [
        ops.transpose(directions[number, : matrix.shape[1], : matrix.shape[0]])
        for number, matrix in enumerate(matrices)
    ]


def _factors(g: Any) -> Any:
    """What each X is to be multiplied by, (k, c, c), from their G = XᵀX, (k, c, c)."""
    a, b, c = _QUINTIC
    squares = ops.trace(g, axis1=1, axis2=2)[:, None, None] + 1e-30  # of ‖X‖
    g = g / squares
    for number in range(_ITERATIONS):
        p = a * ops.eye(g.shape[1]) + b * g + c * ops.matmul(g, g)
        if number == 0:
            product, g = p, ops.matmul(ops.matmul(g, p), p)
        elif number < _ITERATIONS - 1:
            product, g = _times(product, g, p)
        else:
            product = ops.matmul(product, p)
    return product * ops.rsqrt(squares)


def _times(product: Any, g: Any, p: Any) -> tuple[Any, Any]:
    """The product times p, and G p². All of them commute."""
    if _ON_JAX:  # p on either side, else XLA copies matrices to have two products in one call
        return ops.matmul(product, p), ops.matmul(p, ops.matmul(p, g))
    size = g.shape[1]
    both = ops.matmul(ops.concatenate([product, g], axis=1), p)  # in one call
    return both[:, :size], ops.matmul(both[:, size:], p)
