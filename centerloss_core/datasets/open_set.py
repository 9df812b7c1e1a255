"""Known and unknown classes: which images are learnt from, and which unknown ones the test split has beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from centerloss_core.config.problems import nearest, shown
from centerloss_core.datasets import own
from centerloss_core.datasets.arrays import UNKNOWN, DataError, Loaded, OpenSet, Split, shape_of
from centerloss_core.datasets.contact_sheet import DARK, median
from centerloss_core.datasets.decoding import decode_all
from centerloss_core.datasets.image_files import files_below
from centerloss_core.datasets.images import SUFFIXES
from centerloss_core.datasets.stored import StoredImages, images_at

if TYPE_CHECKING:
    from centerloss_core.config import Data
    from centerloss_core.config.unknown import ClassLabel


class UnknownImages(NamedTuple):
    """Images of classes that are not learnt.

    Attributes:
        split: the images, labelled by `class_names`.
        class_names: of their own data set.
        source: where they were found, in words.
    """

    split: Split
    class_names: tuple[str, ...]
    source: str


def divide(found: Loaded, data: Data, others: UnknownImages | None) -> tuple[Loaded, OpenSet]:
    """A data set with the known classes alone, and with unknown images in its test split.

    Args:
        found: the whole data set.
        data: the section of the config; `known` or `unknown` is given.
        others: images of unknown classes from elsewhere; None for those of the other classes of the set itself.

    Raises:
        DataError: a class is not there, is named twice, or leaves nothing; `others` have another shape.
    """
    names = found.class_names
    known = numbers_of(data.known, names) if data.known is not None else list(range(len(names)))
    if others is None and len(known) == len(names):
        raise DataError(
            f"data.known names all {len(names)} classes of {found.title}, so that none is unknown: leave one out, or "
            "name another data set or a folder in data.unknown"
        )
    number = np.full(len(names), UNKNOWN, np.int64)
    number[known] = np.arange(len(known))

    def relabelled(split: Split) -> Split:
        return replace(split, labels=number[split.labels], original_labels=split.labels)

    def known_alone(split: Split) -> Split:
        kept = number[split.labels] != UNKNOWN
        return relabelled(split if kept.all() else split.take(np.flatnonzero(kept)))

    test = relabelled(found.test) if others is None else _joined(known_alone(found.test), others, found)
    unknown = int((test.labels == UNKNOWN).sum())
    if not unknown:
        raise DataError(f"{found.source}: has no test image of a class that data.known leaves out")
    if unknown == len(test):
        raise DataError(f"{found.source}: has no test image of a class that data.known names")
    validation = None if found.validation is None else known_alone(found.validation)
    learnt = found._replace(
        train=known_alone(found.train),
        validation=validation if validation is not None and len(validation) else None,
        test=test,
        class_names=tuple(names[label] for label in known),
    )
    if others is not None and _is_dark(found.test) != _is_dark(others.split):
        words = ("dark", "bright") if _is_dark(found.test) else ("bright", "dark")
        note = f"data.unknown: known images have a {words[0]} background and unknown ones a {words[1]} one, which alone"
        learnt = learnt._replace(warnings=(*learnt.warnings, f"{note} tells them apart"))
    if others is None:
        return learnt, OpenSet(f"the other classes of {found.title}, {found.source}", unknown, names)
    return learnt, OpenSet(others.source, unknown, (*names, *others.class_names))


def numbers_of(classes: Sequence[ClassLabel], names: Sequence[str]) -> list[int]:
    """The numbers of classes that are given by number or name.

    A name comes first: of folders `1`, `2` and `3`, 1 is the folder `1`. Numbers count from 0 where no class has a
    number for a name.

    Raises:
        DataError: with the nearest class.
    """
    by_name = {name: label for label, name in enumerate(names)}
    has_numbers = any(name.isdecimal() for name in names)
    numbers: list[int] = []
    for each in classes:
        label = by_name.get(str(each))
        if label is None and isinstance(each, int) and not has_numbers and each < len(names):
            label = each
        if label is None:
            meant = nearest(str(each), [name.lower() for name in names])
            close = next((name for name in names if meant is not None and name.lower() == meant), None)
            hint = f"; did you mean {close}?" if close else "."
            numbered = "" if has_numbers else f", or 0 … {len(names) - 1}"
            raise DataError(
                f"data.known: there is no class {shown(each)}{hint} The classes are {own.listed(names)}{numbered}"
            )
        if label in numbers:
            raise DataError(f"data.known: the class {names[label]} is there twice, once as {shown(each)}")
        numbers.append(label)
    return numbers


def images_in_folder(folder: str, shape: tuple[int, int, int]) -> UnknownImages:
    """All images in a folder or zip file, stretched to (height, width, channels); a class for each of its folders.

    Raises:
        DataError: there are none, or one cannot be read.
    """
    from centerloss_core.config.data import ImageFolder
    from centerloss_core.config.unknown import REST, SET_NAMES

    try:
        path, source, title = own.found_at(folder)
    except DataError as error:
        meant = nearest(folder.rpartition("/")[2], [REST, *SET_NAMES])
        hint = (
            f"did you mean {meant}?" if meant else f"it may also be {REST}, or one of {', '.join(SET_NAMES)}"
        )
        raise DataError(f"data.unknown: there is no folder {folder}; {hint}") from error
    height, width, channels = shape
    look = ImageFolder.model_construct(
        dir=folder, size=(height, width), color="grey" if channels == 1 else "rgb", skip_broken=False
    )
    with files_below(path) as found:
        files = sorted(
            (each for each in found if each.read is not None and each.name.lower().endswith(SUFFIXES)),
            key=lambda each: each.parts,
        )
        if not files:
            raise DataError(f"data.unknown: {path}: holds no images")
        images = np.stack([image for image in decode_all(path, files, look) if image is not None])
    classes = [each.parts[-2] if len(each.parts) > 1 else title for each in files]
    names, labels = np.unique(np.array(classes), return_inverse=True)
    split = Split(images, labels.astype(np.int64), np.array([each.name for each in files]))
    return UnknownImages(split, tuple(map(str, names)), source.replace("(data.dir)", "(data.unknown)"))


def _is_dark(split: Split) -> bool:
    return median(images_at(split.images, slice(1000))) < DARK


def _joined(known: Split, others: UnknownImages, found: Loaded) -> Split:
    """The known test images, then the others; their original classes and their numbers count on from those found."""
    split = others.split
    if shape_of(split) != shape_of(known):
        theirs, ours = ("×".join(map(str, shape_of(each))) for each in (split, known))
        raise DataError(
            f"data.unknown: images of {others.source} are {theirs}, and those of the known classes {ours}: take a data "
            "set of that shape, or a folder of images, which are stretched to it"
        )
    if isinstance(known.images, StoredImages) or isinstance(split.images, StoredImages):
        raise DataError(
            "data.unknown: images of another source cannot stand beside images that memory does not hold: raise "
            "data.memory, or write data.unknown: rest"
        )
    assert known.original_labels is not None
    names = None
    if known.names is not None and split.names is not None:
        names = np.concatenate([known.names, split.names])
    numbers = np.arange(len(known)) if known.numbers is None else known.numbers
    return Split(
        np.concatenate([known.images, split.images]),
        np.concatenate([known.labels, np.full(len(split), UNKNOWN, np.int64)]),
        names,
        numbers=np.concatenate([numbers, len(found.test) + np.arange(len(split))]),
        original_labels=np.concatenate([known.original_labels, split.labels + len(found.class_names)]),
    )
