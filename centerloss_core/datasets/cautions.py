"""What a person should know before training on images of their own; known sets are as their authors made them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from centerloss_core.datasets.arrays import Split
from centerloss_core.datasets.memory import room_for_images
from centerloss_core.datasets.stored import StoredImages, bytes_of
from centerloss_core.datasets.twins import twins

if TYPE_CHECKING:
    from centerloss_core.config import Data

_HELD = ("npz", "csv", "idx")  # are read into memory whole
_OWN = ("folder", *_HELD)


def cautions(section: Data, train: Split, held_out: Split | None, test: Split) -> list[str]:
    """Sentences to warn with, for the section `data` of a config and the splits that came of it."""
    splits = [split for split in (train, held_out, test) if split is not None]
    return [*_beyond_memory(section, splits), *_repeated(section, train, test)]


def _beyond_memory(section: Data, splits: list[Split]) -> list[str]:
    """Say where more is held in memory than `data.memory` asks for: only folders of images are streamed from disk."""
    if section.name not in _HELD or section.memory == "auto":
        return []
    held = sum(bytes_of(split.images) for split in splits)
    if held <= room_for_images(section.memory):
        return []
    return [
        f"the images take {held / (1 << 30):.3g} GiB of main memory, more than data.memory ({section.memory:g} GiB): "
        f"{section.name} is held there whole; images in a folder are streamed"
    ]


def _repeated(section: Data, train: Split, test: Split) -> list[str]:
    """Say how many test images are trained on; 70,000 of 28×28 take 0.15 s."""
    if section.name not in _OWN or isinstance(train.images, StoredImages):  # or all would be read once more
        return []
    pairs = twins(train, test).pairs
    if not pairs:
        return []
    return [
        f"{len(pairs):,} of the {len(test):,} test images are training images too, pixel for pixel: what they reach "
        "says little; cl data names them"
    ]
