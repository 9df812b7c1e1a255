"""One data set and one compiled training step, kept in a process that trains one run after another.

λ, α, learning rates and the seed are data of a compiled step, so runs that differ in nothing else can share it. Each
begins with the values that it would have in a process of its own.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from centerloss_core.config import Config, Data
from centerloss_core.datasets import Dataset, Tell, load_dataset

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from centerloss_core.networks import BuildNetwork
    from centerloss_core.training.step import TrainStep


@dataclass(frozen=True)
class _Compiled:
    """A training step that is compiled when it is first called, and the state of its optimizers before that."""

    train_step: TrainStep
    optimizers: list[NDArray[Any]]

    def begin_anew(self) -> None:
        """Give all variables the values that a new training step would have."""
        from centerloss_core.training.build import draw_anew

        draw_anew(self.train_step)
        for variable, start in zip(_of_optimizers(self.train_step), self.optimizers, strict=True):
            variable.assign(start.copy())  # JAX may take an array for its own


@dataclass
class _Kept:
    """What the next run finds: the data, and the training step that was compiled for `program`."""

    is_on: bool = False
    data: Data | None = None
    dataset: Dataset | None = None
    program: str | None = None
    compiled: _Compiled | None = None

    def forget_program(self) -> None:
        """Free the compiled step."""
        self.program = self.compiled = None
        gc.collect()  # models refer to themselves

    def forget(self) -> None:
        """Free all of it."""
        self.data = self.dataset = None
        self.forget_program()


_kept = _Kept()


@contextmanager
def programs_are_kept() -> Iterator[None]:
    """Let each run in this block take over data and program of the one before, where they would be the same.

    Only for a process that trains and does nothing else: they stay in memory. A run that failed may have left the
    program in any state, so none may follow it.
    """
    _kept.is_on = True
    try:
        yield
    finally:
        _kept.is_on = False
        _kept.forget()


def dataset_for(config: Config, tell: Tell | None = None) -> Dataset:
    """Load the data set of a run, or take the one that was loaded for the run before.

    Args:
        config: of the run.
        tell: see `load_dataset`.

    Raises:
        DataError: it cannot be had.
    """
    data = config.data
    if _kept.dataset is not None and _kept.data == data:
        return _kept.dataset
    if _kept.is_on:  # first, so that two are not in memory together
        _kept.forget()
    dataset = load_dataset(data, tell=tell)
    if _kept.is_on:
        _kept.data, _kept.dataset = data, dataset
    return dataset


def train_step_for(config: Config, dataset: Dataset, network: BuildNetwork | None = None) -> TrainStep:
    """The training step of a run before its first step: a new one, or that of the run before with new values.

    One with a network of its own is neither kept nor taken over: what it follows from is not all in the config.
    """
    from keras import ops

    from centerloss_core.training.build import build

    if network is not None:
        _kept.forget_program()
        return build(config, dataset, network)
    if _kept.compiled is not None and _kept.program == config.program:
        train_step = _kept.compiled.train_step
        _kept.compiled.begin_anew()
        train_step.keep_numbers(config.loss.head.scalars(config.loss))
        return train_step
    if _kept.is_on:
        _kept.forget_program()
    train_step = build(config, dataset)
    if _kept.is_on:
        state = [np.array(ops.convert_to_numpy(each.value)) for each in _of_optimizers(train_step)]
        _kept.program, _kept.compiled = config.program, _Compiled(train_step, state)
    return train_step


def _of_optimizers(train_step: TrainStep) -> list[keras.Variable]:
    return [variable for optimizer in train_step.optimizers for variable in optimizer.variables]
