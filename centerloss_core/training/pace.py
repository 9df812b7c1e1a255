"""How many steps go into one compiled call."""

from __future__ import annotations

from collections.abc import Callable

_SECONDS = 1.0  # of a call at most: so long Ctrl-C may have to wait


class Pace:
    """As many steps in a call as the device gains by, up to the next one after which Python has something to do.

    Where calls are cut changes no bit of the result, so that their length may follow the clock.

    Args:
        most: steps that a call can take.
        is_stop: whether something is to be done after a step, by its number.
    """

    def __init__(self, most: int, is_stop: Callable[[int], bool]) -> None:
        self._most = most
        self._is_stop = is_stop
        self._limit = 1  # the first call compiles

    def steps_after(self, step: int) -> int:
        """How many steps to take when `step` are taken."""
        for count in range(1, self._limit):
            if self._is_stop(step + count):
                return count
        return self._limit

    def note(self, steps: int, seconds: float) -> None:
        """Learn from a call what the next may take."""
        if seconds > _SECONDS:
            self._limit = max(1, steps // 2)
        elif steps == self._limit and seconds < _SECONDS / 2:
            self._limit = min(self._most, 2 * self._limit)
