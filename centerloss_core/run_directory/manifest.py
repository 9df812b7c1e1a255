"""`run.json` and `summary.json`: read with care, written whole. Importing this loads nothing that takes time."""

from __future__ import annotations

import json
import os
import reprlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from centerloss_core.errors import PUT_BACK
from centerloss_core.files.atomic import atomic_write
from centerloss_core.files.untrusted import read_object
from centerloss_core.limits import FILE_NAME_BYTES
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.lock import holder
from centerloss_core.run_directory.names import CHECKPOINTS, CONFIG, MANIFEST, SUMMARY, no_directory

FORMAT = 2

# What `run.json` says, and what a reader makes of it: a run is "stopped" where it says running and no process holds
# its lock, "damaged" where it cannot be read. A point of a sweep may have no run directory: it is "waiting" for its
# start, or "missing" once that has come.
Written = Literal["running", "completed", "failed", "interrupted"]
Status = Literal["running", "stopped", "completed", "failed", "interrupted", "damaged", "waiting", "missing"]

# Of `run.json`: keys of the config.
SHORT_KEYS = {"lambda": "loss.lambda", "alpha": "loss.alpha", "seed": "train.seed"}


def mapping(value: object) -> dict[str, Any]:
    """The object that was read from a file; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """The list that was read from a file; an empty one for anything else."""
    return value if isinstance(value, list) else []


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all; NaN is refused, because JSON has none."""
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; RunError if the file is missing, holds something else, or is far too large."""
    try:
        return read_object(path)
    except PermissionError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}): make it readable") from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise RunError(f"{path}: cannot be read ({reason})") from error


def refuse_another_format(path: Path, content: Mapping[str, Any]) -> None:
    """Raise RunError unless a version of this program with the same format wrote the file."""
    found = content.get("format")
    if found != FORMAT:
        raise RunError(
            f"{path}: is of format {reprlib.repr(found)}, and this version of centerloss knows {FORMAT}: "
            "use the version that wrote it"
        )


# ---- A run --------------------------------------------------------------------------------------------------


def read_manifest(path: Path) -> dict[str, Any]:
    """Read the `run.json` of a run; RunError if it is missing, not a JSON object, or of another format."""
    if not (path / MANIFEST).exists():
        if not path.exists():
            raise RunError(f"{no_directory(path)}; cl runs lists what there is")
        if (path / CONFIG).is_file() and (path / CHECKPOINTS).is_dir():
            raise RunError(f"{path / MANIFEST} was lost: {_put_back(path)}")
        if (path / SUMMARY).is_file():
            raise RunError(
                f"{path} is a sweep: name one of its runs; cl runs {shlex.quote(str(path))} lists them"
            )
        raise RunError(f"{path} is not a run directory: it has no {MANIFEST}; cl runs lists what there is")
    try:
        manifest = read_json(path / MANIFEST)
    except RunError as error:
        if isinstance(error.__cause__, OSError):  # the content may be as it was
            raise
        raise RunError(f"{error}: {_put_back(path)}") from error
    refuse_another_format(path / MANIFEST, manifest)
    return manifest


def _put_back(path: Path) -> str:
    """What to do without the `run.json` of the run in `path`."""
    return f"{PUT_BACK}: cl train --config {shlex.quote(str(path / CONFIG))}"


def read_manifest_and_status(path: Path) -> tuple[dict[str, Any], Status]:
    """Read `run.json`, and tell how the run is doing now: one that was killed says running for ever.

    Raises:
        RunError: as `read_manifest`, or the file has no status that a run can have.
    """
    manifest = read_manifest(path)
    status = _written(path, manifest)
    if status != "running" or holder(path) is not None:
        return manifest, status
    # The run may have ended, and given its lock back, since the file was read.
    manifest = read_manifest(path)
    status = _written(path, manifest)
    return manifest, "stopped" if status == "running" else status


def _written(path: Path, manifest: Mapping[str, Any]) -> Written:
    known: tuple[Written, ...] = get_args(Written)
    if manifest.get("status") in known:
        return known[known.index(manifest["status"])]
    raise RunError(f"{path / MANIFEST}: its status is not one of {', '.join(known)}: {_put_back(path)}")


# ---- A sweep ------------------------------------------------------------------------------------------------


def read_summary(directory: Path) -> dict[str, Any]:
    """Read the `summary.json` of a sweep; its "runs" is a list of objects, each with a plain name as "directory".

    Files are read and written in the directories that the rows name: a summary that was edited by hand must not lead
    out of the sweep.

    Raises:
        RunError: the file is missing, damaged or of another format, or the directory of a row is not a plain name.
    """
    path = directory / SUMMARY
    summary = read_json(path)
    if "format" in summary:
        refuse_another_format(path, summary)
    rows = summary.get("runs")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RunError(f"{path}: has no list of runs")
    for row in rows:
        name = row.get("directory")
        if not _is_plain_name(name):
            raise RunError(
                f"{path}: a run's directory is {reprlib.repr(name)}, which is not a plain name; "
                "put the file back as the sweep wrote it"
            )
    return summary


def _is_plain_name(name: object) -> bool:
    return (
        isinstance(name, str)
        and name == Path(name).name
        and name not in ("", "..")
        and name.isprintable()  # a terminal shows it
        and len(os.fsencode(name)) <= FILE_NAME_BYTES
    )
