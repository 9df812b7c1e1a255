"""A sweep that is stopped or fails says how to go on with it, from the opening of its launcher to its end."""

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
    """The block is asked to stop by the first signal, and stopped by the second, wherever it is."""
    try:
        with StopRequest() as stop:
            yield stop
    except (InterruptedRunError, KeyboardInterrupt) as error:
        if (directory / SUMMARY).exists():
            say_how_to_go_on(error, directory, ray_address)
        raise


@contextmanager
def resumable(directory: Path, ray_address: str | None) -> Iterator[None]:
    """Whatever ends this block, the points that have begun are there to go on with."""
    try:
        yield
    except ReplacedError:  # there is nothing of this sweep to go on with
        raise
    except BaseException as error:
        say_how_to_go_on(error, directory, ray_address)
        raise


def say_how_to_go_on(error: BaseException, directory: Path, ray_address: str | None) -> None:
    """Note the command on the error, once."""
    advice = f"resume it: {resume_command(directory, ray_address)}"
    if advice not in getattr(error, "__notes__", ()):
        error.add_note(advice)
