"""Ctrl-C and SIGTERM end a run between two steps, not inside one."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

from centerloss_core.errors import ExpectedError


class InterruptedRunError(ExpectedError):
    """A run that was asked to stop; `signal_number` says by what."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number  # the shells' convention: 130 for Ctrl-C, 143 for SIGTERM


class StopRequest:
    """While entered, the first Ctrl-C or SIGTERM is only noted in `signal_number`; a second one acts at once."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._earlier: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> StopRequest:
        # Python lets only the main thread choose handlers; a run in another thread keeps the ones there are.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._earlier[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, _: FrameType | None) -> None:
        self.signal_number = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        self._earlier.clear()
