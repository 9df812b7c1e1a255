"""The optimizers' steps, against the formulas of their papers written out in NumPy (float64)."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from centerloss_core.config import Train
from centerloss_core.optimizers.build import build_optimizer
from centerloss_core.optimizers.muon import orthonormal_columns


@pytest.fixture(autouse=True)
def default_precision() -> Iterator[None]:
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")


def optimizer_for(variable: keras.Variable, name: str) -> keras.optimizers.Optimizer:
    optimizer = build_optimizer(Train(epochs=1, optimizer=name), name)
    optimizer.build([variable])
    optimizer.learning_rate.assign(3e-3)
    return optimizer


def step(
    optimizer: keras.optimizers.Optimizer, variable: keras.Variable, gradient: NDArray[np.float64]
) -> None:
    import tensorflow as tf  # the matrices of this file are for JAX too

    tf.function(lambda g: optimizer.apply([g], [variable]))(tf.cast(gradient, "float32"))


@pytest.mark.parametrize(("name", "beta_2"), [("adam", 0.999), ("muon", 0.99)])
def test_adam_takes_the_steps_of_its_paper(name: str, beta_2: float) -> None:
    """Kingma and Ba (2015), Algorithm 1, with the corrections in the step size (end of their section 2)."""
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(30, 4))
    variable = keras.Variable(weights.astype("float32"))
    optimizer = optimizer_for(variable, name)
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for count in range(1, 8):
        gradient = generator.normal(size=weights.shape) * 10.0 ** generator.integers(-4, 2, weights.shape)
        step(optimizer, variable, gradient)
        first = 0.9 * first + 0.1 * gradient
        second = beta_2 * second + (1 - beta_2) * gradient**2
        size = 3e-3 * np.sqrt(1 - beta_2**count) / (1 - 0.9**count)
        weights = weights - size * first / (np.sqrt(second) + 1e-8)
        np.testing.assert_allclose(variable.numpy(), weights, atol=3e-6)
    assert int(optimizer.iterations) == count


def kernel_gradient(generator: np.random.Generator) -> NDArray[np.float64]:
    """(5, 5, 8, 16), of singular values from 1 down to 1/30: steep, as gradients of kernels are."""
    left, _, right = np.linalg.svd(generator.normal(size=(200, 16)), full_matrices=False)
    return (left * np.geomspace(1, 1 / 30, 16) @ right).reshape(5, 5, 8, 16)


def test_muon_moves_a_kernel_by_its_averaged_gradient_with_equal_singular_values() -> None:
    """By the singular value decomposition, which the iteration only approaches: U Vᵀ for U S Vᵀ."""
    generator = np.random.default_rng(1)
    variable = keras.Variable(np.zeros((5, 5, 8, 16), "float32"))
    optimizer = optimizer_for(variable, "muon")
    average = np.zeros((5, 5, 8, 16))
    for _ in range(3):
        gradient, before = kernel_gradient(generator), variable.numpy().astype(np.float64)
        step(optimizer, variable, gradient)
        average = 0.9 * average + 0.1 * gradient
        left, _, right = np.linalg.svd((0.9 * average + 0.1 * gradient).reshape(200, 16), full_matrices=False)
        taken = (before - variable.numpy()).reshape(200, 16) / 3e-3
        lengths = np.diag(left.T @ taken @ right.T) / (0.4 * np.sqrt(200))
        assert lengths.min() > 0.6
        assert lengths.max() < 1.25
        aside = taken / (0.4 * np.sqrt(200)) - left * lengths @ right
        assert np.abs(aside).max() < 1e-4


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_orthonormal_columns_whatever_the_size_of_the_gradient(policy: str, scale: float) -> None:
    keras.config.set_dtype_policy(policy)
    matrix = kernel_gradient(np.random.default_rng(2)).reshape(200, 16) * scale
    (columns,) = orthonormal_columns([keras.ops.convert_to_tensor(np.float32(matrix))])
    singular = np.linalg.svd(columns.numpy(), compute_uv=False)
    assert singular.min() > 0.6
    assert singular.max() < 1.25


def steep_matrices() -> list[np.ndarray]:
    """Of the shapes of all kernels of the network; 25 × 32 has no full rank."""
    generator = np.random.default_rng(3)
    shapes = [(25, 32), (800, 32), (800, 64), (1600, 64), (1600, 128), (3200, 128)]
    return [generator.normal(size=shape) @ np.diag(np.geomspace(1, 1e-3, shape[1])) for shape in shapes]


def directions_of_the_iteration(matrices: list[np.ndarray]) -> list[np.ndarray]:
    """Jordan's X ← aX + (bG + cG²)X in float64, on each matrix itself."""
    directions = []
    for matrix in matrices:
        x = matrix / np.linalg.norm(matrix)
        for _ in range(5):
            gram = x.T @ x
            x = 3.4445 * x + x @ (-4.7750 * gram + 2.0315 * gram @ gram)
        directions.append(x)
    return directions


def test_orthonormal_columns_are_those_of_the_iteration_on_the_matrix_itself() -> None:
    matrices = steep_matrices()
    found = orthonormal_columns([keras.ops.convert_to_tensor(np.float32(matrix)) for matrix in matrices])
    for columns, expected in zip(found, directions_of_the_iteration(matrices), strict=True):
        assert np.linalg.norm(columns.numpy() - expected) < 1e-3 * np.linalg.norm(expected)


def test_a_kernel_without_a_gradient_stays() -> None:
    variable = keras.Variable(np.ones((5, 5, 8, 16), "float32"))
    step(optimizer_for(variable, "muon"), variable, np.zeros((5, 5, 8, 16)))
    np.testing.assert_array_equal(variable.numpy(), 1)
