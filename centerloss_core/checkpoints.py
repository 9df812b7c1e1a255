"""A checkpoint: every number that training goes on from, in one `.npz` file that is whole or absent.

Network, centers and both optimizers are Keras variables; the order of batches and the schedules follow from the
config and the number of steps taken. So variables + step are the whole training state, and no pickle is needed.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from centerloss_core.atomic import atomic_write
from centerloss_core.errors import ExpectedError
from centerloss_core.train_step import TrainStep

_STEP = "step"


class CheckpointError(ExpectedError):
    """A checkpoint that cannot be read, or is of another network; the message names the file."""


def save_checkpoint(path: Path, train_step: TrainStep, step: int) -> None:
    """Write the state after `step` steps.

    Raises:
        OSError: it could not be written; nothing is left under `path` then.
    """
    arrays: dict[str, Any] = {_STEP: np.int64(step)}
    arrays |= {name: keras.ops.convert_to_numpy(value) for name, value in _state(train_step).items()}
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def restore_checkpoint(path: Path, train_step: TrainStep) -> int:
    """Put a saved state into `train_step`, which must be built from the same config; return the steps taken.

    Everything is read and compared before the first variable is changed.

    Raises:
        CheckpointError: the file is missing or damaged, or its names, shapes or dtypes are not this network's.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            saved = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from error
    step = saved.pop(_STEP, None)
    if step is None or step.shape != () or step.dtype != np.int64:
        raise CheckpointError(f"{path}: holds no step count; it is not a checkpoint of this program")
    state = _state(train_step)
    _compare(path, saved, state)
    for name, variable in state.items():
        variable.assign(saved[name])
    return int(step)


def _state(train_step: TrainStep) -> dict[str, keras.Variable]:
    """Every variable under a name that says what it is."""
    groups: dict[str, list[keras.Variable]] = {"network": train_step.network.variables}
    for optimizer in train_step.optimizers:
        groups[optimizer.name] = optimizer.variables
    state = {
        f"{group}/{variable.path}": variable for group, variables in groups.items() for variable in variables
    }
    if len(state) != sum(map(len, groups.values())):
        raise AssertionError("two variables share a path, and one of them would be lost")
    return state | {"center_loss/centers": train_step.center_loss.centers}


def _compare(path: Path, saved: Mapping[str, Any], state: Mapping[str, keras.Variable]) -> None:
    if saved.keys() != state.keys():
        odd = sorted(saved.keys() ^ state.keys())
        raise CheckpointError(
            f"{path}: is of another network or optimizer; it differs in {', '.join(odd[:3])}"
        )
    for name, variable in state.items():
        found, shape, dtype = saved[name], tuple(variable.shape), np.dtype(variable.dtype)
        # Kinds, not dtypes: Keras counts steps in int64 on TensorFlow and in int32 on JAX, and each may go on from
        # a checkpoint of the other.
        if (found.shape, found.dtype.kind) != (shape, dtype.kind):
            raise CheckpointError(f"{path}: {name} is {found.dtype} {found.shape}, expected {dtype} {shape}")
