"""A known data set that comes as one archive: where it may be, and how it is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from centerloss_core.datasets.arrays import DataError
from centerloss_core.datasets.cache import FROM_CACHE, FROM_MIRRORS, user_cache
from centerloss_core.datasets.download import download_archive
from centerloss_core.datasets.own import found_at, place_of


@dataclass(frozen=True)
class Archive:
    """The archive.

    Attributes:
        title: the data set's plain name.
        name: of the file.
        url: where its authors offer it.
        md5: of the file, as they offer it.
        most: bytes that it may have.
        cache: a folder; None for the user's own.
    """

    title: str
    name: str
    url: str
    md5: str
    most: int
    cache: Path | None = None

    def find(self, directory: str | None, in_folder: Callable[[Path], Path | None]) -> tuple[Path, str]:
        """The folder or archive to read, and in words; it is downloaded where no `data.dir` is given.

        Args:
            directory: `data.dir`: a folder, or the archive.
            in_folder: finds in a folder the one to read, or None; this archive is looked for there too.

        Raises:
            DataError: it cannot be had; the solutions are its notes.
        """
        try:
            if directory is not None:
                path, source, _ = found_at(directory)
                if not path.is_dir():
                    return path, source
                place = in_folder(path) or path / self.name
                if not place.exists():
                    raise DataError(f"{path}: has neither the files of {self.title} nor {self.name}")
                return place, source
            kept = self._kept()
            if kept.is_file():
                return kept, f"{FROM_CACHE} {kept}"
            download_archive(self.url, kept, self.most, self.md5)
            return kept, f"a download, kept in {FROM_CACHE} {kept}"
        except DataError as error:
            error.add_note("Solutions:")
            error.add_note(
                f"  - download {self.url} and set data.dir to it, or to the folder where it was unpacked"
            )
            raise

    def place(self, directory: str | None) -> str:
        """Where `find` would look, in words."""
        if directory is not None:
            return place_of(directory)
        kept = self._kept()
        return f"{FROM_CACHE} {kept}" if kept.is_file() else f"{FROM_MIRRORS} {self.url}"

    def _kept(self) -> Path:
        return (self.cache or user_cache(f"say where {self.title} is with data.dir")) / self.name
