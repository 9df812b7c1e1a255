"""Batch norm and the PReLU behind it as one: two passes over the tensor forward, two backward. Imports TensorFlow.

Apart they take twice as many, and oneDNN's batch norm is slow on AVX2. XLA would add up over all rows on one core; here
it adds up a few neighbouring rows at a time, on all cores, and a product does the rest (docs/experiments.md).
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from centerloss_core.networks.kernels import HAS_XLA

_VALUES_OF_AN_IMAGE = 4096  # at least: below, it saves less than the second that it takes to compile
_ROWS_AT_ONCE = 5  # at least, where there are as many; each is an operand of the loop that XLA compiles


def is_faster(x: Any) -> bool:
    """Whether it is worth it for a tensor like x: bfloat16 is as fast the other way, and a GPU has its own kernels."""
    is_large = (x.shape[1:].num_elements() or 0) >= _VALUES_OF_AN_IMAGE
    return is_large and x.dtype == tf.float32 and HAS_XLA and not tf.config.get_visible_devices("GPU")


@tf.custom_gradient  # type: ignore[untyped-decorator]
def batch_norm_prelu(
    x: Any, gamma: Any, beta: Any, near: Any, slope: Any, epsilon: float
) -> tuple[tuple[Any, Any, Any], Any]:
    """Normalise over all axes but the last by the batch's own mean and variance, scale, and let PReLU follow.

    Args:
        x: (m, h, w, c), float32, as everything here.
        gamma: scale, (c,).
        beta: offset, (c,).
        near: what the means are about, (c,): squares are summed of the distance to it, so that no digits
            are lost where a mean is large against the deviation.
        slope: of PReLU, (c,), one per channel.
        epsilon: added to the variance.

    Returns:
        y of the shape of x; mean and (biased) variance of the batch, both (c,). No gradient comes
        through the last two.
    """
    count = tf.cast(tf.size(x) // tf.shape(x)[-1], tf.float32)
    shift, square = (_sum(terms) / count for terms in _about(x, near))
    mean, variance = near + shift, tf.maximum(square - shift * shift, 0)
    scale = tf.math.rsqrt(variance + epsilon)
    channels = mean, scale, gamma, beta, slope

    def gradient(upstream: Any, *_: Any) -> tuple[Any, ...]:
        dbeta, dgamma, dslope = (_sum(terms) for terms in _gradient_terms(x, upstream, *channels))
        dx = _gradient(x, upstream, *channels, dbeta / count, dgamma / count)
        return dx, dgamma, dbeta, tf.zeros_like(near), dslope, None

    return (_apply(x, *channels), mean, variance), gradient


@tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
def _about(x: Any, near: Any) -> tuple[Any, Any]:
    apart = x - near
    return _partial_sums(apart), _partial_sums(apart * apart)


@tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
def _apply(x: Any, mean: Any, scale: Any, gamma: Any, beta: Any, slope: Any) -> Any:
    z = (x - mean) * (scale * gamma) + beta
    return tf.where(z > 0, z, slope * z)


@tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
def _gradient_terms(x: Any, upstream: Any, *channels: Any) -> tuple[Any, Any, Any]:
    """What adds up to the gradients in offset, scale and slope."""
    normal, z, dz = _again(x, upstream, *channels)
    return _partial_sums(dz), _partial_sums(dz * normal), _partial_sums(tf.minimum(z, 0) * upstream)


@tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
def _gradient(x: Any, upstream: Any, *channels_and_means: Any) -> Any:
    *channels, mean_dz, mean_dz_normal = channels_and_means
    normal, _, dz = _again(x, upstream, *channels)
    _, scale, gamma, _, _ = channels
    return scale * gamma * (dz - mean_dz - normal * mean_dz_normal)


def _again(
    x: Any, upstream: Any, mean: Any, scale: Any, gamma: Any, beta: Any, slope: Any
) -> tuple[Any, ...]:
    """Normalised x, what PReLU was given, and the gradient in that: faster to compute anew than to read."""
    normal = (x - mean) * scale
    z = normal * gamma + beta
    return normal, z, tf.where(z > 0, upstream, slope * upstream)


def _partial_sums(x: Any) -> Any:
    """(m, h, w, c) → (m · h · w / n, c), for a small n."""
    _, _, w, c = x.shape
    n = next(each for each in range(min(_ROWS_AT_ONCE, w), w + 1) if w % each == 0)
    return tf.add_n(tf.unstack(tf.reshape(x, (-1, n, c)), axis=1))


def _sum(terms: Any) -> Any:
    """(n, c) → (c,). A product with ones: it adds up in a fixed order, on all cores."""
    return tf.matmul(tf.ones((1, tf.shape(terms)[0])), terms)[0]
