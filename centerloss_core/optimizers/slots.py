"""What an optimizer keeps of each weight, made by NumPy: JAX would compile a program of zeros for each shape."""

from __future__ import annotations

from typing import Any

import keras

from centerloss_core.networks.initializers import Constant


class SlotsByNumPy(keras.optimizers.Optimizer):
    """An optimizer of Keras with another beginning of the same variables."""

    def add_variable_from_reference(
        self, reference_variable: Any, name: str | None = None, initializer: Any = "zeros"
    ) -> Any:
        """Called by Keras for each weight."""
        start = Constant(0.0) if initializer == "zeros" else initializer
        return super().add_variable_from_reference(reference_variable, name=name, initializer=start)
