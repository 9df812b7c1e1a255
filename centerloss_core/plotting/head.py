"""What decides between the classes in a run: its head, without a framework, from its newest checkpoint or its dump."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.config import ConfigError
from centerloss_core.config.loss import Loss
from centerloss_core.errors import ExpectedError
from centerloss_core.files.arrays import Header
from centerloss_core.limits import STATE_BYTES
from centerloss_core.metrics.distances import directions
from centerloss_core.run_directory.checkpoints import CheckpointError, read_state
from centerloss_core.run_directory.class_points import trained
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.names import CHECKPOINTS
from centerloss_core.run_directory.reader import RunRecord

_KERNEL, _BIAS = "network/head/kernel", "network/head/bias"
_POINTS = ("network/head/prototypes", "network/head/anchors")
# Training and NumPy round differently, so an image on a border may change sides; more than these few mean that the
# head is that of another step than the features.
_BORDER_CASES = 1e-3


class HeadError(ExpectedError):
    """Why a figure has to do without the head; the message names the file."""


@dataclass(frozen=True, eq=False)
class Head:
    """Scores of the classes, linear in the feature: x · kernel + bias. The largest score wins, as the largest logit.

    Attributes:
        kernel: (d, k).
        bias: (k,), zeros for a head without one.
        name: what a figure calls it.
        kind: what the columns of the kernel are.
    """

    kernel: NDArray[np.floating[Any]]
    bias: NDArray[np.floating[Any]]
    name: str = "softmax head"
    kind: str = "weight"

    @property
    def weights(self) -> NDArray[np.floating[Any]]:
        """What the head holds for the classes, (k, d)."""
        return self.kernel.T

    def logits(self, features: NDArray[Any]) -> NDArray[Any]:
        """Return (n, k) scores of (n, d) features."""
        logits: NDArray[Any] = features @ self.kernel + self.bias
        return logits


def nearest_point(points: NDArray[np.floating[Any]], kind: str) -> Head:
    """The rule that the nearest of the points (k, d) wins."""
    # ‖x − c‖² is least where x·c − ‖c‖²/2 is largest.
    points = points.astype(np.float64)
    return Head(points.T, -np.square(points).sum(axis=1) / 2, f"nearest {trained(kind)}", kind)


def loss_of(run: RunRecord) -> Loss:
    """The section `loss` of its config; that of a run without a readable config has the defaults."""
    try:
        return run.config().loss
    except ConfigError:
        return Loss()


def read_head(run: RunRecord, dump: FeatureDump, classes: int) -> Head:
    """Read the head that made the predictions of a dump, from the newest checkpoint of the run.

    The points of a head that decides by distance are in the dump, where no term has points of its own.

    Raises:
        HeadError: the loss has no head; there is no checkpoint, it cannot be read, or its head predicts something else,
            as that of a run stopped in the middle of an epoch does.
    """
    if dump.predictions is None:
        raise HeadError("its loss has no logits (loss.head: none)")
    config = loss_of(run).head
    if config.rule == "distance" and dump.centers is not None and dump.centers_kind == config.points:
        path, head = run.path, nearest_point(dump.centers, str(config.points))
    else:
        try:
            found = run.checkpoints()
            if not found:
                raise HeadError(f"{run.path / CHECKPOINTS}: no checkpoint")
            names = (_KERNEL,) if config.rule != "distance" else _POINTS
            check = partial(_check_headers, names=names, features=dump.features.shape[1], classes=classes)
            arrays = read_state(found[-1], check)
        except (CheckpointError, RunError) as error:
            raise HeadError(str(error)) from error
        path = found[-1] / "state.npz"
        head = _head_of(arrays, config.rule, f"{config.title or config.name} head", str(config.points))
    if not (np.isfinite(head.kernel).all() and np.isfinite(head.bias).all()):
        raise HeadError(f"{path}: the {head.name} holds NaN or infinity")
    differ = int((head.logits(dump.features).argmax(axis=1) != dump.predictions).sum())
    if differ > _BORDER_CASES * len(dump.predictions):
        raise HeadError(
            f"{path}: is of another step than the features ({differ} of {len(dump.predictions)} predictions differ)"
        )
    return head


def _head_of(arrays: Mapping[str, NDArray[Any]], rule: str, name: str, kind: str) -> Head:
    """Its scores: those of cosines are linear too, because the length of a feature is the same for all classes."""
    if rule == "distance":
        return nearest_point(next(arrays[each] for each in _POINTS if each in arrays), kind)
    kernel = arrays[_KERNEL]
    if rule == "cosine":
        return Head(directions(kernel.T)[0].T, np.zeros(kernel.shape[1], kernel.dtype), name)
    return Head(kernel, arrays.get(_BIAS, np.zeros(kernel.shape[1], kernel.dtype)), name)


def _check_headers(
    headers: Mapping[str, Header], names: tuple[str, ...], features: int, classes: int
) -> None:
    """Of one of the names; a kernel is (d, k) and may have a bias, points are (k, d)."""
    if not any(name in headers for name in names):
        raise ValueError(f"holds no {names[0]}")
    expected = dict.fromkeys(_POINTS, (classes, features)) | {
        _KERNEL: (features, classes),
        _BIAS: (classes,),
    }
    for name, shape in expected.items():
        header = headers.get(name)
        if header and (header.shape != shape or header.dtype != np.float32):
            raise ValueError(f"{name} is {header.dtype} {header.shape}, expected float32 {shape}")
    total = sum(header.nbytes for header in headers.values())
    if total > STATE_BYTES:
        raise ValueError(f"holds {total} bytes of numbers, the limit is {STATE_BYTES}")
