"""What to say of a directory that there is nothing to read in: it is no run, or a run that has not come to its end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from centerloss_core.errors import PUT_BACK
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.listing import Status, status_now
from centerloss_core.run_directory.names import MANIFEST
from centerloss_core.sweeps.summary import SUMMARY


def what_is_missing(directory: Path) -> str:
    """Say why a directory is neither a run nor a sweep."""
    if not directory.is_dir():
        what = "is a file, not a directory" if directory.exists() else "no such directory"
        return f"{directory}: {what}; name a run or sweep that `cl train` or `cl sweep` has made"
    if (directory / "sweep.yaml").is_file():
        return f"{directory}: this sweep has no {SUMMARY} yet; wait until a run is done, or name a run in it"
    return (
        f"{directory}: neither a run (no {MANIFEST}) nor a sweep (no {SUMMARY}); "
        "name a directory that `cl train` or `cl sweep` has made"
    )


def status_of(run: Path, manifest: Mapping[str, Any]) -> Status:
    """Return the status of a run as it is now: one that was killed has written "running" and is "stopped".

    Raises:
        RunError: `run.json` has no status that a run can have.
    """
    try:
        return status_now(run, manifest)
    except ValueError as error:
        raise RunError(f"{run / MANIFEST}: {error}; {PUT_BACK}") from error


def how_to_finish(run: Path, manifest: Mapping[str, Any]) -> str:
    """Say of a run that is not completed what it is, and the way to its end: `is stopped: resume it: …`.

    Raises:
        RunError: as `status_of`.
    """
    status, reason = status_of(run, manifest), str(manifest.get("reason") or "")
    if status == "running":
        return "is running: wait until it is completed"
    if reason.startswith("DivergedError"):  # from its last checkpoint it would take the same steps again
        return (
            f"is {status} ({reason}): resumed, it would end the same way; begin another run at a lower rate: "
            f"cl train --config {shlex.quote(str(run / 'config.yaml'))} --set train.learning_rate=…"
        )
    because = f" ({reason})" if reason else ""
    return f"is {status}{because}: resume it: cl train --resume {shlex.quote(str(run))}"
