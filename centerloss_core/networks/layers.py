"""Keras' convolution, batch norm, PReLU and max pooling, by our `kernels` where there are some for the backend.

Weights, names, settings and results (to rounding) are those of the Keras layers.
"""

from __future__ import annotations

from typing import Any

import keras

from centerloss_core.networks.initializers import Constant

_HAS_KERNELS = keras.backend.backend() == "tensorflow"
_ON_JAX = keras.backend.backend() == "jax"


@keras.saving.register_keras_serializable(package="centerloss")
class Convolution(keras.layers.Conv2D):
    """A convolution with kernels of odd size, in steps of 1, padded to the size of the images (m, h, w, c)."""

    def __init__(self, filters: int, kernel_size: Any, **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, **{"padding": "same", **kwargs})

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Called by Keras."""
        if not _ON_JAX or inputs.shape[-1] != 1:
            return super().convolution_op(inputs, kernel)
        from centerloss_core.networks.kernels_on_jax import convolve_one_channel

        return convolve_one_channel(inputs, keras.ops.convert_to_tensor(kernel))


@keras.saving.register_keras_serializable(package="centerloss")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch norm with scale and offset over the last axis of images (m, h, w, c), statistics in float32."""

    def __init__(self, momentum: float = 0.99, epsilon: float = 1e-3, **kwargs: Any) -> None:
        zeros, ones = Constant(0.0), Constant(1.0)
        starts = {"gamma": ones, "beta": zeros, "moving_mean": zeros, "moving_variance": ones}
        starts_by_name = {f"{name}_initializer": start for name, start in starts.items()}
        super().__init__(momentum=momentum, epsilon=epsilon, **{**starts_by_name, **kwargs})
        if not (self.scale and self.center and self.axis == -1):
            raise ValueError(
                "BatchNorm always has scale and center, over the last axis: take Keras' layer instead."
            )

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise; with `training`, by the batch's own statistics, which then move the running ones."""
        uses_batch = training and self.trainable
        if not (_HAS_KERNELS or (_ON_JAX and uses_batch)):
            return super().call(inputs, training=training, mask=mask)
        gamma, beta = self.gamma.value, self.beta.value
        running = self.moving_mean.value, self.moving_variance.value
        if _ON_JAX:
            from centerloss_core.networks import kernels_on_jax

            batch = kernels_on_jax.batch_norm(inputs, gamma, beta, running[0], self.epsilon)
        else:
            from centerloss_core.networks import kernels

            if not uses_batch:
                return kernels.batch_norm_inference(inputs, gamma, beta, *running, self.epsilon)
            batch = kernels.batch_norm(inputs, gamma, beta, self.epsilon)
        return self._move(*batch)

    def _move(self, outputs: Any, mean: Any, variance: Any) -> Any:
        """Move the running statistics towards those of a batch."""
        for variable, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            variable.assign(variable.value * self.momentum + now * (1 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable(package="centerloss")
class PReLU(keras.layers.PReLU):
    """PReLU with one slope per channel, the last axis of images (m, h, w, c)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"shared_axes": [1, 2], **kwargs})
        if self.shared_axes != [1, 2]:
            raise ValueError(
                f"shared_axes is always [1, 2], received {self.shared_axes}: take Keras' layer instead."
            )

    def call(self, inputs: Any) -> Any:
        """Inputs where positive, slope · inputs elsewhere."""
        if not _HAS_KERNELS:
            return super().call(inputs)
        from centerloss_core.networks import kernels

        return kernels.prelu(inputs, keras.ops.reshape(self.alpha.value, (-1,)))


@keras.saving.register_keras_serializable(package="centerloss")
class NormPReLU(BatchNorm):
    """`BatchNorm` and then `PReLU`, whose slope per channel is the weight `alpha`; in training in fewer passes."""

    def __init__(self, alpha_initializer: Any = "zeros", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = keras.initializers.get(alpha_initializer)

    def build(self, input_shape: Any) -> None:
        """Create the weights."""
        super().build(input_shape)
        self.alpha = self.add_weight(
            shape=(1, 1, input_shape[-1]), name="alpha", initializer=self.alpha_initializer
        )

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise as `BatchNorm` does; then as it is where positive, slope · it elsewhere."""
        if not _HAS_KERNELS:
            normal = super().call(inputs, training=training, mask=mask)
            return keras.ops.relu(normal) + -self.alpha * keras.ops.relu(-normal)
        from centerloss_core.networks import kernels, norm_prelu

        slope = keras.ops.reshape(self.alpha.value, (-1,))
        if not (training and self.trainable and norm_prelu.is_faster(inputs)):
            return kernels.prelu(super().call(inputs, training=training), slope)
        gamma, beta, near = self.gamma.value, self.beta.value, self.moving_mean.value
        return self._move(*norm_prelu.batch_norm_prelu(inputs, gamma, beta, near, slope, self.epsilon))

    def get_config(self) -> dict[str, Any]:
        """For Keras' own saving."""
        initializer = keras.initializers.serialize(self.alpha_initializer)
        return {**super().get_config(), "alpha_initializer": initializer}


@keras.saving.register_keras_serializable(package="centerloss")
class MaxPool(keras.layers.MaxPooling2D):
    """The largest value of each 2 × 2 window of images (m, h, w, c)."""

    def call(self, inputs: Any) -> Any:
        """From (m, h, w, c) to (m, h // 2, w // 2, c)."""
        if not _ON_JAX:
            return super().call(inputs)
        from centerloss_core.networks.kernels_on_jax import max_pool

        return max_pool(inputs)
