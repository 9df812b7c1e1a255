"""The thread that gathers the images of the next steps."""

import threading
from typing import Any

import numpy as np
import pytest

from centerloss_core.datasets import BatchStream, Split
from centerloss_core.training.feed import Feed

SAMPLER = BatchStream(train_size=10, batch_size=4, seed=0)


class Watched:
    """Images that note which were read, and are damaged where number 7 is among them, if they are to be."""

    def __init__(self, *, is_damaged: bool = False) -> None:
        self.read: list[Any] = []
        self._is_damaged = is_damaged

    def __getitem__(self, indices: Any) -> Any:
        self.read.append(indices)
        if self._is_damaged and 7 in indices:
            raise OSError("the disk is gone")
        return np.repeat(indices, 4).reshape(-1, 2, 2, 1).astype(np.uint8)


def watched(images: Watched) -> Any:
    split = Split(np.zeros((10, 2, 2, 1), np.uint8), np.arange(10))
    object.__setattr__(split, "images", images)
    return split


def test_it_brings_the_images_of_the_samplers_batches_wherever_calls_are_cut() -> None:
    with Feed(SAMPLER, watched(Watched()), range(3, 40), most=3) as feed:
        batches = [*feed.take(range(3, 6)), *feed.take(range(6, 7)), *feed.take(range(7, 9))]
    for number, (images, labels) in zip(range(3, 9), batches, strict=True):
        indices = BatchStream(10, 4, 0).batch(number)
        assert (images[:, 1, 1, 0] == indices).all()
        assert (labels == indices).all()
        assert (images.dtype, labels.dtype) == (np.uint8, np.int32)


def test_it_is_ahead_by_two_calls_and_never_beyond_the_last_step() -> None:
    images = Watched()
    with Feed(SAMPLER, watched(images), range(100), most=3) as feed:
        feed.take(range(2))
    assert len(images.read) <= 2 + 6
    assert not any(
        thread.name.startswith("gather") for thread in threading.enumerate()
    )  # it ends with the block
    images = Watched()
    with Feed(SAMPLER, watched(images), range(5), most=3) as feed:
        feed.take(range(5))
    assert len(images.read) == 5


def test_an_error_of_the_thread_is_one_of_the_step_that_it_belongs_to() -> None:
    first = next(number for number in range(9) if 7 in SAMPLER.batch(number))
    with Feed(SAMPLER, watched(Watched(is_damaged=True)), range(9), most=4) as feed:
        feed.take(range(first))
        with pytest.raises(OSError, match="the disk is gone"):
            feed.take(range(first, first + 1))


def test_without_images_to_bring_it_hands_indices_on() -> None:
    with Feed(SAMPLER, None, range(9), most=4) as feed:
        (batch,) = feed.take(range(2, 3))
    assert (batch == SAMPLER.batch(2)).all()
