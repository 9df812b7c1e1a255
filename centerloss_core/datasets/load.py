"""One function to load any data set by name, and one to say where it would come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from centerloss_core.datasets import digits8, mnist, mnist5k
from centerloss_core.datasets.arrays import DataError, Dataset, Loaded, fingerprint_of
from centerloss_core.datasets.class_batches import sampler_of
from centerloss_core.datasets.holdout import hold_out, remaining

if TYPE_CHECKING:
    from centerloss_core.config import Train


class Source(Protocol):
    """A module of this package. `directory` is `data.dir`; a source that has no use for it refuses it."""

    TITLE: str
    TRAIN_SIZE: int  # images, before some are held out
    IMAGE_SHAPE: tuple[int, int, int]  # height, width, channels

    def load(self, directory: Path | None = None) -> Loaded:
        """Load and check the images; DataError if they cannot be had."""

    def locate(self, directory: Path | None = None) -> str:
        """Say in words where `load` would find the images, without reading or downloading any of them."""


SOURCES: dict[str, Source] = {"mnist": mnist, "mnist5k": mnist5k, "digits8": digits8}


def load_dataset(name: str, *, dir: str | Path | None = None, validation: int = 0) -> Dataset:
    """Load a data set, checked against the known content.

    Args:
        name: one of SOURCES.
        dir: `data.dir`, a folder to take the images from; its meaning is the source's affair.
        validation: images held out of the training set, the same ones whatever the seed of the run.

    Raises:
        DataError: the data cannot be had; another data set is never put in its place.
    """
    source = _source(name)
    train, test, class_names, place = source.load(Path(dir) if dir is not None else None)
    train, held_out = hold_out(train, validation)
    fingerprint = fingerprint_of(train, held_out, test)
    return Dataset(name, source.TITLE, place, fingerprint, train, held_out, test, class_names)


def train_size(name: str, *, validation: int = 0) -> int:
    """How many images `load_dataset` would train on, without reading any; DataError as `load_dataset` raises it."""
    return remaining(_source(name).TRAIN_SIZE, validation)


def image_shape(name: str) -> tuple[int, int, int]:
    """Height, width and channels of the images, without reading any; DataError for a name that is not known."""
    return _source(name).IMAGE_SHAPE


def verify(
    name: str, *, dir: str | Path | None = None, validation: int = 0, train: Train | None = None
) -> str:
    """Say where `load_dataset` would find the data, and raise the DataError that it would, but download nothing.

    With the `train` section of a config, also the DataError of its sampler.

    What was downloaded, or will be, is checked when it is loaded: a damaged file is downloaded again.
    """
    place = locate(name, dir=dir)
    if not place.startswith(("the cache", "a download")):
        dataset = load_dataset(name, dir=dir, validation=validation)
        if train is not None:
            sampler_of(train, dataset)
    return place


def locate(name: str, *, dir: str | Path | None = None) -> str:
    """Say where `load_dataset` would find the data, without reading any; DataError if `name` or `dir` is wrong."""
    return _source(name).locate(Path(dir) if dir is not None else None)


def _source(name: str) -> Source:
    if name not in SOURCES:
        raise DataError(f"data.name is {name!r}, expected one of {', '.join(SOURCES)}")
    return SOURCES[name]
