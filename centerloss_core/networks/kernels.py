"""The element-wise work around the convolutions, each in one pass or two. Importing this imports TensorFlow.

Convolutions are what a step should spend its time on. Keras writes batch norm, PReLU and Adam as a dozen operations
each, and every one reads and writes the whole tensor; here each is one or two. docs/experiments.md has the figures.
"""

from __future__ import annotations

import sys
from typing import Any

import keras
import tensorflow as tf

# XLA turns an element-wise formula into one loop on all cores. TensorFlow for Windows comes without it, and on a Mac's
# GPU it does not work; there the same formulas run operation by operation.
HAS_XLA = sys.platform == "linux"


def batch_norm(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Normalise over all axes but the last by the batch's own mean and variance, and scale.

    Args:
        x: (m, h, w, c), float32 or bfloat16; statistics are computed in float32.
        gamma: scale, (c,) float32.
        beta: offset, (c,) float32.
        epsilon: added to the variance.

    Returns:
        y of the shape and dtype of x; mean and (biased) variance of the batch, both (c,) float32.
    """
    y, mean, unbiased = tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon, is_training=True)
    count = tf.cast(tf.size(x) // tf.shape(x)[-1], tf.float32)
    return y, mean, unbiased * ((count - 1) / count)


def batch_norm_inference(x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float) -> Any:
    """Normalise by a given mean and variance, (c,) float32 each; the rest as in `batch_norm`."""
    y, _, _ = tf.compat.v1.nn.fused_batch_norm(
        x, gamma, beta, mean=mean, variance=variance, epsilon=epsilon, is_training=False
    )
    return y


@tf.custom_gradient  # type: ignore[untyped-decorator]
def prelu(x: Any, slope: Any) -> tuple[Any, Any]:
    """x where x > 0, slope · x elsewhere.

    Args:
        x: (…, c), float32 or bfloat16.
        slope: (c,), one per channel; float32 or bfloat16, as Keras' autocast hands it over.
    """

    def gradient(upstream: Any) -> tuple[Any, Any]:
        dx, slope_terms = _prelu_backward(x, slope, upstream)
        rows = tf.reshape(slope_terms, [-1, slope_terms.shape[-1]])
        # A sum over all rows is a product with ones: oneDNN adds up in float32, in a fixed order, on all cores.
        ones = tf.ones([1, tf.shape(rows)[0]], rows.dtype)
        return dx, tf.cast(tf.matmul(ones, rows)[0], slope.dtype)

    return _prelu_forward(x, slope), gradient


@tf.function(jit_compile=HAS_XLA, autograph=False)  # type: ignore[untyped-decorator]
def _prelu_forward(x: Any, slope: Any) -> Any:
    wide = tf.cast(x, slope.dtype)
    return tf.cast(tf.where(wide > 0, wide, slope * wide), x.dtype)


@tf.function(jit_compile=HAS_XLA, autograph=False)  # type: ignore[untyped-decorator]
def _prelu_backward(x: Any, slope: Any, upstream: Any) -> tuple[Any, Any]:
    """The gradient in x, and what adds up to the gradient in the slopes, in one pass."""
    wide, dy = tf.cast(x, slope.dtype), tf.cast(upstream, slope.dtype)
    dx = tf.where(wide > 0, dy, slope * dy)
    slope_terms = tf.minimum(wide, 0) * dy
    return tf.cast(dx, x.dtype), tf.cast(slope_terms, x.dtype)


class OnePassAdam(keras.optimizers.Adam):
    """Keras' Adam, its state and its formula, with TensorFlow's own operation for the update."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One update of one variable; called by Keras."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,  # Keras passes the tf.Variable itself
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
