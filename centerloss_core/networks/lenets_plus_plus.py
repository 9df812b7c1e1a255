"""LeNets++, the network of the paper (Wen et al., ECCV 2016, Table 1), with the options in which its users differ."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from centerloss_core.config import Model
from centerloss_core.networks.initializers import Constant, kernel_initializer
from centerloss_core.networks.layers import Convolution, MaxPool, NormPReLU, PReLU

# A run of one or two epochs has a few hundred steps: Keras' default of 0.99 would still remember the start.
_BATCH_NORM_MOMENTUM = 0.9


def lenets_plus_plus(model: Model, image_shape: tuple[int, int, int] = (28, 28, 1)) -> keras.Model:
    """Build LeNets++ up to its features: (conv 5×5, 32)×2, pool, (conv, 64)×2, pool, (conv, 128)×2, pool, features.

    A PReLU with a slope per channel follows every convolution and the feature layer; batch norm, where wanted,
    sits between a convolution and its PReLU. The convolutions follow Keras' global dtype policy; features are always
    float32, because squared distances and softmax are computed from them.

    Args:
        model: the `model` section of a config; `model.channels` are those of the three blocks.
        image_shape: height, width and channels of the images; see `image_shape.refuse_too_small`.

    Returns:
        A model from uint8 images (m, h, w, c) to features, float32 (m, d).
    """
    images = keras.Input(image_shape, dtype="uint8", name="images")
    x = _input_scaling(model)(images)
    for block, channels in enumerate(model.channels, start=1):
        for index in (1, 2):
            x = _convolution(x, channels, model, name=f"conv{block}_{index}")
        x = MaxPool(2, name=f"pool{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(
        model.feature_dim,
        kernel_initializer=kernel_initializer(model),
        bias_initializer=Constant(0.0),
        dtype="float32",
        name="feature_layer",
    )(x)
    features = layers.PReLU(alpha_initializer=_slopes(model), name="features", dtype="float32")(x)
    return keras.Model(images, features, name="lenets_plus_plus")


def _input_scaling(model: Model) -> keras.layers.Layer:
    """Pixels 0…255 to 0…1 as in the post ("unit"), or to about −1…1 as in the author's code ("symmetric")."""
    if model.input_scaling == "unit":
        return layers.Rescaling(1 / 255, dtype="float32", name="input_scaling")
    return layers.Rescaling(1 / 128, offset=-127.5 / 128, dtype="float32", name="input_scaling")


def _convolution(x: Any, channels: int, model: Model, *, name: str) -> Any:
    x = Convolution(
        channels,
        5,
        use_bias=not model.batch_norm,  # batch norm subtracts the mean, and with it any bias
        kernel_initializer=kernel_initializer(model),
        bias_initializer=Constant(0.0),
        name=name,
    )(x)
    if model.batch_norm:
        slopes = _slopes(model)
        return NormPReLU(alpha_initializer=slopes, momentum=_BATCH_NORM_MOMENTUM, name=f"{name}_norm")(x)
    return PReLU(alpha_initializer=_slopes(model), name=f"{name}_prelu")(x)


def _slopes(model: Model) -> keras.initializers.Initializer:
    return Constant(model.prelu_start)
