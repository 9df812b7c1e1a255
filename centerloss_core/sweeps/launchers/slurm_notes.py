"""Small files in `slurm/notes/` by which a sweep and its jobs talk to each other.

Every cluster supports these. A signal reaches a job only by way of Slurm, which kills it half a minute later, and the
result of a job would come back as a pickle. Each start of a point has a ticket such as `lambda0.1-alpha0.5-seed0.1`:
    .order  made empty by the sweep before the job exists: TERM asks it to save and stop, KILL to stop now.
    .began  written by the job when the run starts, with the name of the machine.
    .ended  written by the job: the exit code of the run, or why there is none.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerloss_core.files.atomic import atomic_write, open_own_file
from centerloss_core.files.untrusted import read_object, read_text

TERM, KILL = "TERM", "KILL"
FOLDER = "slurm"


def notes_folder(directory: Path) -> Path:
    """Where the notes of a sweep lie."""
    return directory / FOLDER / "notes"


@dataclass(frozen=True)
class Ticket:
    """One start of a point.

    Attributes:
        folder: of the notes.
        name: such as `lambda0.1-alpha0.5-seed0.1`.
    """

    folder: Path
    name: str

    def give(self, order: str) -> None:
        """Write an order for the job, unless its file was removed or replaced by a link.

        The file exists already and is written in place, because a network file system may take half a minute to show
        another machine a new name, but shows the content of a file whenever it is opened.
        """
        path = self.note("order")
        with contextlib.suppress(OSError), os.fdopen(open_own_file(path, os.O_WRONLY), "w") as file:
            file.write(f"{order}\n")

    def order(self) -> str | None:
        """The order for the job; None: it may continue."""
        try:
            text = read_text(self.note("order"))
        except (OSError, ValueError):
            return None
        return next((order for order in (KILL, TERM) if text == f"{order}\n"), None)

    def say_began(self) -> None:
        """Note that the run starts on this machine."""
        self._write("began", {"host": socket.gethostname(), "pid": os.getpid()})

    def say_ended(self, code: int | None, reason: str | None) -> None:
        """Note how the run ended."""
        self._write("ended", {"code": code, "reason": reason})

    def host(self) -> str | None:
        """The machine that the run began on; None where that cannot be read."""
        name = self._read("began").get("host")
        return name if isinstance(name, str) else None

    def ending(self) -> tuple[int | None, str | None]:
        """The exit code, and why there is none."""
        said = self._read("ended")
        code, reason = said.get("code"), said.get("reason")
        return code if type(code) is int else None, reason if isinstance(reason, str) else None

    def note(self, kind: str) -> Path:
        """Where its note of a kind lies."""
        return self.folder / f"{self.name}.{kind}"

    def _write(self, kind: str, said: dict[str, Any]) -> None:
        with atomic_write(self.note(kind)) as file:
            file.write(json.dumps(said).encode())

    def _read(self, kind: str) -> dict[str, Any]:
        try:
            return read_object(self.note(kind))
        except (OSError, ValueError):
            return {}


def new_tickets(folder: Path, names: Sequence[str]) -> list[Ticket]:
    """Return a ticket for one more start of each point; ask jobs with earlier tickets to save and stop.

    A job can outlive its sweep, or a node that counts as lost, and two jobs must not train the same point.
    """
    stop_jobs(folder, names)
    there = written(folder)
    tickets = []
    for name in names:
        number = next(number for number in itertools.count(1) if f"{name}.{number}.order" not in there)
        tickets.append(Ticket(folder, f"{name}.{number}"))
        tickets[-1].note("order").touch(exist_ok=False)
    return tickets


def stop_jobs(folder: Path, names: Collection[str] | None = None) -> None:
    """Ask every job that has not noted its end to save and stop; with `names`, those of these points."""
    there = written(folder)
    for name in (note.removesuffix(".order") for note in there if note.endswith(".order")):
        if (names is None or name.rpartition(".")[0] in names) and f"{name}.ended" not in there:
            Ticket(folder, name).give(TERM)


def written(folder: Path) -> set[str]:
    """The names of all notes."""
    # Setting the mode, even to the same value, makes a network file system read the folder again.
    with contextlib.suppress(OSError):
        folder.chmod(folder.stat().st_mode)
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()
