"""What the tests of the losses share: values and gradients of a part, held against a formula in NumPy's float64."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from centerloss_core.losses.base import Part

CLASSES = 5
BATCHES = {
    "all classes": [0, 3, 1, 4, 2, 0, 3],
    "one class": [2, 2, 2, 2],
    "absent classes": [0, 1, 1, 0],
    "one image": [4],
}
MOST_DIRECTIONS = 40

# (features (m, d), labels (m,), weights by name) → the loss, all in float64
Formula = Callable[[np.ndarray, np.ndarray, dict[str, np.ndarray]], float]


def make_batch(dimensions: int, labels: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    features = random.normal(scale=2.0, size=(len(labels), dimensions)).astype(np.float32)
    return features, np.array(labels, np.int32)


def weights_of(part: Part) -> dict[str, np.ndarray]:
    return {each.name: np.asarray(each.value, np.float64) for each in part.weights}


def loss_and_gradients(
    part: Part, features: np.ndarray, labels: np.ndarray, scalars: Mapping[str, Any]
) -> tuple[float, dict[str, np.ndarray]]:
    """The loss of `measure`, and its gradients by the names of the trainable weights and "features"."""
    variables = part.trainable_variables

    def loss_of(features: Any) -> Any:
        return part.measure(features, labels, scalars)[0]

    if keras.backend.backend() == "jax":
        import jax

        def stateless(arrays: list[Any]) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, arrays[1:], strict=True))):
                return loss_of(arrays[0])

        given = [features, *(each.value for each in variables)]
        program = jax.jit(jax.value_and_grad(stateless)).lower(given)
        loss, found = program.compile({"xla_backend_optimization_level": 0})(given)  # it is called once
    else:
        import tensorflow as tf

        x = tf.convert_to_tensor(features)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = loss_of(x)
        found = tape.gradient(loss, [x, *(each.value for each in variables)])
    names = ["features", *(each.name for each in variables)]
    return float(loss), {name: np.asarray(each) for name, each in zip(names, found, strict=True)}


def directions_in(shape: tuple[int, ...]) -> np.ndarray:
    """Where to look along, (n, *shape): each axis; in a large array 40 directions at random, each across all axes."""
    size = math.prod(shape)
    if size <= MOST_DIRECTIONS:
        return np.eye(size).reshape(size, *shape)
    drawn = np.random.default_rng(0).normal(size=(MOST_DIRECTIONS, *shape))
    return drawn / np.linalg.norm(drawn.reshape(MOST_DIRECTIONS, -1), axis=1).reshape(-1, *(1 for _ in shape))


def slopes(
    function: Callable[[np.ndarray], float], at: np.ndarray, directions: np.ndarray, step: float = 1e-6
) -> np.ndarray:
    """The slopes (n,) along these directions, by central differences."""
    moves = step * directions
    return np.array([function(at + move) - function(at - move) for move in moves]) / (2 * step)


def along_each(directions: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The slopes (n,) that a gradient has along these directions."""
    return np.tensordot(directions, gradient, np.ndim(gradient))


def agrees(
    part: Part, formula: Formula, features: np.ndarray, labels: np.ndarray, scalars: Mapping[str, Any]
) -> None:
    """Loss and all gradients are those of the formula."""
    loss, gradients = loss_and_gradients(part, features, labels, scalars)
    wide, weights = features.astype(np.float64), weights_of(part)
    np.testing.assert_allclose(loss, formula(wide, labels, weights), rtol=2e-5, atol=1e-6)
    for name, gradient in gradients.items():

        def moved(value: np.ndarray, name: str = name) -> float:
            if name == "features":
                return formula(value, labels, weights)
            return formula(wide, labels, {**weights, name: value})

        directions = directions_in(gradient.shape)
        expected = slopes(moved, wide if name == "features" else weights[name], directions)
        size = max(1e-3, np.abs(expected).max())
        found = along_each(directions, gradient)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * size, err_msg=name)


def agrees_on_its_points(head: Any, formula: Formula, scalars: Mapping[str, Any]) -> None:
    """Of features on the points of the classes, and at the origin."""
    points = np.array(head.points().values)
    features = np.concatenate([points, np.zeros_like(points)])
    agrees(head, formula, features, np.tile(np.arange(len(points), dtype=np.int32), 2), scalars)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    highest = logits.max(axis=1, keepdims=True)
    logs = logits - highest - np.log(np.exp(logits - highest).sum(axis=1, keepdims=True))
    return float(-logs[np.arange(len(labels)), labels].mean())
