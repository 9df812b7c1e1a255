"""What a sweep asks of a launcher: start `cl train` for a point somewhere, say when it has ended, stop it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from centerloss_core.errors import ExpectedError
from centerloss_core.sweeps.grid import config_path


class LauncherError(ExpectedError):
    """A launcher that is not installed or cannot be reached; the message names the mend."""


@dataclass(frozen=True)
class Task:
    """One start of one point.

    Attributes:
        name: the point's.
        directory: the sweep's, absolute.
        threads: for the run. The last bits of its results depend on their number.
        gpus: whole ones, or a fraction of one; None: nothing was said of them.
        memory: GiB to set aside; None: nothing is said of it.
    """

    name: str
    directory: Path
    threads: int
    gpus: float | None = None
    memory: float | None = None

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
        """Where what the process prints is kept."""
        return log_path(self.directory, self.name)


def log_path(directory: Path, name: str) -> Path:
    """Where what the process of a point prints is kept."""
    return directory / "logs" / f"{name}.log"


@dataclass(frozen=True)
class Ending:
    """How a started point ended. What it reached is in its run directory, never here.

    Attributes:
        code: the exit code of its process; minus the signal that killed it; None where there is none to be had.
        reason: why, where the launcher knows more than the run directory could.
        lost: the machine went away, not the run: it goes on elsewhere, and that is no failure of its own.
        for_all: what ended it would end every other point too, so that none should be started.
    """

    code: int | None
    reason: str | None = None
    lost: bool = False
    for_all: bool = False


class Started(Protocol):
    """A point in a launcher's hands."""

    @property
    def place(self) -> str | None:
        """Where it runs, in a word; None while it waits for its resources."""

    def ended(self) -> Ending | None:
        """How it ended, or None. All that it wrote is in its run directory by then."""

    def interrupt(self, signal_number: int) -> None:
        """Ask it to save and stop; one that still waits for its resources never starts."""

    def kill(self) -> None:
        """Stop it now, and return when it has ended."""

    def wait(self, seconds: float) -> None:
        """Return when it has ended, and after this time at the latest."""


class Launcher(Protocol):
    """Starts points, between `__enter__` and `__exit__`; the latter leaves nothing running behind."""

    @property
    def jobs(self) -> int | None:
        """How many it may have in hand at a time; None: as many as there are."""

    def __enter__(self) -> Launcher: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def start(self, tasks: Sequence[Task]) -> Sequence[Started]:
        """Take these points in hand, in this order."""
