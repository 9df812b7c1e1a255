"""Which files of a point pass between two machines, and where each belongs. Neither side trusts names of the other."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from centerloss_core.sweeps.launchers.launcher import LauncherError

# Inode, bytes, and nanoseconds of the last change: what tells a file from the one that replaced it.
Stamp = tuple[int, int, int]


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of a file."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def is_passed_on(name: str, point: str) -> bool:
    """Whether this file of a sweep belongs to the point; locks and temporary files do not."""
    if name == f"logs/{point}.log":
        return True
    first, *rest = PurePosixPath(name).parts
    return (
        first == point and bool(rest) and rest != ["lock"] and not any(part.startswith(".") for part in rest)
    )


def inside(directory: Path, name: str) -> Path:
    """The file `name` below `directory`.

    Raises:
        LauncherError: it would lie elsewhere.
    """
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
        raise LauncherError(f"a Ray worker named the file {name!r}, which is not one of the point's")
    return directory.joinpath(*parts)


def checked(name: str, point: str, directory: Path) -> Path:
    """Where a file that a worker named belongs here.

    Raises:
        LauncherError: it is not one of the point's.
    """
    path = inside(directory, name)
    if not is_passed_on(name, point):
        raise LauncherError(f"a Ray worker named the file {name!r}, which is not one of the point's")
    return path
