"""Kernels that JAX's own lack: importing this imports JAX."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_PLACES = (
    (0, 0),
    (0, 1),
    (1, 0),
    (1, 1),
)  # in a window; of equal values the first one counts, as in TensorFlow


def convolve_one_channel(x: Any, kernel: Any) -> Any:
    """A convolution, padded to the same size, of images with one channel, as one with as many channels as columns.

    The columns of the kernel become channels of images that are shifted by them, filled up with zeros to a multiple of
    eight: cuDNN has fast kernels for that and none for one channel.

    Args:
        x: (m, h, w, 1).
        kernel: (rows, columns, 1, c), rows and columns odd; of the dtype of x.

    Returns:
        (m, h, w, c).
    """
    rows, columns = kernel.shape[:2]
    margin, width, more = columns // 2, x.shape[2], -columns % 8
    wide = jnp.pad(x[..., 0], ((0, 0), (0, 0), (margin, margin)))
    shifted = [wide[:, :, column : column + width] for column in range(columns)]
    channels = jnp.stack([*shifted, *[jnp.zeros_like(shifted[0])] * more], axis=-1)
    by_channel = jnp.swapaxes(kernel, 1, 2)  # (rows, 1, columns, c)
    weights = jnp.pad(by_channel, ((0, 0), (0, 0), (0, more), (0, 0)))
    padding = ((rows // 2, rows // 2), (0, 0))
    return jax.lax.conv_general_dilated(
        channels, weights, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@jax.custom_vjp  # type: ignore[untyped-decorator]
def max_pool(x: Any) -> Any:
    """The largest value of each 2 × 2 window; a last row or column that fills none is left out.

    XLA's own gradient of a maximum over windows adds up where windows may overlap. For that it sorts every value of
    the tensor, if two runs are to give the same bits: half the time of a step. These windows do not overlap.

    Args:
        x: (m, h, w, c).

    Returns:
        (m, h // 2, w // 2, c).
    """
    return _largest(x)[0]


def _largest(x: Any) -> tuple[Any, Any]:
    """The largest value of each window, and the number of its place."""
    m, h, w, c = x.shape
    windows = x[:, : h // 2 * 2, : w // 2 * 2].reshape(m, h // 2, 2, w // 2, 2, c)
    largest, place = windows[:, :, 0, :, 0], jnp.zeros((m, h // 2, w // 2, c), np.uint8)
    for number, (row, column) in enumerate(_PLACES[1:], start=1):
        other = windows[:, :, row, :, column]
        is_larger = (other > largest) | jnp.isnan(other)
        largest, place = jnp.where(is_larger, other, largest), jnp.where(is_larger, np.uint8(number), place)
    return largest, place


def _forward(x: Any) -> tuple[Any, Any]:
    largest, place = _largest(x)
    return largest, (place, x)  # x for its shape


def _backward(kept: tuple[Any, Any], upstream: Any) -> tuple[Any]:
    place, (m, h, w, c) = kept[0], kept[1].shape
    numbers = np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 1, 2, 1)
    windows = jnp.where(
        place[:, :, None, :, None] == numbers, upstream[:, :, None, :, None], jnp.zeros((), upstream.dtype)
    )
    filled = windows.reshape(m, h // 2 * 2, w // 2 * 2, c)
    return (jnp.pad(filled, ((0, 0), (0, h % 2), (0, w % 2), (0, 0))),)


max_pool.defvjp(_forward, _backward)


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def batch_norm(x: Any, gamma: Any, beta: Any, near: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Normalise over all axes but the last by the batch's own mean and variance, and scale.

    Mean and variance come from one pass, and so do the gradients of scale and offset; Keras' formula takes eight.

    Args:
        x: (m, h, w, c), float32 or bfloat16; statistics are computed in float32.
        gamma: scale, (c,) float32.
        beta: offset, (c,) float32.
        near: what the means are about, (c,) float32: squares are summed of the distance to it, so that no digits
            are lost where a mean is large against the deviation.
        epsilon: added to the variance.

    Returns:
        y of the shape and dtype of x; mean and (biased) variance of the batch, both (c,) float32. No gradient comes
        through the last two.
    """
    outputs: tuple[Any, Any, Any] = _normalise(x, gamma, beta, near, epsilon)[0]
    return outputs


def _normalise(x: Any, gamma: Any, beta: Any, near: Any, epsilon: float) -> tuple[Any, Any]:
    count = x.size // x.shape[-1]
    apart = x.astype(jnp.float32) - near
    shift, square = jnp.sum(apart, (0, 1, 2)) / count, jnp.sum(apart * apart, (0, 1, 2)) / count
    mean, variance = near + shift, jnp.maximum(square - shift * shift, 0)
    scale = jax.lax.rsqrt(variance + epsilon)
    y = ((x.astype(jnp.float32) - mean) * (scale * gamma) + beta).astype(x.dtype)
    return (y, mean, variance), (x, gamma, mean, scale)


def _normalise_backward(epsilon: float, kept: Any, upstream: Any) -> tuple[Any, ...]:
    del epsilon
    x, gamma, mean, scale = kept
    count = x.size // x.shape[-1]
    dy = upstream[0].astype(jnp.float32)
    normal = (x.astype(jnp.float32) - mean) * scale
    dgamma, dbeta = jnp.sum(dy * normal, (0, 1, 2)), jnp.sum(dy, (0, 1, 2))
    dx = (gamma * scale) * (dy - dbeta / count - normal * (dgamma / count))
    return dx.astype(x.dtype), dgamma, dbeta, jnp.zeros_like(mean)


batch_norm.defvjp(_normalise, _normalise_backward)
