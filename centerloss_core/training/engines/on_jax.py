"""The training step as a pure function from state to state, compiled by JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from centerloss_core.training.engines import Batch, Program, Scalars

State = tuple[list[Any], list[Any]]  # values of the program's trainable variables, and of the others


class JaxEngine:
    """A jitted function that is given the state and gives back the next one, in the same memory.

    While steps are taken the state belongs to the engine, and the arrays in the Keras variables are used up: JAX
    raises an error if one is read. `settle` hands the state back to the variables; the next step takes it from there,
    with whatever was changed in between.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        # Arguments of the step: what a jitted function closes over would be compiled into it as a constant.
        self._data = None if program.data is None else tuple(map(jnp.asarray, program.data))
        self._state: State | None = None
        self._compiled = jax.jit(self._step, donate_argnums=0, static_argnums=3)

    def __call__(self, batch: Batch, scalars: Scalars) -> dict[str, Any]:
        """See `Engine`. Returns before the step is done; reading a figure waits for it."""
        if self._state is None:
            self._state = _values(self._program.trainable), _values(self._program.others)
        values = np.array(list(scalars.values()), np.float32)
        figures: dict[str, Any]
        self._state, figures = self._compiled(self._state, self._data, batch, tuple(scalars), values)
        return figures

    def settle(self) -> None:
        """See `Engine`."""
        if self._state is None:
            return
        state, self._state = self._state, None
        for variable, value in self._pairs(state):
            variable.assign(value)

    def _step(
        self, state: State, data: Any, batch: Any, names: tuple[str, ...], values: Any
    ) -> tuple[State, dict[str, Any]]:
        images, labels = batch if data is None else (jnp.take(each, batch, axis=0) for each in data)
        scalars = dict(zip(names, values, strict=True))

        def forward(trainable: list[Any], others: list[Any]) -> tuple[Any, Any]:
            # In a stateless scope Keras variables read the values given and only note what is assigned to them.
            with keras.StatelessScope(self._pairs((trainable, others))) as scope:
                loss, figures = self._program.forward(images, labels, scalars)
            return loss, (figures, self._noted(scope))

        gradients, (figures, state) = jax.grad(forward, has_aux=True)(*state)
        with keras.StatelessScope(self._pairs(state)) as scope:
            self._program.update(gradients, scalars)
        return self._noted(scope), figures

    def _pairs(self, state: State) -> list[tuple[keras.Variable, Any]]:
        trainable, others = state
        return [
            *zip(self._program.trainable, trainable, strict=True),
            *zip(self._program.others, others, strict=True),
        ]

    def _noted(self, scope: keras.StatelessScope) -> State:
        return (
            [scope.get_current_value(variable) for variable in self._program.trainable],
            [scope.get_current_value(variable) for variable in self._program.others],
        )


def _values(variables: Any) -> list[Any]:
    return [variable.value for variable in variables]
