"""ResNet-18 (He et al., CVPR 2016) as it is used on small colour images such as CIFAR's."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from centerloss_core.config import Model
from centerloss_core.networks.parts import convolution, features_of, scaled_images


def build(image_shape: tuple[int, int, int], model: Model) -> keras.Model:
    """Stem, four stages of two blocks, the mean over all pixels, features.

    The stem is a convolution of 3×3 without pooling: the paper's, 7×7 with stride 2 and a pooling, is for images of
    224 pixels. The second to fourth stage halve height and width in their first convolution.

    Args:
        image_shape: height, width and channels of the images, at least 8×8.
        model: the section `model` of a config; `model.channels` are those of the four stages.

    Returns:
        A model from uint8 images (m, h, w, c) to features, float32 (m, d).
    """
    images, x = scaled_images(image_shape, model)
    x = _relu(convolution(x, model.channels[0], 3, model, name="stem"), "stem_relu")
    for stage, channels in enumerate(model.channels, start=1):
        for block in (1, 2):
            stride = 2 if stage > 1 and block == 1 else 1
            x = _block(x, channels, stride, model, f"stage{stage}_{block}")
    x = layers.GlobalAveragePooling2D(dtype="float32", name="mean")(x)
    return keras.Model(images, features_of(x, model), name="resnet18")


def _block(x: Any, channels: int, stride: int, model: Model, name: str) -> Any:
    """Two convolutions of 3×3 beside a shortcut; the shortcut has one of 1×1 where the shape changes."""
    y = _relu(convolution(x, channels, 3, model, stride=stride, name=f"{name}_conv1"), f"{name}_relu1")
    y = convolution(y, channels, 3, model, name=f"{name}_conv2")
    if stride > 1 or x.shape[-1] != channels:
        x = convolution(x, channels, 1, model, stride=stride, name=f"{name}_shortcut")
    return _relu(layers.Add(name=f"{name}_add")([x, y]), f"{name}_relu2")


def _relu(x: Any, name: str) -> Any:
    return layers.Activation("relu", name=name)(x)
