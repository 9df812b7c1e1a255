"""What a data set's file must offer: a title, a loader, and a word on where the images come from."""

from pathlib import Path
from typing import NamedTuple, Protocol

from centerloss_core.datasets.arrays import Split
from centerloss_core.datasets.errors import DataError


class Loaded(NamedTuple):
    """Two splits, the names of the classes in the order of the labels, and where the images were found, in words."""

    train: Split
    test: Split
    class_names: tuple[str, ...]
    source: str


class Source(Protocol):
    """A module of this package. `directory` is `data.dir`; a source that has no use for it refuses it."""

    TITLE: str

    def load(self, directory: Path | None = None) -> Loaded:
        """Load and check the images; DataError if they cannot be had."""

    def locate(self, directory: Path | None = None) -> str:
        """Say in words where `load` would find the images, without reading or downloading any of them."""


def refuse_folder(directory: Path | None, name: str, package: str) -> None:
    """Raise DataError if a folder is given for images that come with a package."""
    if directory is not None:
        raise DataError(
            f"data.dir is {directory}, but {name} comes with {package}: leave data.dir out, or use mnist"
        )
