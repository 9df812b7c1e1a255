"""Training seconds, without what is not training."""

from __future__ import annotations

import time


class Stopwatch:
    """Training seconds: `with stopwatch:` around each call of steps; evaluating, dumping and saving do not count.

    Attributes:
        warm_up_seconds: those of each session's first step, which compiles.
        last_seconds: those of the last `with`.
        sessions: how often the run was started or resumed, as far as it has got to a step.
    """

    def __init__(self) -> None:
        self.warm_up_seconds = 0.0
        self.last_seconds = 0.0
        self.sessions = 0
        self._elapsed = 0.0
        self._began: float | None = None
        self._is_warm = False

    def resume(self, seconds: float, warm_up_seconds: float, sessions: int) -> None:
        """Count on from what earlier sessions took."""
        self._elapsed, self.warm_up_seconds, self.sessions = seconds, warm_up_seconds, sessions

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        before = self._elapsed
        self._elapsed, self._began = self.seconds, None
        self.last_seconds = self._elapsed - before
        if not self._is_warm:
            self._is_warm = True
            self.sessions += 1
            self.warm_up_seconds += self.last_seconds

    @property
    def is_warm(self) -> bool:
        """Whether the first step of this session has ended."""
        return self._is_warm

    @property
    def seconds(self) -> float:
        """Seconds so far, right also inside a step."""
        return self._elapsed + (0.0 if self._began is None else time.perf_counter() - self._began)

    def steps_per_second(self, steps: int) -> float:
        """The pace of a run that took `steps` steps, without each session's first."""
        return (steps - self.sessions) / max(self.seconds - self.warm_up_seconds, 1e-9)
