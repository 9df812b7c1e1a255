"""A sweep that is stopped or fails says how to resume it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from centerloss_core.interrupts import InterruptedRunError, StopRequest
from centerloss_core.run_directory.lock import ReplacedError
from centerloss_core.run_directory.names import SUMMARY
from centerloss_core.sweeps.launchers import resume_command


@contextmanager
def stoppable(directory: Path, ray_address: str | None) -> Iterator[StopRequest]:
    """The first signal asks the block to stop, the second stops it at once."""
    try:
        with StopRequest() as stop:
            yield stop
    except (InterruptedRunError, KeyboardInterrupt) as error:
        if (directory / SUMMARY).exists():
            say_how_to_resume(error, directory, ray_address)
        raise


@contextmanager
def resumable(directory: Path, ray_address: str | None) -> Iterator[None]:
    """Whatever ends this block, the points that have begun can be resumed."""
    try:
        yield
    except ReplacedError:  # there is nothing left of this sweep to resume
        raise
    except BaseException as error:
        say_how_to_resume(error, directory, ray_address)
        raise


def say_how_to_resume(error: BaseException, directory: Path, ray_address: str | None) -> None:
    """Note the command on the error, once."""
    advice = f"resume it: {resume_command(directory, ray_address)}"
    if advice not in getattr(error, "__notes__", ()):
        error.add_note(advice)
