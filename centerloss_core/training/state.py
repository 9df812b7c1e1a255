"""The state of a training step as named arrays, and back: every number that training resumes from.

Network, head, term and optimizers are Keras variables; the order of batches and the schedules follow from the
config and the number of steps taken. So variables + position are the whole training state, and no pickle is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from centerloss_core.errors import DivergedError
from centerloss_core.files.arrays import Header
from centerloss_core.losses.base import Head, Term
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
    return load_weights(path, train_step.network, train_step.head, train_step.term)


def load_weights(path: Path, network: keras.Model, head: Head | None, term: Term | None) -> bool:
    """Put the weights and centers in the checkpoint `path` into a network, which ends in `head`, and a term.

    Returns:
        Whether it had what the term holds (its centers).

    Raises:
        CheckpointError: the file is missing or damaged, or its network has other shapes.
    """
    weights = _named({"network/": network.variables}, _numbered(network, head))
    points = _named(_of_term(term))
    has_term = False

    def compare(headers: Mapping[str, Header]) -> None:
        nonlocal has_term
        has_term = points.keys() <= headers.keys()
        wanted = {**weights, **(points if has_term else {})}
        _compare({name: header for name, header in headers.items() if name in wanted}, wanted)

    saved = read_state(path, compare)
    for name, variable in {**weights, **(points if has_term else {})}.items():
        variable.assign(saved[name])
    return has_term


def _variables(train_step: TrainStep) -> dict[str, keras.Variable]:
    """Every variable under a name that says what it is."""
    network, optimizers = train_step.network, train_step.optimizers
    groups = {"network/": network.variables, **_of_term(train_step.term)}
    groups |= {f"{optimizer.name}/": optimizer.variables for optimizer in optimizers}
    return _named(groups, _numbered(network, train_step.head, optimizers[0].variables))


def _of_term(term: Term | None) -> dict[str, list[keras.Variable]]:
    return {} if term is None else {"": term.variables}  # as "center_loss/centers"


def _named(
    groups: Mapping[str, Sequence[keras.Variable]], own: Mapping[int, str] | None = None
) -> dict[str, keras.Variable]:
    """Variables by their group and path; `own` has other names for some, by the `id` of the variable."""
    found = {
        f"{group}{(own or {}).get(id(variable), variable.path)}": variable
        for group, variables in groups.items()
        for variable in variables
    }
    if len(found) != sum(map(len, groups.values())):
        raise AssertionError("two variables share a path, and one of them would be lost")
    return found


def _numbered(
    network: keras.Model, head: Head | None, of_optimizer: Sequence[keras.Variable] = ()
) -> dict[int, str]:
    """Names for what belongs to a network that was given as a function, by the `id` of each variable.

    Its layers may have no names, and those that Keras gives count on through the life of a process.
    """
    if network.name != OWN_NETWORK:
        return {}
    of_head = set() if head is None else {id(each) for each in head.variables}
    body = [each for each in network.variables if id(each) not in of_head]
    return {
        id(each): f"own/{number:04d}"
        for variables in (body, of_optimizer)
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
