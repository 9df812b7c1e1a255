"""How a training step becomes one compiled call: one file per backend, the mathematics in none of them.

The step is written once, in `keras.ops` over Keras variables: `forward` computes the loss and moves what is moved
without a gradient (centers, running means), `update` applies gradients. An engine gathers the batch from data that
stays on the device, differentiates `forward`, calls `update`, and compiles all of it together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Program:
    """A training step, still in words that every backend understands.

    Attributes:
        forward: (images, labels, λ) → (the loss, whatever else the step shall return).
        update: (gradients of the trainable variables, learning rate) → None.
        trainable: the variables that `forward` is differentiated by.
        others: all other variables that the step reads or moves, the optimizers' included.
        images: (n, height, width) uint8, all training images.
        labels: (n,) int32.
    """

    forward: Callable[[Any, Any, Any], tuple[Any, Any]]
    update: Callable[[Sequence[Any], Any], None]
    trainable: Sequence[keras.Variable]
    others: Sequence[keras.Variable]
    images: NDArray[np.uint8]
    labels: NDArray[np.int32]


class Engine(Protocol):
    """A compiled `Program`."""

    def __call__(self, indices: NDArray[np.int32], learning_rate: float, lambda_: float) -> Any:
        """Take one step on the images at `indices` (m,); return what `forward` returned beside the loss."""

    def settle(self) -> None:
        """Bring the Keras variables up to date, to be read or changed until the next step."""


def compile_program(program: Program) -> Engine:
    """The engine of the backend that Keras runs on."""
    if keras.backend.backend() == "jax":
        from centerloss_core.training.engines.on_jax import JaxEngine

        return JaxEngine(program)
    from centerloss_core.training.engines.on_tensorflow import TensorFlowEngine

    return TensorFlowEngine(program)
