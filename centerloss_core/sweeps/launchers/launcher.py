"""What a sweep needs of a launcher: start `cl train` for a point somewhere, say when it has ended, stop it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from centerloss_core.errors import ExpectedError
from centerloss_core.sweeps.layout import config_path, log_path


class LauncherError(ExpectedError):
    """A launcher that is not installed or cannot be reached; the message says what to do."""


def lines_of(error: Exception) -> list[str]:
    """The lines of its message, which need not be ours; if there is none, its kind."""
    return [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]


@dataclass(frozen=True)
class Task:
    """One start of one point.

    Attributes:
        name: the point's.
        directory: the sweep's, absolute.
        threads: for the run. The last bits of its results depend on their number.
        program, platform: of its config, see there: whether it may follow another task in one process.
    """

    name: str
    directory: Path
    threads: int
    program: str = ""
    platform: tuple[Any, ...] = ()

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory / self.name

    @property
    def config(self) -> Path:
        """The resolved config."""
        return config_path(self.directory, self.name)

    @property
    def log(self) -> Path:
        """Where the output of the process is kept."""
        return log_path(self.directory, self.name)


@dataclass(frozen=True)
class Ending:
    """How a started point ended. What it reached is in its run directory, never here.

    Attributes:
        code: the exit code of its process; minus the signal that killed it; None where it is not known.
        reason: why, where the launcher knows more than the run directory.
        lost: its machine was lost. The point did not fail, and is resumed elsewhere.
        for_all: every other point would end in the same way, so none should be started.
    """

    code: int | None
    reason: str | None = None
    lost: bool = False
    for_all: bool = False


class Started(Protocol):
    """A point that a launcher has started, or has put into a queue."""

    @property
    def place(self) -> str | None:
        """Where it runs, in a few words; None while it waits for its resources."""

    def ended(self) -> Ending | None:
        """How it ended, or None. By then its run directory is complete."""


class Launcher(Protocol):
    """Starts points, between `__enter__` and `__exit__`, which leaves nothing running."""

    @property
    def jobs(self) -> int | None:
        """How many points may be started or queued at a time; None: all."""

    def __enter__(self) -> Launcher: ...

    def __exit__(self, *_: object) -> None: ...

    def start(self, tasks: Sequence[Task]) -> Sequence[Started]:
        """Start these points, in this order."""

    def interrupt(self, signal_number: int) -> None:
        """Ask all points to save and stop; those that still wait for their resources never start."""

    def kill(self) -> None:
        """Stop all points now, and return when they have ended."""
