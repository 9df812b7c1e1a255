"""What each of our layers is in Keras' own, in evaluation: its formula, with its weights.

A program that has Keras, or TensorFlow, or ONNX Runtime knows these; it does not know ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from centerloss_core.losses.anchors import AnchorHead
from centerloss_core.losses.gaussian_mixture import GaussianMixtureHead
from centerloss_core.losses.margins import ArcFace, CosFace, NormFace, directions
from centerloss_core.losses.multiplicative_margins import LSoftmax, SphereFace
from centerloss_core.losses.prototypes import PrototypeHead
from centerloss_core.losses.softmax import SoftmaxHead
from centerloss_core.networks.layers import BatchNorm, Convolution, MaxPool, NormPReLU, PReLU

LOGITS = "logits"  # the name of the layer that they come from


def in_float32(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a layer without initializers, which may be ours and have done their work, in float32."""
    kept = {key: value for key, value in config.items() if not key.endswith("_initializer")}
    return {**kept, "dtype": "float32"} if "dtype" in kept else kept


def _same(kind: type[layers.Layer]) -> Callable[[layers.Layer, Any], Any]:
    """Of a layer that is Keras' `kind` with another kernel behind it."""

    def made(layer: layers.Layer, x: Any) -> Any:
        return _called(kind.from_config(in_float32(layer.get_config())), x, *layer.get_weights())

    return made


def _norm_prelu(layer: NormPReLU, x: Any) -> Any:
    norm = layers.BatchNormalization(
        momentum=layer.momentum, epsilon=layer.epsilon, dtype="float32", name=layer.name
    )
    statistics = layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance
    x = _called(norm, x, *map(_values, statistics))
    prelu = layers.PReLU(
        shared_axes=[1, 2], dtype="float32", name=f"{layer.name.removesuffix('_norm')}_prelu"
    )
    return _called(prelu, x, _values(layer.alpha))


def _softmax(head: SoftmaxHead, features: Any) -> Any:
    """W·x + b."""
    weights = [head.kernel] if head.bias is None else [head.kernel, head.bias]
    return _called(_dense(head, LOGITS, use_bias=head.use_bias), features, *map(_values, weights))


def _cosines(head: NormFace, features: Any) -> Any:
    """s·cosθ_j: a feature of length 1 times weights of length s.

    Ours has cosines of 0 for features shorter than 1e-6, Keras' only for those that are 0.
    """
    unit = layers.UnitNormalization(dtype="float32", name="directions")(features)
    kernel = _values(directions(head.kernel, axis=0)) * np.float32(head.scale)
    return _called(_dense(head, LOGITS, use_bias=False), unit, kernel)


def _lengths_and_cosines(head: SphereFace | LSoftmax, features: Any) -> Any:
    """‖w_j‖‖x‖·cosθ_j, where A-Softmax has weights of length 1: no margin without labels."""
    kernel = _values(head.kernel)
    if isinstance(head, SphereFace):
        kernel = _values(directions(head.kernel, axis=0))
    return _called(_dense(head, LOGITS, use_bias=False), features, kernel)


def _prototypes(head: PrototypeHead, features: Any) -> Any:
    """−‖x − c_j‖²/T = (2 c_j·x − ‖c_j‖²)/T − ‖x‖²/T. The Gaussian mixture's is that with T = 2."""
    points, temperature = _values(head.prototypes), np.float32(head.temperature)
    towards = _called(
        _dense(head, "towards_points", use_bias=True),
        features,
        points.T * (2 / temperature),
        -np.square(points).sum(axis=1) / temperature,
    )
    squares = layers.Dot(axes=1, dtype="float32", name="squared_lengths")([features, features])
    minus = layers.Rescaling(float(-1 / temperature), dtype="float32", name="minus_squared_lengths")(squares)
    return layers.Add(dtype="float32", name=LOGITS)([towards, minus])


def _anchors(head: AnchorHead, features: Any) -> Any:
    """−‖x − a_j‖, from the differences: a sum of squares and products would lose what is near an anchor.

    Each difference times 1 or itself over their length, summed, is that length: Keras has no layer for a root.
    """
    anchors = _values(head.anchors)
    classes, dimensions = anchors.shape
    offsets = _called(
        layers.EinsumDense(
            "md,kd->mkd",
            output_shape=(classes, dimensions),
            bias_axes="kd",
            dtype="float32",
            name="offsets",
        ),
        features,
        np.ones_like(anchors),
        -anchors,
    )
    units = layers.UnitNormalization(dtype="float32", name="directions")(offsets)
    products = layers.Multiply(dtype="float32", name="products")([offsets, units])
    negative_sum = layers.EinsumDense("mkd,d->mk", output_shape=(classes,), dtype="float32", name=LOGITS)
    return _called(negative_sum, products, -np.ones(dimensions, np.float32))


# Of exactly these classes: what is derived from one computes something else.
PLAIN: dict[type, Callable[[Any, Any], Any]] = {
    AnchorHead: _anchors,
    ArcFace: _cosines,
    BatchNorm: _same(layers.BatchNormalization),
    Convolution: _same(layers.Conv2D),
    CosFace: _cosines,
    GaussianMixtureHead: _prototypes,
    LSoftmax: _lengths_and_cosines,
    MaxPool: _same(layers.MaxPooling2D),
    NormFace: _cosines,
    NormPReLU: _norm_prelu,
    PReLU: _same(layers.PReLU),
    PrototypeHead: _prototypes,
    SoftmaxHead: _softmax,
    SphereFace: _lengths_and_cosines,
}


def _dense(head: Any, name: str, *, use_bias: bool) -> layers.Dense:
    return layers.Dense(head.num_classes, use_bias=use_bias, dtype="float32", name=name)


def _called(layer: layers.Layer, inputs: Any, *weights: NDArray[Any]) -> Any:
    outputs = layer(inputs)
    layer.set_weights(list(weights))
    return outputs


def _values(variable: Any) -> NDArray[np.float32]:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float32)
