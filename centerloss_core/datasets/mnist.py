"""The full MNIST: 60,000 training and 10,000 test images, wherever they may be.

The order of search: `data.dir`, the environment variable, the cache, a download. A folder that is
named is used or refused; it is never replaced by a download.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import platformdirs

from centerloss_core.datasets.arrays import Split, UInt8Array
from centerloss_core.datasets.download import MIRRORS, cached_path, download
from centerloss_core.datasets.errors import DataError
from centerloss_core.datasets.folder import find_in_folder, read_folder
from centerloss_core.datasets.idx import read_idx
from centerloss_core.datasets.known_files import MNIST_FILES, KnownFile
from centerloss_core.datasets.source import Loaded

TITLE = "MNIST"
DATA_DIR_VARIABLE = "CENTERLOSS_DATA_DIR"

_SOLUTIONS = f"""Three solutions:
  - set data.dir to a folder with the four MNIST files (gzipped or not) or Keras' mnist.npz
  - set the environment variable {DATA_DIR_VARIABLE} to such a folder
  - set data.name to mnist5k: 5,000 digits that are already installed, no download"""


def load(
    directory: Path | None = None,
    *,
    files: tuple[KnownFile, ...] = MNIST_FILES,
    mirrors: Sequence[str] = MIRRORS,
    cache: Path | None = None,
) -> Loaded:
    """Load MNIST from the first place in the order of search; `files`, `mirrors` and `cache` can be replaced for tests.

    Raises:
        DataError: lists every place tried with its reason, and the solutions.
    """
    named = _named_folder(directory)
    try:
        if named is not None:
            arrays, source = read_folder(named[0], files), named[1]
        else:
            arrays, source = _from_cache_or_mirrors(files, cache or default_cache(), mirrors)
    except DataError as error:
        tried = "\n".join(f"  - {line}" for line in str(error).splitlines())
        raise DataError(f"MNIST could not be loaded. Tried:\n{tried}\n{_SOLUTIONS}") from error
    train_images, train_labels, test_images, test_labels = arrays
    train = Split(train_images, train_labels.astype(np.int64))
    test = Split(test_images, test_labels.astype(np.int64))
    return Loaded(train, test, tuple("0123456789"), source)


def locate(
    directory: Path | None = None,
    *,
    files: tuple[KnownFile, ...] = MNIST_FILES,
    mirrors: Sequence[str] = MIRRORS,
    cache: Path | None = None,
) -> str:
    """Say where `load` would look, and if a folder that was named lacks files. Reads nothing."""
    named = _named_folder(directory)
    if named is not None:
        folder, place = named
        try:
            find_in_folder(folder, files)
        except DataError as error:
            return f"{place}, which cannot be used: {error}"
        return place
    cache = cache or default_cache()
    if all(cached_path(cache, known).is_file() for known in files):
        return f"the cache {cache}"
    return f"a download from {', then '.join(mirrors)}"


def default_cache() -> Path:
    """The user's cache folder, where the platform keeps such things."""
    try:
        return platformdirs.user_cache_path("centerloss")
    except RuntimeError as error:  # an account without a home directory
        raise DataError(
            f"there is no place for a cache ({error}): say where MNIST is with data.dir or {DATA_DIR_VARIABLE}, "
            "or use data.name: mnist5k"
        ) from error


def _named_folder(directory: Path | None) -> tuple[Path, str] | None:
    """The folder that is named, also in words; None if none is."""
    for folder, why in ((directory, "data.dir"), (os.environ.get(DATA_DIR_VARIABLE), DATA_DIR_VARIABLE)):
        if folder:
            # os.path's expanduser keeps the name of an unknown user as text; that of Path raises an error.
            path = Path(os.path.expanduser(folder))
            return path, f"the directory {path} ({why})"
    return None


def _from_cache_or_mirrors(
    files: tuple[KnownFile, ...], cache: Path, mirrors: Sequence[str]
) -> tuple[list[UInt8Array], str]:
    arrays, failures = _read_cache(files, cache)
    missing = [known for known in files if known not in arrays]
    source = f"the cache {cache}"
    if missing:
        try:
            arrays |= download(missing, cache, mirrors)
        except DataError as error:
            raise DataError("\n".join([*failures, str(error)])) from error
        source = f"a download, kept in {source}"
    return [arrays[known] for known in files], source


def _read_cache(files: tuple[KnownFile, ...], cache: Path) -> tuple[dict[KnownFile, UInt8Array], list[str]]:
    """Read what the cache has. A damaged file counts as missing: the download replaces it."""
    present = [known for known in files if cached_path(cache, known).is_file()]
    lacking = len(files) - len(present)
    failures = [f"the cache {cache}: lacks {lacking} of {len(files)} files"] if lacking else []
    arrays: dict[KnownFile, UInt8Array] = {}
    for known in present:
        try:
            arrays[known] = read_idx(cached_path(cache, known), known)
        except DataError as error:
            failures.append(str(error))
    return arrays, failures
