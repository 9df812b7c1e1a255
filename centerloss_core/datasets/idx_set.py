"""A known data set of four IDX files, wherever they may be.

The order of search: `data.dir`, the environment variable (for MNIST), the cache, a download. A folder that is
named is used or refused; it is never replaced by a download.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from centerloss_core.datasets.arrays import DataError, Loaded, Size, Split, UInt8Array
from centerloss_core.datasets.cache import FROM_CACHE, FROM_MIRRORS, cached_path, user_cache
from centerloss_core.datasets.download import download
from centerloss_core.datasets.idx import read_idx
from centerloss_core.datasets.idx_folder import find_in_folder, read_folder
from centerloss_core.datasets.known_files import KnownFile
from centerloss_core.files.paths import from_the_root

if TYPE_CHECKING:
    from centerloss_core.config import Data

DATA_DIR_VARIABLE = "CENTERLOSS_DATA_DIR"


@dataclass(frozen=True)
class IdxSet:
    """The data set, and where it may be.

    Attributes:
        title: its plain name.
        files: what is expected.
        mirrors: addresses to download from, in this order.
        class_names: by label.
        torchvision: the folder that torchvision keeps it in.
        npz: the archive that Keras keeps it in; None where that is not read.
        variable: of the environment, which may name its folder too.
        in_place_of_it: one more way out, where it cannot be had.
        cache: a folder; None for the user's own, where the platform keeps such things.
        cache_folder: its own folder in there.
    """

    title: str
    files: tuple[KnownFile, ...]
    mirrors: Sequence[str]
    class_names: tuple[str, ...]
    torchvision: str
    npz: str | None = None
    variable: str | None = None
    in_place_of_it: str | None = None
    cache: Path | None = None
    cache_folder: str = ""

    def load(self, data: Data) -> Loaded:
        """See `load_from`."""
        return self.load_from(data.dir)

    def locate(self, data: Data) -> str:
        """See `place_of`."""
        return self.place_of(data.dir)

    def size(self, data: Data | None = None) -> Size:
        """How many images there are to train on, and their shape."""
        count, height, width = self.files[0].shape
        return Size(count, (height, width, 1))

    def load_from(self, directory: str | Path | None = None) -> Loaded:
        """Load it from the first place in the order of search.

        Raises:
            DataError: lists every place tried with its reason; the solutions are its notes.
        """
        named = self._named_folder(directory)
        try:
            if named is not None:
                arrays, source = read_folder(named[0], self.files, self.torchvision, self.npz), named[1]
            else:
                arrays, source = self._from_cache_or_mirrors()
            if max(arrays[1].max(), arrays[3].max()) >= len(self.class_names):
                raise DataError(f"{source}: its labels are not 0 … {len(self.class_names) - 1}")
        except DataError as error:
            tried = "\n".join(f"  - {line}" for line in str(error).splitlines())
            failure = DataError(f"{self.title} could not be loaded. Tried:\n{tried}")
            archive = f" or Keras' {self.npz}" if self.npz else ""
            failure.add_note("Solutions:")
            failure.add_note(
                f"  - set data.dir to a folder with the four {self.title} files (gzipped or not){archive}"
            )
            if self.variable and directory is None:  # it is not looked at where data.dir is set
                failure.add_note(f"  - set the environment variable {self.variable} to such a folder")
            failure.add_note("  - for other images in files of this format set data.name to idx")
            if self.in_place_of_it:
                failure.add_note(f"  - {self.in_place_of_it}")
            raise failure from error
        train, test = (Split(images, labels.astype(np.int64)) for images, labels in (arrays[:2], arrays[2:]))
        return Loaded(train, test, self.class_names, source, self.title)

    def place_of(self, directory: str | Path | None = None) -> str:
        """Say where `load_from` would look, and if a folder that was named lacks files. Reads nothing."""
        named = self._named_folder(directory)
        if named is not None:
            folder, place = named
            try:
                find_in_folder(folder, self.files, self.torchvision, self.npz)
            except DataError as error:
                return f"{place}, which cannot be used: {error}"
            return place
        cache = self._cache()
        if all(cached_path(cache, known).is_file() for known in self.files):
            return f"{FROM_CACHE} {cache}"
        return f"{FROM_MIRRORS} {', then '.join(self.mirrors)}"

    def _cache(self) -> Path:
        ways = ["data.dir", *([self.variable] if self.variable else [])]
        return (
            self.cache
            or user_cache(f"say where {self.title} is with {' or '.join(ways)}") / self.cache_folder
        )

    def _from_cache_or_mirrors(self) -> tuple[list[UInt8Array], str]:
        """A damaged file in the cache counts as missing: the download replaces it."""
        cache = self._cache()
        source = f"{FROM_CACHE} {cache}"
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

    def _named_folder(self, directory: str | Path | None) -> tuple[Path, str] | None:
        """The folder that is named, also in words; None if none is."""
        variable = os.environ.get(self.variable) if self.variable else None
        for folder, why in ((directory, "data.dir"), (variable, self.variable)):
            if folder:
                # os.path's expanduser keeps the name of an unknown user as text; that of Path raises an error.
                path = from_the_root(os.path.expanduser(folder))
                return path, f"the directory {path} ({why})"
        return None
