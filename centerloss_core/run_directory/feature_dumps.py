"""The feature-dump file: what the network made of every image of one split, and where the centers stood.

It is an ordinary `.npz`, so `numpy.load` opens it too. Training writes it; metrics and figures read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.errors import PUT_BACK, ExpectedError
from centerloss_core.files.arrays import Header, read_arrays, write_arrays
from centerloss_core.files.atomic import atomic_write

# MNIST's 60,000 training images in 128 dimensions take 31 MB; a file that asks for this much is not ours.
MAX_BYTES = 1 << 30

# Distances between all centers and a circle for each class are drawn: memory goes with the squares of these.
MOST_CLASSES = 1000
MOST_DIMENSIONS = 4096  # as model.feature_dim

_LABEL_DTYPES = (np.dtype(np.uint8), np.dtype(np.int64))


class FeatureFileError(ExpectedError):
    """A feature dump that cannot be read; the message names the file and what is wrong with it."""


@dataclass(frozen=True, eq=False)
class FeatureDump:
    """The features of n images in d dimensions, and the k trained centers; checked when it is made.

    Attributes:
        features: (n, d) float32, the activations that center loss acts on, in the units of the network.
        labels: (n,) uint8 or int64, the true class of each image, in 0 … k−1.
        predictions: (n,) of the labels' dtype, the class with the largest logit.
        centers: (k, d) float32, one per class, as the training steps left them.

    Raises:
        ValueError: shapes or dtypes do not agree, a number is not finite, or a class is not in 0 … k−1.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.integer[Any]]
    predictions: NDArray[np.integer[Any]]
    centers: NDArray[np.float32]

    def __post_init__(self) -> None:
        self._check_dtypes()
        self._check_shapes()
        self._check_values()

    def _check_dtypes(self) -> None:
        for name in ("features", "centers"):
            dtype = getattr(self, name).dtype
            if dtype != np.float32:
                raise ValueError(f"{name} must be float32, not {dtype}")
        if self.labels.dtype not in _LABEL_DTYPES:
            raise ValueError(f"labels must be uint8 or int64, not {self.labels.dtype}")
        if self.predictions.dtype != self.labels.dtype:
            raise ValueError(
                f"predictions must be {self.labels.dtype} like labels, not {self.predictions.dtype}"
            )

    def _check_shapes(self) -> None:
        for name in ("features", "centers"):
            shape = getattr(self, name).shape
            if len(shape) != 2 or 0 in shape:
                raise ValueError(f"{name} must have two dimensions, neither of them empty, not {shape}")
        if self.features.shape[1] != self.centers.shape[1]:
            raise ValueError(
                f"features have {self.features.shape[1]} dimensions but centers have {self.centers.shape[1]}"
            )
        for name in ("labels", "predictions"):
            shape = getattr(self, name).shape
            if shape != (len(self.features),):
                raise ValueError(f"{name} must be one per image, {(len(self.features),)}, not {shape}")

    def _check_values(self) -> None:
        for name in ("features", "centers"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} hold NaN or infinity; the training diverged")
        classes = len(self.centers)
        for name in ("labels", "predictions"):
            values = getattr(self, name)
            if values.min() < 0 or values.max() >= classes:
                raise ValueError(
                    f"{name} must be in 0 … {classes - 1} (there are {classes} centers), "
                    f"but reach from {values.min()} to {values.max()}"
                )


_ARRAY_NAMES = tuple(field.name for field in fields(FeatureDump))


def write_features(path: Path, dump: FeatureDump) -> None:
    """Write a dump atomically; equal arrays give equal bytes.

    Raises:
        OSError: the folder is missing or the disk is full; nothing is left under `path` then.
    """
    with atomic_write(path) as file:
        write_arrays(file, {name: getattr(dump, name) for name in _ARRAY_NAMES})


def read_features(path: Path) -> FeatureDump:
    """Read and check a dump. Nothing is unpickled, and no array is allocated before its size is known.

    Raises:
        FeatureFileError: the file is missing, damaged, too large, or does not hold a consistent dump.
    """
    try:
        return FeatureDump(**read_arrays(path, _check_headers))
    except FileNotFoundError as error:
        raise FeatureFileError(f"{path}: no such feature dump") from error
    except ValueError as error:
        raise FeatureFileError(f"{path}: {error}; {PUT_BACK}") from error


def _check_headers(headers: Mapping[str, Header]) -> None:
    found, expected = sorted(headers), sorted(_ARRAY_NAMES)
    if found != expected:
        raise ValueError(f"holds {found}, expected {expected}")
    total = sum(header.nbytes for header in headers.values())
    if total > MAX_BYTES:
        raise ValueError(f"holds {total} bytes of numbers, the limit is {MAX_BYTES}")
    centers = headers["centers"].shape
    if len(centers) == 2 and (centers[0] > MOST_CLASSES or centers[1] > MOST_DIMENSIONS):
        raise ValueError(
            f"holds {centers[0]} centers in {centers[1]} dimensions, "
            f"the limits are {MOST_CLASSES} and {MOST_DIMENSIONS}"
        )
