"""The softmax head: one dense layer from features to logits."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from centerloss_core.config import Config
from centerloss_core.losses.base import Head
from centerloss_core.networks.initializers import Constant


@keras.saving.register_keras_serializable(package="centerloss")
class SoftmaxHead(Head):
    """logits = features · kernel + bias, the same with and without labels.

    Args:
        num_classes: number of classes k.
        use_bias: whether there is a bias (k,).
        kernel_initializer: of the kernel (d, k); a Keras initializer or its name.
        **kwargs: passed to `keras.layers.Layer`. `dtype` is "float32" unless given: softmax is computed from logits.
    """

    def __init__(
        self,
        num_classes: int,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, **kwargs)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = Constant(0.0)

    def build(self, features_shape: tuple[int | None, ...], labels_shape: Any = None) -> None:
        """Create kernel and bias."""
        shape = (features_shape[-1], self.num_classes)
        self.kernel = self.add_weight(shape=shape, initializer=self.kernel_initializer, name="kernel")
        self.bias = (
            self.add_weight(shape=shape[1:], initializer=self.bias_initializer, name="bias")
            if self.use_bias
            else None
        )

    def call(self, features: Any, labels: Any = None, training: bool = False) -> Any:
        """Logits (m, k) of features (m, d)."""
        logits = ops.matmul(features, self.kernel)
        return logits if self.bias is None else ops.add(logits, self.bias)

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {
            **super().get_config(),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def build(config: Config, num_classes: int, kernel_initializer: Any) -> SoftmaxHead:
    """The head of a run."""
    return SoftmaxHead(num_classes, config.model.head_bias, kernel_initializer, name="head")
