"""The state of a training step as named arrays, and back: every number that training resumes from.

Network, head, term and optimizers are Keras variables; the order of batches and the schedules follow from the
config and the number of steps taken. So variables + position are the whole training state, and no pickle is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from centerloss_core.errors import DivergedError
from centerloss_core.files.arrays import Header
from centerloss_core.networks import OWN_NETWORK
from centerloss_core.run_directory.checkpoints import read_state
from centerloss_core.training.step import TrainStep


def state_of(train_step: TrainStep, step: int) -> dict[str, NDArray[Any]]:
    """The state after `step` steps, by names that say what each array is.

    Raises:
        DivergedError: a number in it is NaN or infinite; nothing can be resumed from such a state.
    """
    arrays = {
        name: np.asarray(keras.ops.convert_to_numpy(value)) for name, value in _variables(train_step).items()
    }
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DivergedError(f"after step {step} {name}")
    return arrays


def restore_state(path: Path, train_step: TrainStep) -> None:
    """Put the state in the checkpoint `path` into `train_step`, which must be built from the same config.

    Everything is read and compared before the first variable is changed.

    Raises:
        CheckpointError: the file is missing or damaged, or its names, shapes or dtypes are not this network's.
    """
    variables = _variables(train_step)
    saved = read_state(path, lambda headers: _compare(headers, variables))
    for name, variable in variables.items():
        variable.assign(saved[name])


def begin_with(path: Path, train_step: TrainStep) -> bool:
    """Put the weights and centers in the checkpoint `path`, of another run, into `train_step`; optimizers begin anew.

    Returns:
        Whether it had what the term of this run holds (its centers).

    Raises:
        CheckpointError: the file is missing or damaged, or its network has other shapes.
    """
    network = _variables(train_step, "network")
    term = _variables(train_step, "term")
    has_term = False

    def compare(headers: Mapping[str, Header]) -> None:
        nonlocal has_term
        has_term = term.keys() <= headers.keys()
        wanted = {**network, **(term if has_term else {})}
        _compare({name: header for name, header in headers.items() if name in wanted}, wanted)

    saved = read_state(path, compare)
    for name, variable in {**network, **(term if has_term else {})}.items():
        variable.assign(saved[name])
    return has_term


def _variables(train_step: TrainStep, part: str | None = None) -> dict[str, keras.Variable]:
    """Every variable under a name that says what it is; with `part`, those of the network or of the term alone."""
    groups: dict[str, list[keras.Variable]] = {}
    if part in (None, "network"):
        groups["network/"] = train_step.network.variables
    if part in (None, "term") and train_step.term is not None:
        groups[""] = train_step.term.variables  # as "center_loss/centers"
    for optimizer in train_step.optimizers if part is None else ():
        groups[f"{optimizer.name}/"] = optimizer.variables
    own = _numbered(train_step) if train_step.network.name == OWN_NETWORK else {}
    found = {
        f"{group}{own.get(id(variable), variable.path)}": variable
        for group, variables in groups.items()
        for variable in variables
    }
    if len(found) != sum(map(len, groups.values())):
        raise AssertionError("two variables share a path, and one of them would be lost")
    return found


def _numbered(train_step: TrainStep) -> dict[int, str]:
    """Names for what belongs to a network that was given as a function, by the `id` of each variable.

    Its layers may have no names, and those that Keras gives count on through the life of a process.
    """
    head = train_step.head
    of_head = set() if head is None else {id(each) for each in head.variables}
    body = [each for each in train_step.network.variables if id(each) not in of_head]
    return {
        id(each): f"own/{number:04d}"
        for variables in (body, train_step.optimizers[0].variables)
        for number, each in enumerate(variables)
    }


def _compare(headers: Mapping[str, Header], variables: Mapping[str, keras.Variable]) -> None:
    if headers.keys() != variables.keys():
        odd = sorted(headers.keys() ^ variables.keys())
        raise ValueError(f"is of another network or optimizer; it differs in {', '.join(odd[:3])}")
    for name, variable in variables.items():
        found, shape, dtype = headers[name], tuple(variable.shape), np.dtype(variable.dtype)
        # Kinds, not dtypes: Keras counts steps in int64 on TensorFlow and in int32 on JAX, and each can resume from
        # a checkpoint of the other. No kind is wider than 8 bytes here.
        if (found.shape, found.dtype.kind) != (shape, dtype.kind) or found.dtype.itemsize > 8:
            raise ValueError(f"{name} is {found.dtype} {found.shape}, expected {dtype} {shape}")
