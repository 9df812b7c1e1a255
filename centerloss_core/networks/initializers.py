"""Weights at the start of a run."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from scipy.special import ndtr, ndtri

from centerloss_core.config import Model

_DEVIATION_CUT_AT_2 = 0.87962566103423978  # of a normal distribution without what lies beyond two deviations
_numbers = itertools.count()


_ON_JAX = keras.backend.backend() == "jax"


def tensor(values: Any, dtype: Any = None) -> Any:
    """A tensor of NumPy's values. JAX would compile a program for each shape, here and in Keras' own initializers."""
    dtype = keras.backend.standardize_dtype(dtype)
    if not _ON_JAX:
        return keras.ops.convert_to_tensor(values, dtype)
    import jax

    return jax.device_put(np.asarray(values, dtype))


def kernel_initializer(model: Model) -> keras.initializers.Initializer:
    """A new one for each layer, with a seed of its own."""
    return Random(model.initializer)


@keras.saving.register_keras_serializable(package="centerloss")
class Random(keras.initializers.Initializer):
    """Random weights by the rules that the config knows, and one more, drawn by NumPy.

    They are the same on every backend, and no program is compiled for each shape, which takes JAX ten seconds. The
    distributions are those of Keras' initializers: HeNormal, GlorotUniform ("xavier"), TruncatedNormal of 0.1, and
    RandomNormal of 0.01 ("near_zero").

    Args:
        rule: "he_normal", "xavier", "truncated_normal" or "near_zero".
        seed: None: drawn from Python's generator when the initializer is made, as Keras does.

    Attributes:
        number: counts the initializers, so that their seeds can be drawn again in the same order.
    """

    def __init__(self, rule: str, seed: int | None = None) -> None:
        self.rule = rule
        self._asked = seed
        self.number = next(_numbers)
        self._seed = random.randint(1, 10**9) if seed is None else seed

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Return a kernel (…, inputs, outputs)."""
        fan_in, fan_out = math.prod(shape[:-1]), math.prod((*shape[:-2], shape[-1]))
        # Bits, because NumPy promises them for every release, as it does not for its normal distribution.
        bits = np.random.PCG64(self._seed).random_raw(math.prod(shape))
        uniform = ((np.asarray(bits, np.uint64) >> np.uint64(11)) + 0.5) * 2.0**-53
        if self.rule == "xavier":
            values = (2 * uniform - 1) * math.sqrt(6 / (fan_in + fan_out))
        elif self.rule == "near_zero":
            values = ndtri(uniform) * 0.01
        else:
            deviation = (
                0.1 if self.rule == "truncated_normal" else math.sqrt(2 / fan_in) / _DEVIATION_CUT_AT_2
            )
            values = ndtri(ndtr(-2) + uniform * (ndtr(2) - ndtr(-2))) * deviation
        return tensor(values.reshape(shape).astype(np.float32), dtype)

    def get_config(self) -> dict[str, Any]:
        """For Keras' own saving; a clone of one without a seed draws its own."""
        return {"rule": self.rule, "seed": self._asked}


@keras.saving.register_keras_serializable(package="centerloss")
class Constant(keras.initializers.Initializer):
    """The same number everywhere, as Keras' initializer of that name, by NumPy."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Return the tensor."""
        return tensor(np.full(shape, self.value, np.float32), dtype)

    def get_config(self) -> dict[str, Any]:
        """For Keras' own saving."""
        return {"value": self.value}


@keras.saving.register_keras_serializable(package="centerloss")
class Circle(keras.initializers.Initializer):
    """A head's kernel (2, k) with the classes at equal angles around the unit circle, in a given order."""

    def __init__(self, class_order: Sequence[int]) -> None:
        self.class_order = list(class_order)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Return the kernel; `shape` must be (2, number of classes)."""
        if tuple(shape) != (2, len(self.class_order)):
            raise ValueError(
                f"A circle of {len(self.class_order)} classes lies in the plane, received shape {shape}."
            )
        return tensor(self.values(), dtype)

    def values(self) -> np.ndarray:
        """The kernel in NumPy, which has values also while Keras traces a model."""
        angles = np.empty(len(self.class_order))
        angles[self.class_order] = (
            2 * np.pi * (np.arange(len(self.class_order)) + 0.5) / len(self.class_order)
        )
        return np.stack([np.cos(angles), np.sin(angles)])

    def get_config(self) -> dict[str, Any]:
        """For Keras' own saving."""
        return {"class_order": self.class_order}


@keras.saving.register_keras_serializable(package="centerloss")
class OfPoints(keras.initializers.Initializer):
    """Points (k, d) that begin where an initializer puts the columns of a kernel (d, k)."""

    def __init__(self, kernel_initializer: Any) -> None:
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.number = getattr(self.kernel_initializer, "number", math.inf)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Return the points; `shape` is (k, d)."""
        return keras.ops.transpose(self.kernel_initializer((shape[1], shape[0]), dtype))

    def get_config(self) -> dict[str, Any]:
        """For Keras' own saving; a clone draws anew where the initializer of the kernel does."""
        return {"kernel_initializer": keras.initializers.serialize(self.kernel_initializer)}
