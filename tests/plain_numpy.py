"""An exported network in NumPy alone, from the arrays and the description of `cl export --format npz`."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[Any]


def forward(description: Mapping[str, Any], arrays: Mapping[str, Array], images: Array) -> dict[str, Array]:
    """The outputs by name, of images with pixels from 0 to 255, computed in float64."""
    found: dict[str, Array] = {}
    for layer in description["layers"]:
        prefix = f"{layer['name']}/"
        own = {
            name.removeprefix(prefix): np.float64(value)
            for name, value in arrays.items()
            if name.startswith(prefix)
        }
        inputs = [found[name] for name in layer["inputs"]] or [np.float64(images)]
        found[layer["name"]] = KINDS[layer["kind"]](layer, own, *inputs)
    return {name: found[layer] for name, layer in description["output_layers"].items()}


def convolution(layer: Mapping[str, Any], own: Mapping[str, Array], x: Array) -> Array:
    size, strides = layer["kernel_size"], layer["strides"]
    if layer["padding"] == "same":
        totals = [
            max((math.ceil(n / s) - 1) * s + k - n, 0)
            for n, k, s in zip(x.shape[1:3], size, strides, strict=True)
        ]
        x = np.pad(x, [(0, 0), *((total // 2, total - total // 2) for total in totals), (0, 0)])
    windows = sliding_window_view(x, size, axis=(1, 2))[:, :: strides[0], :: strides[1]]
    return np.einsum("mhwckl,klcd->mhwd", windows, own["kernel"]) + own.get("bias", 0)


def batch_norm(layer: Mapping[str, Any], own: Mapping[str, Array], x: Array) -> Array:
    deviation = np.sqrt(own["moving_variance"] + layer["epsilon"])
    return (x - own["moving_mean"]) / deviation * own["gamma"] + own["beta"]


def max_pool(layer: Mapping[str, Any], own: Mapping[str, Array], x: Array) -> Array:
    (m, h, w, c), (high, wide) = x.shape, layer["pool_size"]
    x = x[:, : h // high * high, : w // wide * wide]
    return x.reshape(m, h // high, high, w // wide, wide, c).max(axis=(2, 4))


def unit(layer: Mapping[str, Any], own: Mapping[str, Array], x: Array) -> Array:
    return x / np.maximum(np.linalg.norm(x, axis=layer["axis"], keepdims=True), 1e-12)


def activation(layer: Mapping[str, Any], own: Mapping[str, Array], x: Array) -> Array:
    return {"linear": x, "relu": np.maximum(x, 0)}[layer["activation"]]


def sum_of_products(layer: Mapping[str, Any], own: Mapping[str, Array], x: Array) -> Array:
    return np.einsum(layer["equation"], x, own["kernel"]) + own.get("bias", 0)


KINDS: dict[str, Callable[..., Array]] = {
    "Activation": activation,
    "Add": lambda layer, own, x, y: x + y,
    "BatchNormalization": batch_norm,
    "Conv2D": convolution,
    "Dense": lambda layer, own, x: x @ own["kernel"] + own.get("bias", 0),
    "Dot": lambda layer, own, x, y: (x * y).sum(axis=1, keepdims=True),
    "EinsumDense": sum_of_products,
    "Flatten": lambda layer, own, x: x.reshape(len(x), -1),
    "GlobalAveragePooling2D": lambda layer, own, x: x.mean(axis=(1, 2)),
    "InputLayer": lambda layer, own, x: x,
    "MaxPooling2D": max_pool,
    "Multiply": lambda layer, own, x, y: x * y,
    "PReLU": lambda layer, own, x: np.where(x > 0, x, own["alpha"] * x),
    "Rescaling": lambda layer, own, x: x * layer["scale"] + layer["offset"],
    "UnitNormalization": unit,
}
