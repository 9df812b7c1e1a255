"""Ctrl-C, SIGTERM and a closed terminal end a run between two steps, not inside one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import NoReturn

from centerloss_core.errors import ExpectedError

# Set for a process whose standard input ends when the process that started it does.
LEASH = "CENTERLOSS_LEASH"


class InterruptedRunError(ExpectedError):
    """A run that was asked to stop; `signal_number` says by what."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number  # the shells' convention: 130 for Ctrl-C, 143 for SIGTERM


class _AtOnce(KeyboardInterrupt):
    """A second signal, on its way out; an Exception Keras would wrap in one of its own."""


class StopRequest:
    """While entered, the first Ctrl-C, SIGTERM or closed terminal is only noted; a second one acts at once.

    Python's own answer to Ctrl-C is an exception wherever the program is. While TensorFlow or Keras are imported or
    trace a function, that may be in a callback that swallows it.

    Not under a sweep: what stops a job of a cluster may send one signal by two ways, and a sweep in a hurry kills.

    Attributes:
        signal_number: the signal that was noted, or None.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._twice_is_haste = LEASH not in os.environ
        self._earlier: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> StopRequest:
        # Python lets only the main thread choose handlers; a run in another thread keeps the ones there are.
        if threading.current_thread() is threading.main_thread():
            for number in _signals():
                self._earlier[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        self._earlier.clear()
        if isinstance(error, _AtOnce):
            self._stop(str(error), error)

    def obey(self, message: str) -> None:
        """Stop here if that was asked for.

        Raises:
            InterruptedRunError: with this message.
        """
        if self.signal_number is not None:
            self._stop(message)

    def _stop(self, message: str, cause: BaseException | None = None) -> NoReturn:
        assert self.signal_number is not None
        stopped = InterruptedRunError(self.signal_number, message)
        for note in getattr(cause, "__notes__", ()):
            stopped.add_note(note)
        raise stopped from None

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.signal_number is None:
            self.signal_number = number
        elif self._twice_is_haste:
            raise _AtOnce("stopped at once by a second signal")


def stop_with_parent() -> None:
    """Under a sweep, take its death for a SIGTERM: even a sweep that is killed leaves no run behind that goes on."""
    if LEASH not in os.environ:
        return
    threading.Thread(target=_await_end_of_input, daemon=True).start()
    # By which Slurm tells a job that its time is over, and with it maybe the run, which that would end without a word.
    # The job has the run save.
    for name in ("SIGUSR1", "SIGUSR2"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _await_end_of_input() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _signals() -> Iterator[int]:
    yield signal.SIGINT
    yield signal.SIGTERM
    # Under nohup a closed terminal is to be ignored, and stays so. Windows has no such signal.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        yield signal.SIGHUP
