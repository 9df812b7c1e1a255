"""The training step as a pure function from state to state, compiled by JAX."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from centerloss_core.training.engines import Batch, Program, Scalars

State = tuple[list[Any], list[Any]]  # values of the program's trainable variables, and of the others


class JaxEngine:
    """A compiled loop over steps that is given the state and gives back the one after them, in the same memory.

    The number of steps is an argument of the loop, so that one step goes through the same program as many: XLA would
    make another of each length, and round differently in it.

    While steps are taken the state belongs to the engine, and the arrays in the Keras variables are used up: JAX
    raises an error if one is read. `settle` hands the state back to the variables; the next step takes it from there,
    with whatever was changed in between.
    """

    def __init__(self, program: Program) -> None:
        # On a processor nothing is gained by more, and Ctrl-C would have to wait.
        self.most = 1 if jax.default_backend() == "cpu" else program.most
        self.fingerprint: str | None = None
        self._program = program
        # Arguments of the loop: what a jitted function closes over would be compiled into it as a constant.
        self._data = None if program.data is None else tuple(map(jax.device_put, program.data))
        self._state: State | None = None
        self._names: tuple[str, ...] = ()  # of the figures, in their order; known once a step was traced
        self._step = jax.jit(self._one_step, static_argnums=3)
        self._loop = jax.jit(self._steps, donate_argnums=0, static_argnums=3)
        self._compiled: dict[Any, Any] = {}  # by the names of the scalars and the shapes of a batch

    def __call__(self, batches: Sequence[Batch], scalars: Sequence[Scalars]) -> dict[str, Any]:
        """See `Engine`. Returns when the steps are done."""
        if self._state is None:
            self._state = _values(self._program.trainable), _values(self._program.others)
        count, names = len(batches), tuple(scalars[0])
        padding = [batches[-1]] * (self.most - count)
        padded = jax.tree.map(lambda *each: np.stack(each), *batches, *padding)
        numbers = np.zeros((self.most, len(names)), np.float32)
        numbers[:count] = [list(each.values()) for each in scalars]
        arguments = (self._state, self._data, padded, numbers, np.int32(count))
        self._state, figures = self._program_for(names, arguments)(*arguments)
        return dict(zip(self._names, np.asarray(figures)[:, :count], strict=True))

    def settle(self) -> None:
        """See `Engine`."""
        if self._state is None:
            return
        state, self._state = self._state, None
        for variable, value in self._pairs(state):
            variable.assign(value)

    def _program_for(self, names: tuple[str, ...], arguments: tuple[Any, ...]) -> Any:
        key = names, *((each.shape, each.dtype) for each in jax.tree.leaves(arguments[2]))
        if key not in self._compiled:
            state, data, batches, numbers, count = arguments
            self._compiled[key] = self._loop.lower(state, data, batches, names, numbers, count).compile()
            self.fingerprint = _fingerprint(self._compiled[key])
        return self._compiled[key]

    def _steps(
        self, state: State, data: Any, batches: Any, names: tuple[str, ...], numbers: Any, count: Any
    ) -> tuple[State, Any]:
        """Take `count` steps; the figures come as (figures, most), of which only the first `count` are set."""

        def inputs(index: Any) -> tuple[Any, Any]:
            return jax.tree.map(lambda each: each[index], batches), numbers[index]

        def body(index: Any, carried: tuple[State, Any]) -> tuple[State, Any]:
            state, kept = carried
            batch, values = inputs(index)
            state, figures = self._step(state, data, batch, names, values)
            return state, kept.at[:, index].set(figures)

        batch, values = jax.eval_shape(inputs, 0)
        _, figures = self._step.eval_shape(state, data, batch, names, values)
        kept = jnp.zeros((*figures.shape, self.most), jnp.float32)
        after: tuple[State, Any] = jax.lax.fori_loop(0, count, body, (state, kept))
        return after

    def _one_step(
        self, state: State, data: Any, batch: Any, names: tuple[str, ...], values: Any
    ) -> tuple[State, Any]:
        images, labels = (
            batch if data is None else (jnp.take(each, batch, axis=0, mode="clip") for each in data)
        )
        scalars = dict(zip(names, values, strict=True))

        def forward(trainable: list[Any], others: list[Any]) -> tuple[Any, Any]:
            # In a stateless scope Keras variables read the values given and only note what is assigned to them.
            with keras.StatelessScope(self._pairs((trainable, others))) as scope:
                loss, figures = self._program.forward(images, labels, scalars)
            self._names = tuple(figures)
            stacked = jnp.stack([jnp.asarray(figure, jnp.float32) for figure in figures.values()])
            return loss, (stacked, self._noted(scope))

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


def _fingerprint(compiled: Any) -> str:
    """A hash of what XLA made of a program, the kernels it chose included; not of where its source lies."""
    text = re.sub(r", metadata=\{.*?\}(?=[,\n ]|$)", "", compiled.as_text(), flags=re.MULTILINE)
    program = text[text.find("\n%") :]  # behind the table of source files
    return hashlib.sha256(program.encode()).hexdigest()[:16]
