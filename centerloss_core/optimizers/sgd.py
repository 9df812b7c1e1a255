"""SGD with momentum as Caffe has it, V ← μV − rate·g, w ← w + V, whose μ may change from step to step."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from centerloss_core.networks.initializers import Constant
from centerloss_core.optimizers.slots import SlotsByNumPy


class SGD(SlotsByNumPy, keras.optimizers.SGD):
    """Keras' SGD with μ in a variable, `momentum_now`: a Python number would be a constant of the compiled step."""

    def __init__(self, learning_rate: float, momentum: float, name: str) -> None:
        super().__init__(learning_rate, momentum=1.0, name=name)  # anything but 0: Keras makes V only then
        self._start = momentum

    def build(self, variables: list[keras.Variable]) -> None:
        """Create the velocities V and μ."""
        super().build(variables)
        self.momentum_now = self.add_variable((), Constant(self._start), name="momentum")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One update of one variable; called by Keras."""
        velocity = self.momentums[self._get_variable_index(variable)]
        rate = ops.cast(learning_rate, variable.dtype)
        self.assign(velocity, velocity * self.momentum_now - gradient * rate)
        self.assign_add(variable, velocity)
