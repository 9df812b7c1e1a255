"""The networks, from images to features: one file each, and the layers and kernels that they are made of.

The file of a network has a function `build(image_shape, model)`, and its name is that of the network in the config
(`config/model.py`). `parts` has what all of them share: the input and its scaling, the feature layer. Importing this
package loads no framework.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from centerloss_core.errors import ExpectedError

if TYPE_CHECKING:
    import keras

    from centerloss_core.config import Model

# (height, width and channels of the images; the section `model` of the config) → a Keras model from images
# (m, h, w, c) to features (m, model.feature_dim), or the features alone, a tensor made from keras.Input.
BuildNetwork = Callable[[tuple[int, int, int], "Model"], Any]

OWN_NETWORK = "own_network"  # the name of the Keras model made by such a function


class NetworkError(ExpectedError):
    """A function that was given as the network makes none that can be trained; the message says what it makes."""


def build_body(
    model: Model, image_shape: tuple[int, int, int], network: BuildNetwork | None = None
) -> keras.Model:
    """A new network up to its features, float32 (m, d), from uint8 images (m, h, w, c).

    Args:
        model: the section `model` of a config.
        image_shape: h, w, c.
        network: what to build in place of `model.name`.

    Raises:
        NetworkError: `network` makes something else.
    """
    if network is not None:
        from centerloss_core.networks.given import body_of

        return body_of(network, image_shape, model)
    body: keras.Model = importlib.import_module(f"{__name__}.{model.name}").build(image_shape, model)
    return body
