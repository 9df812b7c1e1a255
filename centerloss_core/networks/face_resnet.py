"""The face network of the paper's author (github.com/ydwen/caffe-face): 27 convolutions, for faces of 112×96."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from centerloss_core.config import Model
from centerloss_core.networks.initializers import Random
from centerloss_core.networks.layers import MaxPool
from centerloss_core.networks.parts import convolution, features_of, scaled_images

_PAIRS = (1, 2, 5, 3)  # of residual convolutions in the stages behind the first convolution


def build(image_shape: tuple[int, int, int], model: Model) -> keras.Model:
    """A convolution; four times a convolution, a pooling and residual pairs; features.

    All convolutions are 3×3, each with a PReLU behind it. Those outside of pairs are not padded, so that 112×96 pixels
    end as 5×4. Those in pairs have no bias and start with a deviation of 0.01, so that a pair is nearly the identity
    at first: the author's network trains without batch norm.

    Args:
        image_shape: height, width and channels of the images, at least 48×48.
        model: the section `model` of a config; `model.channels` are those of the first convolution and four stages.

    Returns:
        A model from uint8 images (m, h, w, c) to features, float32 (m, d).
    """
    images, x = scaled_images(image_shape, model)
    first, *stages = model.channels
    x = convolution(x, first, 3, model, padding="valid", prelu=True, name="conv0")
    for stage, (channels, pairs) in enumerate(zip(stages, _PAIRS, strict=True), start=1):
        x = convolution(x, channels, 3, model, padding="valid", prelu=True, name=f"conv{stage}")
        x = MaxPool(2, name=f"pool{stage}")(x)
        for pair in range(1, pairs + 1):
            x = _with_pair(x, model, f"pair{stage}_{pair}")
    return keras.Model(images, features_of(x, model), name="face_resnet")


def _with_pair(x: Any, model: Model, name: str) -> Any:
    """X plus what two convolutions make of it. No activation follows the sum."""
    y = x
    for index in (1, 2):
        start = Random("near_zero")
        own = f"{name}_conv{index}"
        y = convolution(y, x.shape[-1], 3, model, bias=False, initializer=start, prelu=True, name=own)
    return layers.Add(name=f"{name}_add")([x, y])
