"""One function to load any data set, and one to say where it would come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from centerloss_core.datasets import (
    array_file,
    cifar,
    digits8,
    emnist,
    fashion_mnist,
    idx_files,
    image_folder,
    kmnist,
    mnist,
    mnist5k,
    open_set,
    pixel_table,
)
from centerloss_core.datasets.arrays import (
    UNKNOWN,
    DataError,
    Dataset,
    Loaded,
    Size,
    fingerprint_of,
    shape_of,
)
from centerloss_core.datasets.cache import FROM_CACHE, FROM_MIRRORS
from centerloss_core.datasets.cautions import cautions
from centerloss_core.datasets.exclusion import Exclusion, numbered
from centerloss_core.datasets.holdout import hold_out, remaining
from centerloss_core.datasets.image_cache import Tell, telling

if TYPE_CHECKING:
    from centerloss_core.config import Data


class Source(Protocol):
    """Where a data set comes from; a module of this package, or an object in one. `data` is the section of a config."""

    def load(self, data: Any) -> Loaded:
        """Load and check the images; DataError if they cannot be had."""

    def locate(self, data: Any) -> str:
        """Say in words where `load` would find the images, without reading or downloading any of them."""

    def size(self, data: Any) -> Size | None:
        """What is known of the images without reading any; None where they have to be read for that."""


SOURCES: dict[str, Source] = {
    "mnist": mnist.MNIST,
    "mnist5k": mnist5k.TABLE,
    "digits8": digits8.TABLE,
    "fashion_mnist": fashion_mnist.FASHION_MNIST,
    "kmnist": kmnist.KMNIST,
    "emnist": emnist,
    "cifar10": cifar.CIFAR10,
    "cifar100": cifar.CIFAR100,
    "folder": image_folder,
    "npz": array_file,
    "csv": pixel_table,
    "idx": idx_files,
}

# Of what was loaded by this process: before images are held out or left out, and after.
_sizes: dict[Data, Size] = {}
_trained_on: dict[Data, int] = {}


def load_dataset(data: str | Data, *, tell: Tell | None = None, **settings: Any) -> Dataset:
    """Load a data set, checked against the known content where it is known.

    Args:
        data: the section `data` of a config, or the name in it.
        tell: called with one line before images are decoded into the cache; None: it goes to standard error.
        settings: the others of that section, beside a name: `dir`, `validation` (images held out of the training set,
            the same ones whatever the seed of the run), and those of the name.

    Raises:
        DataError: the data cannot be had; another data set is never put in its place.
    """
    section = _section(data, settings)
    with telling(tell):
        whole = found = SOURCES[section.name].load(section)
    of_unknown = None
    if section.known is not None or section.unknown is not None:
        found, of_unknown = open_set.divide(found, section, _unknown_images(section, shape_of(found.test)))
    if found.validation is not None and section.validation:
        raise DataError(
            f"data.validation holds {section.validation} training images out, and {found.source} has validation "
            "images of its own: leave data.validation out"
        )
    train, held_out = hold_out(numbered(found.train, "train"), section.validation)
    if found.validation is not None:
        held_out = numbered(found.validation, "validation")
    test, excluded = numbered(found.test, "test"), None
    if section.exclude is not None:
        left_out = Exclusion.read(Path(section.exclude))
        train, held_out, test, excluded = left_out.applied(train, held_out, test, found, whole)
    if of_unknown is not None:
        of_unknown = of_unknown._replace(images=int((test.labels == UNKNOWN).sum()))
    fingerprint = fingerprint_of(train, held_out, test)
    _sizes[section] = Size(len(found.train), shape_of(found.train))
    _trained_on[section] = len(train)
    return Dataset(
        section.name,
        found.title,
        found.source,
        fingerprint,
        train,
        held_out,
        test,
        found.class_names,
        (*found.warnings, *cautions(section, train, held_out, test)),
        excluded,
        of_unknown,
    )


def _unknown_images(data: Data, shape: tuple[int, int, int]) -> open_set.UnknownImages | None:
    """The images of unknown classes that come from elsewhere; None for those of the data set itself."""
    source = data.unknown_elsewhere
    if source is None:
        return None
    if isinstance(source, str):
        return open_set.images_in_folder(source, shape)
    settings = {key: getattr(source, key) for key in ("dir", "split") if getattr(source, key) is not None}
    try:
        found = load_dataset(source.name, **settings)
    except DataError as error:
        raise DataError(f"data.unknown: {error}") from error
    return open_set.UnknownImages(found.test, found.class_names, f"{found.title}, {found.source}")


def train_size(data: str | Data, **settings: Any) -> int:
    """How many images `load_dataset` would train on; DataError as it raises it.

    They are read for that, once, where only they tell, as with `exclude`.
    """
    section = _section(data, settings)
    known = None if section.exclude is not None else known_size(section)
    if known is not None:
        return remaining(known.train, section.validation)
    if section not in _trained_on:
        load_dataset(section)
    return _trained_on[section]


def train_size_if_here(data: Data) -> int | None:
    """As `train_size`, but None where the images must be read for that and have yet to be downloaded."""
    is_told = data in _trained_on or (data.exclude is None and known_size(data) is not None)
    return None if not is_told and locate(data).startswith(FROM_MIRRORS) else train_size(data)


def known_size(data: str | Data, **settings: Any) -> Size | None:
    """How many images there are to train on, before some are held or left out, and their shape; None: reading tells."""
    section = _section(data, settings)
    known = SOURCES[section.name].size(section) if section.known is None else None
    return known or _sizes.get(section)


def verify(data: str | Data, **settings: Any) -> tuple[str, Dataset | None]:
    """Say where `load_dataset` would find the data, and raise the DataError that it would, but download nothing.

    What was downloaded, or will be, is checked when it is loaded: a damaged file is downloaded again.

    Returns:
        The place, and the data set where it was loaded for that.
    """
    section = _section(data, settings)
    place = locate(section)
    is_kept = place.startswith((FROM_CACHE, FROM_MIRRORS))
    return place, None if is_kept else load_dataset(section)


def locate(data: str | Data, **settings: Any) -> str:
    """Say where `load_dataset` would find the data, without reading any; DataError if a setting is wrong."""
    section = _section(data, settings)
    return SOURCES[section.name].locate(section)


def _section(data: str | Data, settings: dict[str, Any]) -> Data:
    """The section `data` of a config that has this name and these settings."""
    if not isinstance(data, str):
        return data
    from pydantic import TypeAdapter, ValidationError

    from centerloss_core.config.data import AnyData

    if data not in SOURCES:
        raise DataError(f"data.name is {data!r}, expected one of {', '.join(SOURCES)}")
    given = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
    try:
        section: Data = TypeAdapter(AnyData).validate_python({"name": data, **given})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise DataError(f"data.{'.'.join(map(str, first['loc'][1:])) or 'dir'}: {first['msg']}") from error
    return section
