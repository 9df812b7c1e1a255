"""Own images in IDX, the format of MNIST: any four files, gzipped or not, also in a folder of torchvision.

They are found by their names: `train…images…idx3…`, `train…labels…idx1…`, and `t10k` or `test` likewise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from centerloss_core.datasets import own
from centerloss_core.datasets.arrays import DataError, Loaded, Size
from centerloss_core.datasets.idx import read_any_idx

if TYPE_CHECKING:
    from centerloss_core.config.data import Idx


def load(data: Idx) -> Loaded:
    """Read all images. They keep their order, as those of MNIST do, so that MNIST's own files give the run of `mnist`.

    Raises:
        DataError: with the file, what is wrong, and the mend.
    """
    path, source, title = own.found_at(data.dir, data.name)
    files = find_four(path)
    train, test = (read_pair(*files[place : place + 2]) for place in (0, 2))
    return own.divide(train, test, test_fraction=None, source=source, title=title, keeps_order=True)


def locate(data: Idx) -> str:
    """Say where the images are looked for."""
    return own.place_of(data.dir, data.name)


def size(data: Idx) -> Size | None:
    """Only the images tell."""
    return None


def find_four(folder: Path, prefix: str = "") -> list[Path]:
    """The files of training images and labels, test images and labels, whose names begin with `prefix`.

    Raises:
        DataError: there are not four.
    """
    try:
        there = sorted(
            path for place in (folder, folder / "raw") if place.is_dir() for path in place.iterdir()
        )
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror or error})") from error
    paths = {path.name: path for path in there}
    return [paths[name] for name in four_of(list(paths), prefix, folder)]


def four_of(names: Sequence[str], prefix: str, place: Path) -> list[str]:
    """Of these names, the four that `find_four` means; DataError, which names the place, if there are not four."""
    four: list[str] = []
    for split in ("train", "(t10k|test)"):
        for kind, rank in (("images", 3), ("labels", 1)):
            pattern = re.compile(rf"{prefix}(.*\W)?{split}\W{kind}\Widx{rank}(\W.*)?", re.IGNORECASE)
            # Of a file that is there gzipped too, one is as good as the other.
            found = {name.removesuffix(".gz"): name for name in names if pattern.fullmatch(name)}
            meant = f"{prefix}{split.strip('()').replace('|', ' or ')}-{kind}-idx{rank}-ubyte"
            if not found:
                raise DataError(f"{place}: lacks {meant} (with or without .gz)")
            if len(found) > 1:
                raise DataError(
                    f"{place}: {own.listed(sorted(found))} are several files for {meant}: keep one"
                )
            four += found.values()
    return four


def read_pair(images: Path, labels: Path) -> own.Part:
    """Images and their labels; DataError if they do not belong together."""
    pixels, classes = read_any_idx(images, rank=3), read_any_idx(labels, rank=1)
    if len(pixels) != len(classes):
        raise DataError(f"{images}: holds {len(pixels):,} images, and {labels.name} {len(classes):,} labels")
    return own.Part(str(images), pixels, classes)
