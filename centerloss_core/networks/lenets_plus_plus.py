"""LeNets++, the network of the paper (Wen et al., ECCV 2016, Table 1), with the options in which its users differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from centerloss_core.config import Model
from centerloss_core.networks.layers import BatchNorm, PReLU

HEAD = "head"
FEATURES = "features"

# A run of one or two epochs has a few hundred steps: Keras' default of 0.99 would still remember the start.
_BATCH_NORM_MOMENTUM = 0.9


def lenets_plus_plus(
    model: Model,
    *,
    num_classes: int,
    image_shape: tuple[int, int, int] = (28, 28, 1),
    class_order: Sequence[int] | None = None,
) -> keras.Model:
    """Build LeNets++: (conv 5×5, 32)×2, pool, (conv, 64)×2, pool, (conv, 128)×2, pool, features, head.

    A PReLU with a slope per channel follows every convolution and the feature layer; batch norm, where wanted,
    sits between a convolution and its PReLU. The convolutions follow Keras' global dtype policy; features and
    logits are always float32, because squared distances and softmax are computed from them.

    Args:
        model: the `model` section of a config.
        num_classes: number of classes k.
        image_shape: height, width and channels of the images.
        class_order: begin with the classes around a circle in this order (`model.head_start: circle`, d = 2);
            None: with random directions.

    Returns:
        A model from uint8 images (m, height, width, channels) to `(features, logits)`, float32 (m, d) and (m, k).
    """
    images = keras.Input(image_shape, dtype="uint8", name="images")
    x = _input_scaling(model)(images)
    for block, channels in enumerate((32, 64, 128), start=1):
        for index in (1, 2):
            x = _convolution(x, channels, model, name=f"conv{block}_{index}")
        x = layers.MaxPooling2D(2, name=f"pool{block}")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(
        model.feature_dim, kernel_initializer=_initializer(model), dtype="float32", name="feature_layer"
    )(x)
    features = layers.PReLU(alpha_initializer=_slopes(model), name=FEATURES, dtype="float32")(x)
    logits = layers.Dense(
        num_classes,
        use_bias=model.head_bias,
        kernel_initializer=_initializer(model) if class_order is None else Circle(class_order),
        dtype="float32",
        name=HEAD,
    )(features)
    return keras.Model(images, (features, logits), name="lenets_plus_plus")


def _input_scaling(model: Model) -> keras.layers.Layer:
    """Pixels 0…255 to 0…1 as in the post ("unit"), or to about −1…1 as in the author's code ("symmetric")."""
    if model.input_scaling == "unit":
        return layers.Rescaling(1 / 255, dtype="float32", name="input_scaling")
    return layers.Rescaling(1 / 128, offset=-127.5 / 128, dtype="float32", name="input_scaling")


def _convolution(x: Any, channels: int, model: Model, *, name: str) -> Any:
    x = layers.Conv2D(
        channels,
        5,
        padding="same",
        use_bias=not model.batch_norm,  # batch norm subtracts the mean, and with it any bias
        kernel_initializer=_initializer(model),
        name=name,
    )(x)
    if model.batch_norm:
        x = BatchNorm(momentum=_BATCH_NORM_MOMENTUM, name=f"{name}_norm")(x)
    return PReLU(alpha_initializer=_slopes(model), name=f"{name}_prelu")(x)


def _slopes(model: Model) -> keras.initializers.Initializer:
    return keras.initializers.Constant(model.prelu_start)


def _initializer(model: Model) -> keras.initializers.Initializer:
    """A new one for each layer: a Keras initializer that is used twice would give the same numbers twice."""
    if model.initializer == "he_normal":
        return keras.initializers.HeNormal()
    if model.initializer == "xavier":
        return keras.initializers.GlorotUniform()
    return keras.initializers.TruncatedNormal(stddev=0.1)


@keras.saving.register_keras_serializable(package="centerloss")
class Circle(keras.initializers.Initializer):
    """A head's kernel (2, k) with the classes at equal angles around the unit circle, in a given order."""

    def __init__(self, class_order: Sequence[int]) -> None:
        self.class_order = list(class_order)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Return the kernel; `shape` must be (2, number of classes)."""
        if tuple(shape) != (2, len(self.class_order)):
            raise ValueError(
                f"A circle of {len(self.class_order)} classes lies in the plane, received shape {shape}."
            )
        angles = np.empty(len(self.class_order))
        angles[self.class_order] = (
            2 * np.pi * (np.arange(len(self.class_order)) + 0.5) / len(self.class_order)
        )
        return keras.ops.convert_to_tensor(np.stack([np.cos(angles), np.sin(angles)]), dtype)

    def get_config(self) -> dict[str, Any]:
        """For Keras' own saving."""
        return {"class_order": self.class_order}
