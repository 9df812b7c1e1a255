"""What all images of one's own have in common: classes from their names, splits, order, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from centerloss_core.datasets.arrays import DataError, Loaded, Split
from centerloss_core.datasets.holdout import balanced_order
from centerloss_core.datasets.stored import Images
from centerloss_core.files.paths import from_the_root
from centerloss_core.limits import CLASS_NAME, CLASSES

_NUMBER = re.compile("0|[1-9][0-9]{0,8}")
_MEANT = {".npz": "npz", ".csv": "csv", ".zip": "folder"}  # data.name by the end of a file's name
_FEW = 5  # names that an error lists


@dataclass(frozen=True)
class Part:
    """The images of one split as a source has them.

    Attributes:
        place: the file or folder, for errors.
        images: uint8 (n, h, w) or (n, h, w, c).
        labels: (n,), text or whole numbers.
        names: of their files; None where they have none.
    """

    place: str
    images: Images
    labels: npt.NDArray[Any]
    names: npt.NDArray[np.str_] | None = None


def divide(
    train: Part,
    test: Part | None,
    validation: Part | None = None,
    *,
    test_fraction: float | None,
    source: str,
    title: str,
    warnings: Sequence[str] = (),
    keeps_order: bool = False,
) -> Loaded:
    """Make a data set of what a source has read.

    Training images are put in the order of `balanced_order`, so that the same images from a folder, a zip file, an
    .npz file and a table give the same run. Test images keep their order, unless they are taken from those.

    Args:
        train, test, validation: what was read. Without `test`, `test_fraction` of `train` is tested on: each class in
            proportion, the same images for every seed and machine.
        test_fraction: None where there are test images.
        source: where the images were found, in words.
        title: for figures and tables.
        warnings: of the source.
        keeps_order: leave training images in their order too.

    Raises:
        DataError: with the file, what is wrong, and the mend.
    """
    parts = [part for part in (train, test, validation) if part is not None]
    for part in parts:
        if not len(part.labels):
            raise DataError(f"{part.place}: holds no images")
    names, labels = _classes(parts)
    splits = [Split(part.images, each, part.names) for part, each in zip(parts, labels, strict=True)]
    whole, *others = replace(splits[0], part="train"), *splits[1:]
    for part, split in zip(parts, splits, strict=True):
        if split.images.shape[1:] != whole.images.shape[1:]:
            theirs, ours = ("×".join(map(str, each.images.shape[1:])) for each in (split, whole))
            raise DataError(
                f"{part.place}: its images are {theirs}, and those to train on {ours}: give all one shape"
            )
    if test is None and test_fraction is None:
        raise DataError(
            f"{train.place}: has no images to test on: set data.test_fraction, such as 0.2, to take them from these"
        )
    if test is not None and test_fraction is not None:
        raise DataError(f"{test.place}: these are the images to test on: leave data.test_fraction out")
    order = np.arange(len(whole)) if keeps_order else balanced_order(whole)
    if test_fraction is not None:
        size = round(test_fraction * len(whole))
        if not 0 < size < len(whole):
            raise DataError(
                f"{train.place}: data.test_fraction {test_fraction:g} of {len(whole):,} images leaves none to "
                f"{'train' if size else 'test'} on"
            )
        others.insert(0, whole.take(order[:size]))
        order = order[size:]
    whole = whole.take(order)
    tested, *validated = others
    counts, tests = (np.bincount(each.labels, minlength=len(names)) for each in (whole, tested))
    if not counts.all():
        lacking = listed([name for name, count in zip(names, counts, strict=True) if not count])
        others_have_it = f"take the class out of {' and '.join(part.place for part in parts[1:])}"
        raise DataError(
            f"{train.place}: has no image to train on of class {lacking}: add some, or "
            + (others_have_it if parts[1:] else "lower data.test_fraction")
        )
    notes = list(warnings)
    if not tests.all():
        lacking = listed([name for name, count in zip(names, tests, strict=True) if not count])
        notes.append(f"no image to test on of class {lacking}")
    return Loaded(whole, tested, names, source, title, next(iter(validated), None), tuple(notes))


def listed(names: Sequence[str]) -> str:
    """Some names, and how many there are beside them."""
    rest = len(names) - _FEW
    return ", ".join(names[:_FEW]) + (f" and {rest:,} more" if rest > 0 else "")


def reason_of(error: Exception) -> str:
    """What is wrong, without the number and the path that an operating system puts beside it."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def found_at(directory: str, name: str | None = None) -> tuple[Path, str, str]:
    """`data.dir` as a path, in words, and as the title of the data set; `name`: `data.name` of one's own images.

    Raises:
        DataError: there is nothing, or by its name it is meant for another `data.name`.
    """
    path = from_the_root(directory)
    try:
        kind = "folder" if path.is_dir() else "file"
        if kind == "file":
            path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({reason_of(error)}): set data.dir") from error
    meant = _MEANT.get(path.suffix.lower()) if kind == "file" else None
    if name is not None and meant not in (None, name):
        raise DataError(f"{path}: is a {path.suffix} file, and data.name is {name}: set data.name={meant}")
    return path, f"the {kind} {path} (data.dir)", path.name.partition(".")[0] or path.name


def place_of(directory: str, name: str | None = None) -> str:
    """`data.dir` in words, with what is wrong with it."""
    try:
        return found_at(directory, name)[1]
    except DataError as error:
        return f"{directory} (data.dir), which cannot be used: {error}"


def _classes(parts: Sequence[Part]) -> tuple[tuple[str, ...], list[npt.NDArray[np.int64]]]:
    """The names of the classes, sorted (numbers by their value), and the labels of each part."""
    found: list[list[str]] = []
    places = []
    for part in parts:
        unique, inverse = np.unique(part.labels, return_inverse=True)
        found.append([str(each) for each in unique])
        places.append(inverse)
    every = sorted({name for names in found for name in names})
    for name in every:
        if not name or not name.isprintable() or len(name) > CLASS_NAME:
            raise DataError(
                f"{parts[0].place}: the class {name[:CLASS_NAME]!r} needs another name: "
                f"1 to {CLASS_NAME} characters that can be printed"
            )
    if len(every) < 2:
        raise DataError(
            f"{parts[0].place}: has one class, {every[0]}; to learn what tells classes apart takes two"
        )
    if len(every) > CLASSES:
        raise DataError(f"{parts[0].place}: has {len(every):,} classes; at most {CLASSES:,} can be compared")
    if all(map(_NUMBER.fullmatch, every)):
        every.sort(key=int)
    number = {name: label for label, name in enumerate(every)}
    labels = [
        np.array([number[name] for name in names], np.int64)[inverse]
        for names, inverse in zip(found, places, strict=True)
    ]
    return tuple(every), labels
