"""Which images each step trains on, as a function of the seed and the step alone."""

from typing import Protocol

import numpy as np
import numpy.typing as npt


class Sampler(Protocol):
    """What a run trains on: the batch of any step, from its number alone, so that a run can be resumed."""

    def batch(self, step: int) -> npt.NDArray[np.int32]:
        """Return the indices (m,) of the training images of step number `step`, which counts from 0."""

    def completed_epochs(self, steps: int) -> int:
        """Return how many epochs are complete after `steps` steps."""


class BatchStream:
    """The default sampler: an endless row of full batches in which every image appears exactly once per epoch.

    One permutation per epoch, each drawn from (seed, epoch) alone, are laid end to end and cut every `batch_size`
    images. So no batch is short, no image is dropped, and a batch at an epoch's end is filled up from the next epoch.

    Args:
        train_size: images to draw from, at least 1.
        batch_size: images in each batch, at least 1; more than `train_size` is allowed.
        seed: 0 or more.

    Raises:
        ValueError: one of them is out of range.
    """

    def __init__(self, train_size: int, batch_size: int, seed: int) -> None:
        if train_size < 1 or batch_size < 1 or seed < 0:
            raise ValueError(
                f"train_size {train_size}, batch_size {batch_size}, seed {seed}: expected at least 1, 1 and 0"
            )
        self.train_size = train_size
        self.batch_size = batch_size
        self.seed = seed
        self._permutations: dict[int, npt.NDArray[np.int32]] = {}

    def batch(self, step: int) -> npt.NDArray[np.int32]:
        """Return the indices of step number `step`, which counts from 0: int32 (batch_size,)."""
        if step < 0:
            raise ValueError(f"step is {step}, expected 0 or more")
        start = step * self.batch_size
        stop = start + self.batch_size
        epochs = range(start // self.train_size, (stop - 1) // self.train_size + 1)
        # Only what this batch needs is kept: in order, the next batch begins where this one ends.
        self._permutations = {
            epoch: self._permutations[epoch] if epoch in self._permutations else self._permutation(epoch)
            for epoch in epochs
        }
        return np.concatenate(
            [
                permutation[max(0, start - epoch * self.train_size) : stop - epoch * self.train_size]
                for epoch, permutation in self._permutations.items()
            ]
        )

    def completed_epochs(self, steps: int) -> int:
        """Return how many epochs are complete after `steps` steps; a batch larger than the data completes several."""
        return steps * self.batch_size // self.train_size

    def _permutation(self, epoch: int) -> npt.NDArray[np.int32]:
        return permutation(self.train_size, self.seed, epoch)


def permutation(size: int, seed: int, *key: int) -> npt.NDArray[np.int32]:
    """The numbers below `size` in an order that follows from the seed and the key alone."""
    # NumPy promises that raw bits stay the same in every release, but not that Generator.permutation
    # does: a run can be resumed or repeated after an upgrade.
    bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key))
    return _order(np.asarray(bits.random_raw(size))).astype(np.int32)


def _order(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """That of a stable sort, ten times as fast where no two keys are equal: a GPU waits for it once an epoch."""
    order = np.argsort(keys)
    in_order = keys[order]
    if (in_order[1:] == in_order[:-1]).any():
        return np.argsort(keys, kind="stable")
    return order
