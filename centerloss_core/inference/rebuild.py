"""A network of ours, made anew from Keras' own layers alone. Importing this imports Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras

from centerloss_core.errors import ExpectedError
from centerloss_core.inference.plain_layers import LOGITS, PLAIN, in_float32


class ExportError(ExpectedError):
    """A network with a layer that another program does not have; the message names it."""


def rebuild(network: keras.Model) -> keras.Model:
    """Build a network anew, so that it is saved and loaded without this package, and copy its weights.

    Args:
        network: from images (m, h, w, c), pixels from 0 to 255, to features, or to (features, logits). Its layers are
            ours or Keras' own.

    Returns:
        A model from float32 images (m, h, w, c), pixels from 0 to 255, to {"features": (m, d), "logits": (m, k)}, the
        second where there are logits. In evaluation only: margins, which need labels, are not in it.

    Raises:
        ExportError: a layer is neither, or is a Lambda, which holds code.
    """
    images = keras.Input(network.inputs[0].shape[1:], dtype="float32", name="images")
    copies: list[tuple[keras.layers.Layer, keras.layers.Layer]] = []

    def plain(layer: Any) -> Callable[..., Any]:
        if type(layer) in PLAIN:
            made = PLAIN[type(layer)]
            return lambda x, **_: made(layer, x)  # Keras also hands over mask=None
        if not type(layer).__module__.startswith("keras.") or isinstance(layer, keras.layers.Lambda):
            raise _foreign(layer.name, f"the class {type(layer).__name__}")
        config = in_float32(layer.get_config())
        for kind in _brought_along(config):
            raise _foreign(layer.name, kind)
        copy: Callable[..., Any] = type(layer).from_config(config)
        if isinstance(layer, keras.layers.Layer):  # else an operation such as keras.ops.mean
            copies.append((layer, copy))
        return copy

    clone = keras.models.clone_model(network, images, clone_function=plain, recursive=True)
    for layer, copy in copies:
        copy.set_weights(layer.get_weights())
    names = ("features", LOGITS)[: len(clone.outputs)]
    return keras.Model(images, dict(zip(names, clone.outputs, strict=True)), name=network.name)


def _foreign(name: str, kind: str) -> ExportError:
    return ExportError(
        f"the layer {name} has {kind}, which another program does not know: a network can be exported whose layers, "
        "activations and regularizers are Keras' own or this package's, and no Lambda"
    )


def _brought_along(config: Any) -> Iterator[str]:
    """What in the settings of a layer is not Keras' own, such as a function as activation."""
    if isinstance(config, dict):
        if "registered_name" in config and not str(config.get("module")).startswith("keras"):
            yield f"the {config['class_name']} {config['config']}"
        config = list(config.values())
    if isinstance(config, list | tuple):
        for value in config:
            yield from _brought_along(value)
