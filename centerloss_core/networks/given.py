"""A network that a Python program brings along, as a function, made one that can be trained."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from centerloss_core.config import Model
from centerloss_core.networks import OWN_NETWORK, BuildNetwork, NetworkError

_WANTED = (
    "it must return a Keras model with inputs and outputs, or the features: a tensor made from keras.Input"
)


def body_of(network: BuildNetwork, image_shape: tuple[int, int, int], model: Model) -> keras.Model:
    """What a function makes of its arguments, as a model from images (m, h, w, c) to float32 features (m, d).

    Raises:
        NetworkError: it makes something else.
    """
    made = network(image_shape, model)
    inputs: Any
    outputs: Any
    if isinstance(made, keras.KerasTensor):
        inputs, outputs = keras.utils.get_source_inputs(made), [made]
    else:  # a model that has not seen its input has neither
        inputs, outputs = getattr(made, "inputs", None), getattr(made, "outputs", None)
    if not inputs or not outputs:
        raise NetworkError(f"the network {network.__qualname__} returned {type(made).__name__}: {_WANTED}")
    _compare(network, "takes", "the images are", inputs, (None, *image_shape))
    _compare(network, "returns", "model.feature_dim asks for", outputs, (None, model.feature_dim))
    (features,) = outputs
    if features.dtype != "float32":  # under a mixed policy; losses are computed in float32
        features = layers.Activation("linear", dtype="float32", name="float32_features")(features)
    return keras.Model(inputs[0], features, name=OWN_NETWORK)


def _compare(
    network: BuildNetwork,
    does: str,
    wanted: str,
    tensors: list[keras.KerasTensor],
    shape: tuple[int | None, ...],
) -> None:
    shapes = [tuple(each.shape) for each in tensors]
    if shapes != [shape]:
        found = " and ".join(map(str, shapes))
        raise NetworkError(f"the network {network.__qualname__} {does} {found}, and {wanted} {shape}")
