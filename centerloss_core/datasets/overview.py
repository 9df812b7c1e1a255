"""What is in a data set: counts, and a picture of some of its images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from centerloss_core.config.problems import shortened
from centerloss_core.datasets.arrays import UNKNOWN, Dataset, Split, UInt8Array
from centerloss_core.datasets.contact_sheet import DARK, contact_sheet, median
from centerloss_core.datasets.stored import Images, blocks_of, images_at
from centerloss_core.limits import SHEET_CLASSES, SHEET_COLUMNS, SHEET_TILE

if TYPE_CHECKING:
    from PIL.Image import Image

_PAPER, _INK = "white", "black"
_LETTERS, _AIR, _LONGEST_NAME = 15, 8, 24  # pixels, pixels, characters


def splits_of(dataset: Dataset) -> dict[str, Split]:
    """The splits that there are, by name."""
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return {name: split for name, split in splits.items() if split is not None}


def counts(dataset: Dataset) -> dict[str, npt.NDArray[np.intp]]:
    """Images of each known class, (k,), by split."""
    return {
        name: np.bincount(split.labels[split.labels != UNKNOWN], minlength=dataset.num_classes)
        for name, split in splits_of(dataset).items()
    }


def mean_image(images: Images) -> UInt8Array:
    """The mean of images (n, h, w, c), rounded: (h, w, c)."""
    total = np.zeros(images.shape[1:], np.float64)
    for block in blocks_of(images):
        total += block.sum(axis=0, dtype=np.float64)
    return np.rint(total / len(images)).astype(np.uint8)


def brightness(split: Split) -> tuple[float, float]:
    """Mean and standard deviation of all pixels, 0 … 255."""
    found = np.zeros(256, np.int64)
    for block in blocks_of(split.images):
        found += np.bincount(block.ravel(), minlength=256)
    values = np.arange(256)
    mean = float(np.average(values, weights=found))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=found)))


def sheet(split: Split, class_names: Sequence[str], unknown: Split | None = None) -> Image:
    """A picture: the mean of all images, then a row for each class: its name, its mean, then some of its images.

    The last row has the mean of the images of `unknown` that are of unknown classes, then some from all over them.
    Only the first `SHEET_CLASSES` classes are shown. Small images are enlarged by a whole number.
    """
    images, names = split.images, class_names[:SHEET_CLASSES]
    blank = np.full(images.shape[1:], 0 if median(images_at(images, slice(1000))) < DARK else 255, np.uint8)
    tiles = [mean_image(images), *[blank] * (SHEET_COLUMNS - 1)]
    for label in range(len(names)):
        members = np.flatnonzero(split.labels == label)
        shown = [mean_image(images_at(images, members)), *images[members[: SHEET_COLUMNS - 1]]]
        tiles += [*shown, *[blank] * (SHEET_COLUMNS - len(shown))]
    others = np.flatnonzero([] if unknown is None else unknown.labels == UNKNOWN)
    if unknown is not None and len(others):
        some = others[np.linspace(0, len(others) - 1, min(len(others), SHEET_COLUMNS - 1)).astype(np.intp)]
        shown = [mean_image(images_at(unknown.images, others)), *unknown.images[some]]
        tiles += [*shown, *[blank] * (SHEET_COLUMNS - len(shown))]
        names = (*names, "unknown")
    picture = contact_sheet(np.stack(tiles), SHEET_COLUMNS, longest_side=SHEET_TILE)
    times = max(1, SHEET_TILE // max(images.shape[1:3]))
    enlarged = picture.resize(
        (times * picture.width, times * picture.height), resample=0
    )  # each pixel a square
    return _beside_names(enlarged, ["mean of all", *names])


def _beside_names(picture: Image, names: Sequence[str]) -> Image:
    """Write a name on the left of each row of a picture."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    row = picture.height // len(names)
    # Its font has Greek and Cyrillic letters too, and is always there.
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(path, min(_LETTERS, row))
    shown = [shortened(name, _LONGEST_NAME) for name in names]
    room = 2 * _AIR + math.ceil(max(font.getlength(name) for name in shown))
    whole = Image.new(picture.mode, (room + picture.width, picture.height), _PAPER)
    whole.paste(picture, (room, 0))
    pen = ImageDraw.Draw(whole)
    for place, name in enumerate(shown):
        pen.text((room - _AIR, (place + 0.5) * row), name, fill=_INK, font=font, anchor="rm")
    return whole
