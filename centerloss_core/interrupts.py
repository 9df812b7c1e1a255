"""Ctrl-C, SIGTERM and a closed terminal end a run between two steps, not inside one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import NoReturn

from centerloss_core.errors import ExpectedError

# Set for a process whose standard input ends when the process that started it does.
LEASH = "CENTERLOSS_LEASH"


class InterruptedRunError(ExpectedError):
    """A run that a signal asked to stop."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number  # the shells' convention: 130 for Ctrl-C, 143 for SIGTERM


class _AtOnce(KeyboardInterrupt):
    """A second signal. Not an Exception, which Keras would wrap in one of its own."""


class StopRequest:
    """While entered, the first Ctrl-C, SIGTERM or closed terminal is only noted; a second one stops at once.

    Python raises an exception at Ctrl-C wherever the program is. While TensorFlow or Keras are imported or trace a
    function, that may be in a callback that swallows it.

    Under a sweep a second signal is ignored: a cluster may send one signal by two ways, and a sweep can kill.

    Attributes:
        signal_number: the signal that was noted, or None.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._second_stops = LEASH not in os.environ
        self._earlier: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> StopRequest:
        # Only the main thread can set handlers; a run in another thread keeps those there are.
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
        """Stop here if a signal has come.

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
        elif self._second_stops:
            raise _AtOnce("stopped at once by a second signal")


def stop_with_parent(hear: Callable[[bytes], None] = lambda _: None) -> None:
    """Under a sweep, take its end for a SIGTERM, so that its runs also save and stop when it is killed.

    Args:
        hear: called, in a thread of its own, with each line that the sweep writes to the standard input.
    """
    if LEASH not in os.environ:
        return
    threading.Thread(target=_await_end_of_input, args=[hear], daemon=True).start()
    # Slurm sends these to a job whose time is over, and on some clusters to the run too, which they would end without
    # a checkpoint. The job has the run save.
    for name in ("SIGUSR1", "SIGUSR2"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


@contextmanager
def signals_blocked(*signals: signal.Signals) -> Iterator[None]:
    """Let these take effect after this block; processes that this thread starts in it inherit the block."""
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def _await_end_of_input(hear: Callable[[bytes], None]) -> None:
    with open(0, "rb", buffering=0, closefd=False) as lines:
        for line in lines:
            hear(line)
    os.kill(os.getpid(), signal.SIGTERM)


def _signals() -> Iterator[int]:
    yield signal.SIGINT
    yield signal.SIGTERM
    # nohup ignores a closed terminal, and that stays so. Windows has no such signal.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        yield signal.SIGHUP
