"""A sweep that is stopped or fails says how to resume it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from centerloss_core.interrupts import StopRequest
from centerloss_core.run_directory.lock import ReplacedError
from centerloss_core.run_directory.names import SUMMARY
from centerloss_core.sweeps.launchers import resume_command


@contextmanager
def stoppable(directory: Path, ray_address: str | None) -> Iterator[StopRequest]:
    """The first signal asks the block to stop, the second stops it at once.

    Whatever ends the block, the points of a sweep that has begun can be resumed.
    """
    try:
        with StopRequest() as stop:
            yield stop
    except ReplacedError:  # there is nothing left of this sweep to resume
        raise
    except BaseException as error:
        if (directory / SUMMARY).exists():
            error.add_note(f"resume it: {resume_command(directory, ray_address)}")
        raise
