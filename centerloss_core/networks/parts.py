"""What the networks share: the input and its scaling, convolutions, the feature layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from centerloss_core.config import Model
from centerloss_core.networks.initializers import Constant, kernel_initializer
from centerloss_core.networks.layers import BatchNorm, Convolution, NormPReLU, PReLU

# A run of one or two epochs has a few hundred steps: Keras' default of 0.99 would still remember the start.
_BATCH_NORM_MOMENTUM = 0.9


def scaled_images(image_shape: tuple[int, int, int], model: Model) -> tuple[Any, Any]:
    """The input of a network, uint8 images (m, h, w, c), and their pixels as `model.input_scaling` wants them.

    "unit": 0…255 to 0…1, as in the post. "symmetric": to about −1…1, as in the author's code.
    """
    images = keras.Input(image_shape, dtype="uint8", name="images")
    scale = (
        {"scale": 1 / 255} if model.input_scaling == "unit" else {"scale": 1 / 128, "offset": -127.5 / 128}
    )
    return images, layers.Rescaling(**scale, dtype="float32", name="input_scaling")(images)


def convolution(
    x: Any,
    channels: int,
    size: int,
    model: Model,
    *,
    name: str,
    stride: int = 1,
    padding: str = "same",
    bias: bool = True,
    prelu: bool = False,
    initializer: keras.initializers.Initializer | None = None,
) -> Any:
    """A convolution of size × size, batch norm where `model` wants that, and PReLU. It follows the dtype policy.

    Args:
        x: (m, h, w, c).
        channels: of the result.
        size: of the kernel.
        model: the section `model` of a config.
        name: of the convolution; what is behind it is NAME_norm, or NAME_prelu without batch norm.
        stride, padding: as in Keras.
        bias: whether it has one without batch norm, which subtracts the mean, and with it any bias.
        prelu: whether it has a PReLU, with a slope for each channel.
        initializer: of the kernel; default: `model.initializer`.
    """
    kind = Convolution if stride == 1 and padding == "same" else layers.Conv2D
    x = kind(
        channels,
        size,
        strides=stride,
        padding=padding,
        use_bias=bias and not model.batch_norm,
        kernel_initializer=initializer or kernel_initializer(model),
        bias_initializer=Constant(0.0),
        name=name,
    )(x)
    norm: dict[str, Any] = {"momentum": _BATCH_NORM_MOMENTUM, "name": f"{name}_norm"}
    if prelu and model.batch_norm:
        return NormPReLU(alpha_initializer=_slopes(model), **norm)(x)
    if prelu:
        return PReLU(alpha_initializer=_slopes(model), name=f"{name}_prelu")(x)
    return BatchNorm(**norm)(x) if model.batch_norm else x


def features_of(x: Any, model: Model) -> Any:
    """The feature layer and its activation, the same for all networks: from (m, …) to float32 (m, d).

    Float32, because squared distances and softmax are computed from them.
    """
    if len(x.shape) > 2:
        x = layers.Flatten(name="flatten")(x)
    initializer = kernel_initializer(model)
    x = layers.Dense(
        model.feature_dim,
        kernel_initializer=initializer,
        bias_initializer=Constant(0.0),
        dtype="float32",
        name="feature_layer",
    )(x)
    if model.feature_activation == "prelu":
        return layers.PReLU(alpha_initializer=_slopes(model), name="features", dtype="float32")(x)
    linear_or_relu = {"none": "linear", "relu": "relu"}[model.feature_activation]
    return layers.Activation(linear_or_relu, name="features", dtype="float32")(x)


def _slopes(model: Model) -> keras.initializers.Initializer:
    return Constant(model.prelu_start)
