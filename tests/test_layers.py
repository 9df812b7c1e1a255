"""The layers that we compute ourselves, against their formulas written out in NumPy (float64)."""

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from centerloss_core.networks.layers import BatchNorm, NormPReLU, PReLU

tf = pytest.importorskip("tensorflow")

# bfloat16 keeps 8 bits: results are right to about 2⁻⁸ of the largest.
TOLERANCE = {"float32": 2e-5, "bfloat16": 8e-3}
dtypes = pytest.mark.parametrize("dtype", TOLERANCE)


def images(dtype: str, seed: int = 0) -> tuple["tf.Tensor", NDArray[np.float64]]:
    """Values that bfloat16 holds exactly, so that only the arithmetic is compared."""
    values = np.random.default_rng(seed).normal(0.5, 2.0, (20, 7, 7, 12))
    rounded = tf.cast(tf.cast(values, "bfloat16"), dtype)
    return rounded, tf.cast(rounded, "float64").numpy()


def policy(dtype: str) -> str:
    return "mixed_bfloat16" if dtype == "bfloat16" else dtype


def close(found: object, expected: NDArray[np.float64], dtype: str) -> None:
    found = tf.cast(found, "float64").numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=TOLERANCE[dtype] * np.abs(expected).max(), rtol=0)


def gradients(layer: keras.Layer, x: "tf.Tensor", dy: "tf.Tensor", **call: bool) -> tuple[object, ...]:
    @tf.function
    def run(x: object, dy: object) -> tuple[object, ...]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, **call)
        weights = [weight.value for weight in layer.trainable_variables]
        return y, *tape.gradient(y, [x, *weights], dy)

    return tuple(run(x, dy))


@dtypes
def test_batch_norm_in_training(dtype: str) -> None:
    (x, x64), (dy, dy64) = images(dtype), images(dtype, seed=1)
    layer = BatchNorm(momentum=0.9, epsilon=1e-3, dtype=policy(dtype))
    layer.build(x.shape)
    gamma, beta = np.linspace(0.5, 2, 12), np.linspace(-1, 1, 12)
    layer.set_weights([gamma, beta, np.full(12, 3.0), np.full(12, 5.0)])
    y, dx, dgamma, dbeta = gradients(layer, x, dy, training=True)

    axes = (0, 1, 2)
    mean, variance = x64.mean(axes), x64.var(axes)
    root = np.sqrt(variance + 1e-3)
    normal = (x64 - mean) / root
    close(y, gamma * normal + beta, dtype)
    close(dbeta, dy64.sum(axes), dtype)
    close(dgamma, (dy64 * normal).sum(axes), dtype)
    close(dx, gamma / root * (dy64 - dy64.mean(axes) - normal * (dy64 * normal).mean(axes)), dtype)
    close(layer.moving_mean.value, 0.9 * 3.0 + 0.1 * mean, "float32")
    close(layer.moving_variance.value, 0.9 * 5.0 + 0.1 * variance, "float32")


@dtypes
def test_batch_norm_in_evaluation_uses_and_keeps_the_running_statistics(dtype: str) -> None:
    x, x64 = images(dtype)
    layer = BatchNorm(epsilon=1e-3, dtype=policy(dtype))
    layer.build(x.shape)
    weights = [np.linspace(low, high, 12) for low, high in ((0.5, 2), (-1, 1), (-2, 2), (0.1, 9))]
    layer.set_weights(weights)
    gamma, beta, mean, variance = weights
    close(layer(x, training=False), gamma * (x64 - mean) / np.sqrt(variance + 1e-3) + beta, dtype)
    for found, expected in zip(layer.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(found, expected.astype("float32"))


def test_a_frozen_batch_norm_stands_still_in_training_too() -> None:
    x, _ = images("float32")
    layer = BatchNorm()
    layer.build(x.shape)
    layer.trainable = False
    np.testing.assert_array_equal(layer(x, training=True), layer(x, training=False))
    np.testing.assert_array_equal(layer.moving_mean.value, np.zeros(12))


def test_what_the_kernels_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="scale and center"):
        BatchNorm(scale=False)
    with pytest.raises(ValueError, match="shared_axes"):
        PReLU(shared_axes=[1])


@dtypes
@pytest.mark.parametrize("lowest", [-0.5, 0.0, 0.25])
def test_prelu_with_slopes_of_either_sign_and_above_one(dtype: str, lowest: float) -> None:
    (x, x64), (dy, dy64) = images(dtype), images(dtype, seed=1)
    slope = np.linspace(lowest, 1.5, 12).astype("float32")
    layer = PReLU(dtype=policy(dtype))
    layer.build(x.shape)
    layer.set_weights([slope.reshape(1, 1, 12)])
    y, dx, dslope = gradients(layer, x, dy)
    close(y, np.where(x64 > 0, x64, slope * x64), dtype)
    close(dx, np.where(x64 > 0, dy64, slope * dy64), dtype)
    close(dslope, (np.minimum(x64, 0) * dy64).sum((0, 1, 2)).reshape(1, 1, 12), dtype)


@dtypes
@pytest.mark.parametrize("width", [1, 3, 14])
def test_batch_norm_and_prelu_as_one(dtype: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Means are large against the deviations, and the running ones are near them."""
    monkeypatch.setattr("centerloss_core.networks.norm_prelu._VALUES_OF_AN_IMAGE", 1)
    values, upstream = np.random.default_rng(0).normal(size=(2, 20, 7, width, 12))
    x, dy = (tf.cast(tf.cast(each, "bfloat16"), dtype) for each in (2 * values + 50, upstream))
    x64, dy64 = (tf.cast(each, "float64").numpy() for each in (x, dy))
    layer = NormPReLU(momentum=0.9, epsilon=1e-3, dtype=policy(dtype))
    layer.build(x.shape)
    gamma, beta, slope = np.linspace(0.5, 2, 12), np.linspace(-1, 1, 12), np.linspace(-0.5, 1.5, 12)
    slope = tf.cast(tf.cast(slope, "bfloat16"), "float64").numpy()
    layer.set_weights([gamma, beta, slope.reshape(1, 1, 12), np.full(12, 49.0), np.full(12, 5.0)])
    y, dx, dgamma, dbeta, dslope = gradients(layer, x, dy, training=True)

    axes = (0, 1, 2)
    mean, variance = x64.mean(axes), x64.var(axes)
    root = np.sqrt(variance + 1e-3)
    normal = (x64 - mean) / root
    z = gamma * normal + beta
    dz = np.where(z > 0, dy64, slope * dy64)
    close(y, np.where(z > 0, z, slope * z), dtype)
    close(dslope, (np.minimum(z, 0) * dy64).sum(axes).reshape(1, 1, 12), dtype)
    close(dbeta, dz.sum(axes), dtype)
    close(dgamma, (dz * normal).sum(axes), dtype)
    expected = gamma / root * (dz - dz.mean(axes) - normal * (dz * normal).mean(axes))
    near_zero = np.abs(z) < 0.05  # rounding decides there which slope counts
    close(np.where(near_zero, expected, tf.cast(dx, "float64")), expected, dtype)
    close(layer.moving_mean.value, 0.9 * 49.0 + 0.1 * mean, "float32")
    close(layer.moving_variance.value, 0.9 * 5.0 + 0.1 * variance, "float32")
    twin = NormPReLU.from_config(layer.get_config())
    twin.build(x.shape)
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(twin(x, training=False), layer(x, training=False))


@pytest.mark.parametrize("ours", [BatchNorm, PReLU])
def test_weights_are_those_of_the_keras_layer(ours: type[keras.Layer]) -> None:
    theirs = ours.__base__
    assert theirs is not None
    layers = ours(), theirs(shared_axes=[1, 2]) if ours is PReLU else theirs()
    for layer in layers:
        layer.build((None, 7, 7, 12))
    names, shapes = zip(
        *([[w.name for w in layer.weights], [w.shape for w in layer.weights]] for layer in layers),
        strict=True,
    )
    assert names[0] == names[1]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_max_pooling_on_jax_is_that_of_tensorflow(dtype: str) -> None:
    """Also of equal values, of which there are many here, and with a last row and column that fill no window."""
    jax = pytest.importorskip("jax")
    from centerloss_core.networks.kernels_on_jax import max_pool

    values = np.random.default_rng(0).integers(-2, 3, (4, 7, 9, 3)).astype("float32")
    upstream = np.random.default_rng(1).integers(-9, 9, (4, 3, 4, 3)).astype("float32")
    x = tf.Variable(tf.cast(values, dtype))
    with tf.GradientTape() as tape:
        expected = tf.nn.max_pool2d(x, 2, 2, "VALID")
    expected_gradient = tape.gradient(expected, x, tf.cast(upstream, dtype))

    found, backward = jax.vjp(max_pool, jax.numpy.asarray(values, dtype))
    (found_gradient,) = backward(jax.numpy.asarray(upstream, dtype))
    np.testing.assert_array_equal(np.float32(found), tf.cast(expected, "float32"))
    np.testing.assert_array_equal(np.float32(found_gradient), tf.cast(expected_gradient, "float32"))
    values[0, 1, 0, 0] = np.nan
    assert np.isnan(max_pool(values)[0, 0, 0, 0])


@pytest.mark.parametrize("columns", [3, 5])
def test_a_convolution_of_one_channel_on_jax(columns: int) -> None:
    """Against TensorFlow's, and its gradients."""
    jax = pytest.importorskip("jax")
    from centerloss_core.networks.kernels_on_jax import convolve_one_channel

    random = np.random.default_rng(0)
    images = random.normal(size=(3, 9, 7, 1)).astype("float32")
    kernel = random.normal(size=(5, columns, 1, 4)).astype("float32")
    upstream = random.normal(size=(3, 9, 7, 4)).astype("float32")
    with tf.GradientTape() as tape:
        variables = [tf.Variable(images), tf.Variable(kernel)]
        expected = tf.nn.conv2d(*variables, 1, "SAME")
    expected_gradients = tape.gradient(expected, variables, tf.constant(upstream))
    found, backward = jax.vjp(convolve_one_channel, images, kernel)
    for one, other in zip((found, *backward(upstream)), (expected, *expected_gradients), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@dtypes
def test_batch_norm_on_jax(dtype: str) -> None:
    """Against Keras' formula, differentiated by JAX in float32, for means that are large against the deviations."""
    jax = pytest.importorskip("jax")
    from centerloss_core.networks.kernels_on_jax import batch_norm

    random = np.random.default_rng(0)
    x = jax.numpy.asarray(random.normal(50.0, 2.0, (20, 7, 7, 12)), dtype)
    dy = jax.numpy.asarray(random.normal(size=x.shape), dtype)
    gamma, beta = np.linspace(0.5, 2, 12, dtype="float32"), np.linspace(-1, 1, 12, dtype="float32")

    def formula(x: object, gamma: object, beta: object) -> object:
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        return (x - mean) / jax.numpy.sqrt(variance + 1e-3) * gamma + beta, mean, variance

    def ours(x: object, gamma: object, beta: object) -> object:
        return batch_norm(x, gamma, beta, np.full(12, 49.0, "float32"), 1e-3)

    nothing = np.zeros(12, "float32")
    expected, backward = jax.vjp(formula, np.float32(x), gamma, beta)
    expected_gradients = backward((np.float32(dy), nothing, nothing))
    found, backward = jax.vjp(ours, x, gamma, beta)
    found_gradients = backward((dy, nothing, nothing))
    for one, other in zip((*found, *found_gradients), (*expected, *expected_gradients), strict=True):
        close(np.float32(one), np.float64(other), dtype)
