"""The names of what lies in a run or sweep directory. Importing this loads nothing that takes time."""

from __future__ import annotations

import os
import re
from pathlib import Path

from centerloss_core.run_directory.errors import RunError

MANIFEST, CONFIG, METRICS, LOG = "run.json", "config.yaml", "metrics.jsonl", "log.txt"
SUMMARY = "summary.json"
CHECKPOINTS, FEATURES, PLOTS, TENSORBOARD, EXPORT = (
    "checkpoints",
    "features",
    "plots",
    "tensorboard",
    "export",
)

_CHECKPOINT = re.compile(r"step-([0-9]{8,10})")  # eight digits, or as many as the step has


def is_run(directory: Path) -> bool:
    """Whether there is a `run.json`."""
    return (directory / MANIFEST).is_file()


def is_sweep(directory: Path) -> bool:
    """Whether there is a `summary.json`."""
    return (directory / SUMMARY).is_file()


def broken_link(path: Path) -> str | None:
    """Name the link on the way to `path`, itself included, that leads nowhere; None where there is none."""
    for place in (path, *path.parents):
        if os.path.islink(place) and not os.path.exists(place):
            return f"{place} is a link to {os.readlink(place)}, which is not there"
    return None


def no_directory(path: Path) -> str:
    """Say that there is no directory `path`, and why, where that can be told."""
    return broken_link(path) or f"{path}: no such directory"


def what_is_missing(directory: Path) -> str:
    """Say why a directory is neither a run nor a sweep."""
    if not directory.is_dir():
        what = f"{directory}: is a file, not a directory" if directory.exists() else no_directory(directory)
        return f"{what}; name a run or sweep that `cl train` or `cl sweep` has made"
    if (directory / "sweep.yaml").is_file():
        return f"{directory}: this sweep has no {SUMMARY} yet; wait until a run is done, or name a run in it"
    return (
        f"{directory}: neither a run (no {MANIFEST}) nor a sweep (no {SUMMARY}); "
        "name a directory that `cl train` or `cl sweep` has made"
    )


def sweep_of(run: Path) -> Path | None:
    """The sweep that a run is a point of."""
    return run.parent if is_sweep(run.parent) else None


def features_path(run: Path, name: str) -> Path:
    """Where the feature dump `name` ("test-final", "test-epoch-0001", …) of a run lies."""
    return run / FEATURES / f"{name}.npz"


def checkpoint_path(run: Path, step: int) -> Path:
    """Where the checkpoint taken after `step` steps lies."""
    return run / CHECKPOINTS / f"step-{step:08d}"


def checkpoints(run: Path) -> list[Path]:
    """All checkpoints of a run, oldest first; RunError if the folder cannot be read."""
    folder = run / CHECKPOINTS
    try:
        names = os.listdir(folder)  # glob would show none where it may not look
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{folder} cannot be read ({error.strerror}): make it readable") from error
    found = (match for name in names if (match := _CHECKPOINT.fullmatch(name)))
    return [folder / match[0] for match in sorted(found, key=lambda match: int(match[1]))]


def last_saved_step(run: Path) -> int:
    """The step of the newest checkpoint, whole or not; 0 where there is none."""
    return max((int(each.name.removeprefix("step-")) for each in checkpoints(run)), default=0)


def free_path(directory: Path, name: str) -> Path:
    """The first of `name`, `name-2`, `name-3`, … that is not taken in `directory`."""
    number, path = 1, directory / name
    while os.path.lexists(path):
        number += 1
        path = directory / f"{name}-{number}"
    return path
