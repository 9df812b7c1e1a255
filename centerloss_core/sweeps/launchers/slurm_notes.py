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
from pathlib import Path
from typing import Any

from centerloss_core.files.atomic import atomic_write, open_own_file
from centerloss_core.files.untrusted import read_object, read_text

TERM, KILL = "TERM", "KILL"
FOLDER = "slurm"


def notes_folder(directory: Path) -> Path:
    """Where the notes of a sweep lie."""
    return directory / FOLDER / "notes"


def new_tickets(folder: Path, names: Sequence[str]) -> list[str]:
    """Return a ticket for one more start of each point; ask jobs with earlier tickets to save and stop.

    A job can outlive its sweep, or a node that counts as lost, and two jobs must not train the same point.
    """
    stop_jobs(folder, names)
    there = written(folder)
    tickets = []
    for name in names:
        number = next(number for number in itertools.count(1) if f"{name}.{number}.order" not in there)
        tickets.append(f"{name}.{number}")
        (folder / f"{tickets[-1]}.order").touch(exist_ok=False)
    return tickets


def stop_jobs(folder: Path, names: Collection[str] | None = None) -> None:
    """Ask every job that has not noted its end to save and stop; with `names`, those of these points."""
    there = written(folder)
    tickets = [note.removesuffix(".order") for note in there if note.endswith(".order")]
    for ticket in tickets:
        asked = names is None or ticket.rpartition(".")[0] in names
        if asked and f"{ticket}.ended" not in there:
            give_order(folder, ticket, TERM)


def give_order(folder: Path, ticket: str, order: str) -> None:
    """Write an order for the job of this ticket, unless its file was removed or replaced by a link.

    The file exists already and is written in place, because a network file system may take half a minute to show
    another machine a new name, but shows the content of a file whenever it is opened.
    """
    path = folder / f"{ticket}.order"
    with contextlib.suppress(OSError), os.fdopen(open_own_file(path, os.O_WRONLY), "w") as file:
        file.write(f"{order}\n")


def order_for(folder: Path, ticket: str) -> str | None:
    """The order for the job of this ticket; None: it may continue."""
    try:
        text = read_text(folder / f"{ticket}.order")
    except (OSError, ValueError):
        return None
    return next((order for order in (KILL, TERM) if text == f"{order}\n"), None)


def say_began(folder: Path, ticket: str) -> None:
    """Note that the run starts on this machine."""
    _write(folder / f"{ticket}.began", {"host": socket.gethostname(), "pid": os.getpid()})


def say_ended(folder: Path, ticket: str, code: int | None, reason: str | None) -> None:
    """Note how the run ended."""
    _write(folder / f"{ticket}.ended", {"code": code, "reason": reason})


def written(folder: Path) -> set[str]:
    """The names of all notes."""
    # Setting the mode, even to the same value, makes a network file system read the folder again.
    with contextlib.suppress(OSError):
        folder.chmod(folder.stat().st_mode)
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def host(folder: Path, ticket: str) -> str | None:
    """The machine that the run began on; None where that cannot be read."""
    name = _read(folder / f"{ticket}.began").get("host")
    return name if isinstance(name, str) else None


def ending(folder: Path, ticket: str) -> tuple[int | None, str | None]:
    """The exit code, and why there is none."""
    said = _read(folder / f"{ticket}.ended")
    code, reason = said.get("code"), said.get("reason")
    return code if type(code) is int else None, reason if isinstance(reason, str) else None


def _write(path: Path, said: dict[str, Any]) -> None:
    with atomic_write(path) as file:
        file.write(json.dumps(said).encode())


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_object(path)
    except (OSError, ValueError):
        return {}
