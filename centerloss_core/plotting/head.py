"""The softmax head of a run, from its newest checkpoint: what decides between the classes, without a framework."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.errors import ExpectedError
from centerloss_core.files.arrays import Header
from centerloss_core.limits import STATE_BYTES
from centerloss_core.run_directory.checkpoints import CheckpointError, read_state
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.names import CHECKPOINTS
from centerloss_core.run_directory.reader import RunRecord

_KERNEL, _BIAS = "network/head/kernel", "network/head/bias"
# Training and NumPy round differently, so an image on a border may change sides; more than these few mean that the
# head is that of another step than the features.
_BORDER_CASES = 1e-3


class HeadError(ExpectedError):
    """Why a figure has to do without the softmax head; the message names the file."""


@dataclass(frozen=True, eq=False)
class SoftmaxHead:
    """The last layer: logits = x · kernel + bias."""

    kernel: NDArray[np.floating[Any]]  # (d, k)
    bias: NDArray[np.floating[Any]]  # (k,), zeros for a head without one

    def logits(self, features: NDArray[Any]) -> NDArray[Any]:
        """Return (n, k) logits of (n, d) features."""
        logits: NDArray[Any] = features @ self.kernel + self.bias
        return logits


def read_head(run: RunRecord, dump: FeatureDump, classes: int) -> SoftmaxHead:
    """Read the head that made the predictions of a dump, from the newest checkpoint of the run.

    Raises:
        HeadError: there is no checkpoint, it cannot be read, or its head predicts something else, as that of a run
            stopped in the middle of an epoch does.
    """
    if dump.predictions is None:
        raise HeadError(f"{run.path}: its loss has no logits")
    try:
        found = run.checkpoints()
        if not found:
            raise HeadError(f"{run.path / CHECKPOINTS}: no checkpoint")
        check = partial(_check_headers, features=dump.features.shape[1], classes=classes)
        arrays = read_state(found[-1], check)
    except (CheckpointError, RunError) as error:
        raise HeadError(str(error)) from error
    path = found[-1] / "state.npz"
    kernel = arrays[_KERNEL]
    head = SoftmaxHead(kernel, arrays.get(_BIAS, np.zeros(classes, kernel.dtype)))
    if not (np.isfinite(head.kernel).all() and np.isfinite(head.bias).all()):
        raise HeadError(f"{path}: the softmax head holds NaN or infinity")
    differ = int((head.logits(dump.features).argmax(axis=1) != dump.predictions).sum())
    if differ > _BORDER_CASES * len(dump.predictions):
        raise HeadError(
            f"{path}: is of another step than the features ({differ} of {len(dump.predictions)} predictions differ)"
        )
    return head


def _check_headers(headers: Mapping[str, Header], features: int, classes: int) -> None:
    expected = {_KERNEL: (features, classes), _BIAS: (classes,)}
    if _KERNEL not in headers:
        raise ValueError(f"holds no {_KERNEL}")
    for name, shape in expected.items():
        header = headers.get(name)
        if header and (header.shape != shape or header.dtype != np.float32):
            raise ValueError(f"{name} is {header.dtype} {header.shape}, expected float32 {shape}")
    total = sum(header.nbytes for header in headers.values())
    if total > STATE_BYTES:
        raise ValueError(f"holds {total} bytes of numbers, the limit is {STATE_BYTES}")
