"""Formulas in NumPy, and what a layer is held against: values and gradients by finite differences, in float64."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from loss_checks import along_each, directions_in, slopes

STEP = 1e-5


def make_batch(size: int = 12, classes: int = 4, dimensions: int = 2, seed: int = 0) -> Any:
    """Features (m, d) float32 of clusters that overlap, and labels (m,) int32."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, size).astype(np.int32)
    places = random.normal(scale=2.0, size=(classes, dimensions))
    return (places[labels] + random.normal(size=(size, dimensions))).astype(np.float32), labels


def gradient_of(formula: Callable[[np.ndarray], float], point: np.ndarray) -> np.ndarray:
    """The gradient of a formula by central differences."""
    axes = np.eye(np.size(point)).reshape(-1, *np.shape(point))
    return slopes(formula, np.asarray(point, np.float64), axes, STEP).reshape(np.shape(point))


def value_and_gradients(layer: Any, features: np.ndarray, labels: np.ndarray) -> tuple[float, list[Any]]:
    """The loss in training, and its gradients by the features and by each trainable variable."""
    if not layer.built:
        layer.build(features.shape)
    import tensorflow as tf  # not for the batches, which JAX is given too

    x = tf.Variable(features)
    wanted = [x, *(variable.value for variable in layer.trainable_variables)]
    with tf.GradientTape() as tape:
        loss = layer(x, labels, training=True)
    return float(loss), [np.asarray(each) for each in tape.gradient(loss, wanted)]


def check(layer: Any, formula: Callable[..., float], features: np.ndarray, labels: np.ndarray) -> None:
    """Value and all gradients are those of `formula(features, *trainable variables)`.

    The variables are read when the layer is built.
    """
    if not layer.built:
        layer.build(features.shape)
    arguments = [features, *(np.array(variable) for variable in layer.trainable_variables)]
    arguments = [np.asarray(each, np.float64) for each in arguments]
    loss, gradients = value_and_gradients(layer, features, labels)
    np.testing.assert_allclose(loss, formula(*arguments), rtol=2e-5, atol=1e-6)
    for index, gradient in enumerate(gradients):

        def along(value: np.ndarray, index: int = index) -> float:
            return formula(*arguments[:index], value, *arguments[index + 1 :])

        directions = directions_in(np.shape(gradient))
        found, expected = along_each(directions, gradient), slopes(along, arguments[index], directions, STEP)
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5 * max(1, np.abs(expected).max()))


def check_finite(layer: Any, features: np.ndarray, labels: np.ndarray) -> float:
    """Loss and gradients are finite; returns the loss."""
    loss, gradients = value_and_gradients(layer, features, labels)
    assert np.isfinite(loss)
    for gradient in gradients:
        assert np.isfinite(gradient).all()
    return loss


def check_half_precision(make: Callable[[], Any], features: np.ndarray, labels: np.ndarray) -> None:
    """Under a bfloat16 policy the layer computes in float32, to the bit."""
    expected = value_and_gradients(make(), features, labels)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = make()
        found = value_and_gradients(layer, features, labels)
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(variable.dtype == "float32" for variable in layer.variables)
    assert found[0] == expected[0]
    for ours, theirs in zip(found[1], expected[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)
