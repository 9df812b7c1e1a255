"""LeNets++, the network of the paper (Wen et al., ECCV 2016, Table 1), with the options in which its users differ."""

from __future__ import annotations

import keras

from centerloss_core.config import Model
from centerloss_core.networks.layers import MaxPool
from centerloss_core.networks.parts import convolution, features_of, scaled_images


def build(image_shape: tuple[int, int, int], model: Model) -> keras.Model:
    """(conv 5×5, 32)×2, pool, (conv, 64)×2, pool, (conv, 128)×2, pool, features.

    A PReLU with a slope per channel follows every convolution; batch norm, where wanted, sits between the two.

    Args:
        image_shape: height, width and channels of the images, at least 8×8.
        model: the section `model` of a config; `model.channels` are those of the three stages.

    Returns:
        A model from uint8 images (m, h, w, c) to features, float32 (m, d).
    """
    images, x = scaled_images(image_shape, model)
    for stage, channels in enumerate(model.channels, start=1):
        for index in (1, 2):
            x = convolution(x, channels, 5, model, prelu=True, name=f"conv{stage}_{index}")
        x = MaxPool(2, name=f"pool{stage}")(x)
    return keras.Model(images, features_of(x, model), name="lenets_plus_plus")
