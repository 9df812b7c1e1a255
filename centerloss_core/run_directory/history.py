"""`metrics.jsonl`: a row per logging interval and per epoch. Importing this loads nothing that takes time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerloss_core.errors import PUT_BACK
from centerloss_core.files.untrusted import TooManyRowsError, open_to_read, read_rows
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.names import METRICS

Row = dict[str, Any]

_TAIL = 8192  # bytes; a row has some hundred


@dataclass(frozen=True)
class History:
    """The rows of a run, by step.

    Attributes:
        steps: means over the training batches of each logging interval.
        epochs: evaluations after each epoch, and at the end of a completed run that ends within one.
    """

    steps: list[Row]
    epochs: list[Row]


def has_rows(run: Path) -> bool:
    """Whether a run has logged anything, as far as that can be told without reading it."""
    try:
        return (run / METRICS).stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError:
        return True  # reading it tells why not


def read_history(run: Path, final: Mapping[str, Any]) -> History:
    """Read the rows of a run; the last row of a step counts, because a resumed run repeats some.

    Args:
        run: its directory.
        final: its final figures per split; empty unless it is completed. A run that ends within an epoch logs no
            evaluation there, but these figures are of that very step.

    Raises:
        RunError: the file is missing, holds no rows, is far too large, or is damaged before its last line.
    """
    steps, epochs = _read_rows(run / METRICS)
    if not steps and not epochs:
        if final:
            raise RunError(
                f"{run / METRICS}: holds no rows, and that of a completed run has some; {PUT_BACK}"
            )
        raise RunError(f"{run / METRICS}: holds no rows yet; try again when the run has trained some steps")
    splits = {name: final[name] for name in ("validation", "test") if isinstance(final.get(name), dict)}
    if splits and steps and (not epochs or int(steps[-1]["step"]) > int(epochs[-1]["step"])):
        epochs = [*epochs, {**steps[-1], "kind": "epoch", **splits}]
    return History(steps, epochs)


def _read_rows(path: Path) -> tuple[list[Row], list[Row]]:
    kinds: dict[str, dict[int, Row]] = {"steps": {}, "epoch": {}}
    try:
        for number, line in enumerate(read_rows(path), start=1):
            try:
                row = json.loads(line)
                kinds[row["kind"]][int(row["step"])] = row
            except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
                reason = f"missing key {error}" if isinstance(error, KeyError) else str(error)
                raise RunError(f"{path}:{number}: not a row of metrics ({reason}); {PUT_BACK}") from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        # With too many rows, or without a permission, it may be as the run wrote it.
        is_lost = isinstance(error, (FileNotFoundError, ValueError)) and not isinstance(
            error, TooManyRowsError
        )
        raise RunError(f"{path}: cannot be read ({reason}){f'; {PUT_BACK}' if is_lost else ''}") from error
    steps, epochs = ([rows[step] for step in sorted(rows)] for rows in kinds.values())
    return steps, epochs


def last_row(run: Path, *, kind: str) -> Row | None:
    """The newest whole row of a kind, if there is one.

    Reads only the end of the file, so that watching a long run costs nothing.
    """
    try:
        with open_to_read(run / METRICS) as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            tail = file.read(_TAIL).split(b"\n")[:-1]  # what follows the last newline is still being written
    except (OSError, ValueError):
        return None
    for line in reversed(tail):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):  # the first line of the tail may be cut
            continue
        if isinstance(row, dict) and row.get("kind") == kind:
            return row
    return None
