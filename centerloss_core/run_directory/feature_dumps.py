"""The feature-dump file: what the network made of every image of one split, and the points that classes have there.

It is an ordinary `.npz`, so `numpy.load` opens it too. Training writes it; metrics and figures read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.errors import PUT_BACK, ExpectedError
from centerloss_core.files.arrays import Header, read_arrays, write_arrays
from centerloss_core.files.atomic import atomic_write
from centerloss_core.limits import CLASSES, DIMENSIONS, DUMP_BYTES

UNKNOWN = -1  # the label of an image of a class that training does not know
_PER_IMAGE = ("features", "labels", "predictions", "logits", "original_labels", "names")


class FeatureFileError(ExpectedError):
    """A feature dump that cannot be read; the message names the file and what is wrong with it."""


@dataclass(frozen=True, eq=False)
class FeatureDump:
    """The features of n images in d dimensions, checked when it is made. Only the first two arrays are required.

    Attributes:
        features: (n, d) float32, the activations that the loss acts on, in the units of the network.
        labels: (n,) int64, the true class of each image, 0 … k−1, or −1 for an image of an unknown class. Other
            integers are converted.
        predictions: (n,) int64, the class with the largest logit; None where the loss has no logits.
        centers: (k, d) float32, one point per class, as the training steps left them; None where the loss has none.
        centers_kind: what these points are, "center" where it is not said; None without them.
        logits: (n, k) float32.
        original_labels: (n,) int64, the class of each image in the data set, also where training does not know it.
        names: (n,) text, a name for each image.

    Raises:
        ValueError: shapes or dtypes do not agree, a number is not finite, or a class is out of range.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64] | None = None
    centers: NDArray[np.float32] | None = None
    centers_kind: str | None = None
    logits: NDArray[np.float32] | None = None
    original_labels: NDArray[np.int64] | None = None
    names: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        for name in ("features", "centers", "logits"):
            _check_matrix(name, getattr(self, name))
        images, dimensions = self.features.shape
        if dimensions > DIMENSIONS:
            raise ValueError(f"features have {dimensions} dimensions, the limit is {DIMENSIONS}")
        for name in ("labels", "predictions", "original_labels"):
            object.__setattr__(self, name, _as_int64(name, getattr(self, name)))
        for name in _PER_IMAGE[1:]:  # all but the features themselves
            array = getattr(self, name)
            if array is not None and (array.ndim != 1 + (name == "logits") or len(array) != images):
                raise ValueError(f"{name} must be one per image, {(images,)}, not {array.shape}")
        if self.centers is not None and self.centers.shape[1] != dimensions:
            raise ValueError(
                f"features have {dimensions} dimensions but centers have {self.centers.shape[1]}"
            )
        self._check_words()
        self._check_classes()

    def _check_words(self) -> None:
        kind = "center" if self.centers_kind is None and self.centers is not None else self.centers_kind
        object.__setattr__(self, "centers_kind", kind)
        if kind is not None and not (self.centers is not None and kind.isidentifier()):
            raise ValueError(f"centers_kind must be one word about centers, not {kind!r}")
        # They are shown in a terminal, which they must not control.
        if self.names is not None and not (
            self.names.dtype.kind == "U" and all(name.isprintable() for name in self.names.tolist())
        ):
            raise ValueError("names must be text that can be printed")

    def _check_classes(self) -> None:
        given = [] if self.centers is None else [len(self.centers)]
        given += [] if self.logits is None else [self.logits.shape[1]]
        if max(given, default=0) > CLASSES:
            raise ValueError(f"holds {max(given)} classes, the limit is {CLASSES}")
        classes = min(given, default=CLASSES)
        for name, least in (("labels", UNKNOWN), ("predictions", 0)):
            values = getattr(self, name)
            if values is not None and (values.min() < least or values.max() >= classes):
                raise ValueError(
                    f"{name} must be in {least} … {classes - 1}, but reach from {values.min()} to {values.max()}"
                )

    @property
    def points(self) -> NDArray[np.float32]:
        """The centers, (k, d); without them (0, d)."""
        return self.features[:0] if self.centers is None else self.centers

    def classes_seen(self) -> int:
        """One more than the highest class of any label, prediction or center."""
        called = self.labels if self.predictions is None else self.predictions
        return max(len(self.points), int(self.labels.max()) + 1, int(called.max()) + 1)

    def known(self) -> FeatureDump:
        """The images of known classes alone, which most figures are about; ValueError if there is no such image."""
        kept = self.labels != UNKNOWN
        if kept.all():
            return self
        if not kept.any():
            raise ValueError("no image is of a known class")
        given = {name: getattr(self, name) for name in _PER_IMAGE if getattr(self, name) is not None}
        return replace(self, **{name: array[kept] for name, array in given.items()})


_ARRAYS = tuple(field.name for field in fields(FeatureDump))
_REQUIRED = ("features", "labels")


def write_features(path: Path, dump: FeatureDump) -> None:
    """Write a dump atomically; equal arrays give equal bytes. What the dump lacks, the file lacks.

    Raises:
        OSError: the folder is missing or the disk is full; nothing is left under `path` then.
    """
    arrays = {name: getattr(dump, name) for name in _ARRAYS}
    with atomic_write(path) as file:
        write_arrays(file, {name: np.asarray(array) for name, array in arrays.items() if array is not None})


def read_features(path: Path) -> FeatureDump:
    """Read and check a dump. Nothing is unpickled, and no array is allocated before its size is known.

    Raises:
        FeatureFileError: the file is missing, damaged, too large, or does not hold a consistent dump.
    """
    try:
        arrays: dict[str, Any] = dict(read_arrays(path, _check_headers))
        if "centers_kind" in arrays:
            arrays["centers_kind"] = str(arrays["centers_kind"])
        return FeatureDump(**arrays)
    except FileNotFoundError as error:
        raise FeatureFileError(f"{path}: no such feature dump") from error
    # SystemError: NumPy's answer to text that is not Unicode.
    except (ValueError, SystemError) as error:
        raise FeatureFileError(f"{path}: {error}; {PUT_BACK}") from error


def _check_headers(headers: Mapping[str, Header]) -> None:
    if missing := [name for name in _REQUIRED if name not in headers]:
        raise ValueError(f"lacks {', '.join(missing)}")
    if unexpected := sorted(set(headers) - set(_ARRAYS)):
        raise ValueError(f"holds {', '.join(unexpected)}, which no feature dump has")
    total = sum(header.nbytes for header in headers.values())
    if total > DUMP_BYTES:
        raise ValueError(f"holds {total} bytes of numbers, the limit is {DUMP_BYTES}")
    kind = headers.get("centers_kind")
    if kind is not None and (kind.shape or kind.dtype.kind != "U" or kind.dtype.itemsize > 400):
        raise ValueError("centers_kind is not one word")


def _check_matrix(name: str, array: NDArray[Any] | None) -> None:
    if array is None:
        return
    if array.dtype != np.float32:
        raise ValueError(f"{name} must be float32, not {array.dtype}")
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must have two dimensions, neither of them empty, not {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} hold NaN or infinity; the training diverged")


def _as_int64(name: str, array: NDArray[Any] | None) -> NDArray[np.int64] | None:
    if array is None:
        return None
    if array.dtype.kind not in "iu" or not np.can_cast(array.dtype, np.int64):
        raise ValueError(f"{name} must be int64, not {array.dtype}")
    return array.astype(np.int64, copy=False)
