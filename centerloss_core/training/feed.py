"""The batches of one step after another: indices, or images that a thread has gathered beforehand."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

from centerloss_core.datasets import Sampler, Split

if TYPE_CHECKING:
    from centerloss_core.training.engines import Batch


class Feed(AbstractContextManager["Feed"]):
    """What `TrainStep.take` is given. While entered, a thread gathers the images of the next steps, if it is to.

    It is never further ahead than two calls, so that memory stays bounded. An error of it is raised by `take`, of the
    step that it belongs to.

    Args:
        sampler: which images each step trains on.
        streamed: the images, which are brought along; None where the step has them, and takes indices.
        steps: all that are to be taken, in this order.
        most: steps in a call.
    """

    def __init__(self, sampler: Sampler, streamed: Split | None, steps: range, most: int) -> None:
        self._sampler = sampler
        self._split = streamed
        self._to_gather = iter(steps)
        self._depth = 2 * most
        self._ahead: deque[Future[Batch]] = deque()
        self._thread = ThreadPoolExecutor(1, "gather") if streamed is not None else None

    def take(self, numbers: range) -> list[Batch]:
        """The batches of these steps, the next ones of `steps`."""
        if self._thread is None:
            return [self._sampler.batch(number) for number in numbers]
        return [self._next(self._thread) for _ in numbers]

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def _next(self, thread: ThreadPoolExecutor) -> Batch:
        while len(self._ahead) <= self._depth and (number := next(self._to_gather, None)) is not None:
            self._ahead.append(thread.submit(self._gather, number))
        return self._ahead.popleft().result()

    def _gather(self, number: int) -> Batch:
        assert self._split is not None
        indices = self._sampler.batch(number)
        return self._split.images[indices], self._split.labels[indices].astype(np.int32)
