"""The full MNIST: 60,000 training and 10,000 test images, wherever they may be.

The order of search: `data.dir`, the environment variable, the cache, a download. A folder that is
named is used or refused; it is never replaced by a download.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs

from centerloss_core.datasets.arrays import DataError, Loaded, Split, UInt8Array
from centerloss_core.datasets.download import MIRRORS, cached_path, download
from centerloss_core.datasets.folder import find_in_folder, read_folder
from centerloss_core.datasets.idx import read_idx
from centerloss_core.datasets.known_files import MNIST_FILES, TRAIN_IMAGES, KnownFile
from centerloss_core.files.paths import from_the_root

TITLE = "MNIST"
TRAIN_SIZE = TRAIN_IMAGES.shape[0]
IMAGE_SHAPE = (28, 28, 1)
DATA_DIR_VARIABLE = "CENTERLOSS_DATA_DIR"

_FOLDER = "set data.dir to a folder with the four MNIST files (gzipped or not) or Keras' mnist.npz"
_VARIABLE = f"set the environment variable {DATA_DIR_VARIABLE} to such a folder"
_PACKAGED = "set data.name to mnist5k: 5,000 digits that are already installed, no download"


@dataclass(frozen=True)
class Mnist:
    """The data set, and where it may be.

    Attributes:
        files: what is expected.
        mirrors: addresses to download from, in this order.
        cache: a folder; None for the user's own, where the platform keeps such things.
    """

    files: tuple[KnownFile, ...] = MNIST_FILES
    mirrors: Sequence[str] = MIRRORS
    cache: Path | None = None

    def load(self, directory: Path | None = None) -> Loaded:
        """Load MNIST from the first place in the order of search.

        Raises:
            DataError: lists every place tried with its reason; the solutions are its notes.
        """
        named = _named_folder(directory)
        try:
            if named is not None:
                arrays, source = read_folder(named[0], self.files), named[1]
            else:
                arrays, source = self._from_cache_or_mirrors()
        except DataError as error:
            tried = "\n".join(f"  - {line}" for line in str(error).splitlines())
            failure = DataError(f"MNIST could not be loaded. Tried:\n{tried}")
            # The variable is not looked at where data.dir is set.
            for way in ("Solutions:", _FOLDER, *([_VARIABLE] if directory is None else []), _PACKAGED):
                failure.add_note(way if way.endswith(":") else f"  - {way}")
            raise failure from error
        train, test = (Split(images, labels.astype(np.int64)) for images, labels in (arrays[:2], arrays[2:]))
        return Loaded(train, test, tuple("0123456789"), source)

    def locate(self, directory: Path | None = None) -> str:
        """Say where `load` would look, and if a folder that was named lacks files. Reads nothing."""
        named = _named_folder(directory)
        if named is not None:
            folder, place = named
            try:
                find_in_folder(folder, self.files)
            except DataError as error:
                return f"{place}, which cannot be used: {error}"
            return place
        cache = self._cache()
        if all(cached_path(cache, known).is_file() for known in self.files):
            return f"the cache {cache}"
        return f"a download from {', then '.join(self.mirrors)}"

    def _cache(self) -> Path:
        try:
            return self.cache or platformdirs.user_cache_path("centerloss")
        except RuntimeError as error:  # an account without a home directory
            raise DataError(
                f"there is no place for a cache ({error}): say where MNIST is with data.dir or "
                f"{DATA_DIR_VARIABLE}, or use data.name: mnist5k"
            ) from error

    def _from_cache_or_mirrors(self) -> tuple[list[UInt8Array], str]:
        """A damaged file in the cache counts as missing: the download replaces it."""
        cache = self._cache()
        source = f"the cache {cache}"
        present = [known for known in self.files if cached_path(cache, known).is_file()]
        lacking = len(self.files) - len(present)
        failures = [f"{source}: lacks {lacking} of {len(self.files)} files"] if lacking else []
        arrays: dict[KnownFile, UInt8Array] = {}
        for known in present:
            try:
                arrays[known] = read_idx(cached_path(cache, known), known)
            except DataError as error:
                failures.append(str(error))
        if missing := [known for known in self.files if known not in arrays]:
            try:
                arrays |= download(missing, cache, self.mirrors)
            except DataError as error:
                raise DataError("\n".join([*failures, str(error)])) from error
            source = f"a download, kept in {source}"
        return [arrays[known] for known in self.files], source


def _named_folder(directory: Path | None) -> tuple[Path, str] | None:
    """The folder that is named, also in words; None if none is."""
    for folder, why in ((directory, "data.dir"), (os.environ.get(DATA_DIR_VARIABLE), DATA_DIR_VARIABLE)):
        if folder:
            # os.path's expanduser keeps the name of an unknown user as text; that of Path raises an error.
            path = from_the_root(os.path.expanduser(folder))
            return path, f"the directory {path} ({why})"
    return None


load, locate = Mnist().load, Mnist().locate
