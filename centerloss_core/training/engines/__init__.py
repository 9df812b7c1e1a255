"""How a training step becomes one compiled call: one file per backend, the mathematics in none of them.

The step is written once, in `keras.ops` over Keras variables: `forward` computes the loss and moves what is moved
without a gradient (centers, running means), `update` applies gradients. An engine gathers the batch from data that
stays on the device, differentiates `forward`, calls `update`, and compiles all of it together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

Batch = NDArray[np.int32] | tuple[NDArray[np.uint8], NDArray[np.int32]]
Scalars = Mapping[str, float]


@dataclass(frozen=True)
class Program:
    """A training step, still in words that every backend understands.

    Attributes:
        forward: (images, labels, scalars) → (the loss, figures by name).
        update: (gradients of the trainable variables, scalars) → None.
        trainable: the variables that `forward` is differentiated by.
        others: all other variables that the step reads or moves, the optimizers' included.
        most: steps in a call, for an engine that takes several.
        data: all training images, (n, h, w, c) uint8, and their labels, (n,) int32; None if batches bring their own.
    """

    forward: Callable[[Any, Any, Mapping[str, Any]], tuple[Any, dict[str, Any]]]
    update: Callable[[Sequence[Any], Mapping[str, Any]], None]
    trainable: Sequence[keras.Variable]
    others: Sequence[keras.Variable]
    most: int
    data: tuple[NDArray[np.uint8], NDArray[np.int32]] | None


class Engine(Protocol):
    """A compiled `Program`.

    Attributes:
        most: steps that one call can take. Where calls are cut changes no bit.
        fingerprint: of the compiled program, where the compiler may choose among kernels that round differently;
            known after the first call. None where there is no choice.
    """

    most: int
    fingerprint: str | None

    def __call__(self, batches: Sequence[Batch], scalars: Sequence[Scalars]) -> dict[str, Any]:
        """Take a step for each batch, at most `most`; return the figures of `forward` by name, (steps,) each.

        Args:
            batches: of each step, indices (m,) of images in `Program.data`, or images and labels; m is the same in
                all steps.
            scalars: of each step, numbers, which become float32. They cross to the device as one array.
        """

    def settle(self) -> None:
        """Bring the Keras variables up to date, to be read or changed until the next step."""


def compile_program(program: Program) -> Engine:
    """The engine of the backend that Keras runs on."""
    if keras.backend.backend() == "jax":
        from centerloss_core.training.engines.on_jax import JaxEngine

        return JaxEngine(program)
    from centerloss_core.training.engines.on_tensorflow import TensorFlowEngine

    return TensorFlowEngine(program)
