"""The 1,797 digits of 8×8 pixels that scikit-learn carries: small enough to train on in seconds.

They are the test set of "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak, 1998, UCI), whose pixels
count the ink in blocks of 4×4: 0 … 16.
"""

from pathlib import Path

import numpy as np

from centerloss_core.datasets.arrays import Split
from centerloss_core.datasets.holdout import split_off_test
from centerloss_core.datasets.packaged import PackagedTable
from centerloss_core.datasets.source import Loaded, refuse_folder

TITLE = "Digits 8×8 (scikit-learn)"

_TEST_SIZE = 360
_SCALED = np.round(np.arange(17) * 255 / 16).astype(np.uint8)

TABLE = PackagedTable(
    data="digits8",
    distribution="scikit-learn",
    file="sklearn/datasets/data/digits.csv.gz",
    sha256="87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826",
)


def load(directory: Path | None = None) -> Loaded:
    """Load the digits, scaled to 0 … 255 and divided into 1,437 to train on and 360 to test, always the same ones.

    The classes are in proportion. Both parts are in an order of which every prefix is a fair sample.

    Raises:
        DataError: scikit-learn is missing or carries other digits; or `directory` is given.
    """
    source = locate(directory)
    pixels, labels = TABLE.read()
    train, test = split_off_test(Split(_SCALED[pixels].reshape(-1, 8, 8), labels), _TEST_SIZE)
    return Loaded(train, test, tuple("0123456789"), source)


def locate(directory: Path | None = None) -> str:
    """Say where the digits come from; DataError if scikit-learn is not installed or `directory` is given."""
    refuse_folder(directory, "digits8", "scikit-learn")
    return TABLE.locate()
