"""A checkpoint on disk: a folder that is complete or absent, and whose every bit is vouched for.

    step-00000600/
        state.npz        the arrays
        position.json    where the run stands beside its arrays
        config.yaml      the config that all this belongs to
        SHA256SUMS       a line per file, as `sha256sum -c` reads it

The sums follow from the other files, so that a checkpoint is whole exactly if its SHA256SUMS is, byte for byte, what
would be written now. No framework is needed to find out.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from centerloss_core.config.problems import shortened
from centerloss_core.errors import ExpectedError
from centerloss_core.files.arrays import Header, read_arrays, write_arrays
from centerloss_core.files.atomic import atomic_directory, new_file
from centerloss_core.files.untrusted import open_to_read, parse_json, read_text
from centerloss_core.limits import CHECKPOINT_TEXT_BYTES

_ARRAYS, _POSITION, _CONFIG, _SUMS = "state.npz", "position.json", "config.yaml", "SHA256SUMS"
_HASHED = (_ARRAYS, _CONFIG, _POSITION)


class CheckpointError(ExpectedError):
    """A checkpoint that cannot be used; the message names the file."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint that is not, bit for bit, what was written."""


_Count = Annotated[int, Field(strict=True, ge=0, le=sys.maxsize)]
_Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False)]
# Figures are float32, and no run has more than 1e9 steps: what is added later must not make a sum infinite.
_Sum = Annotated[float, Field(strict=True, ge=-1e48, le=1e48)]


@dataclass(frozen=True)
class Position:
    """Where a run stands beside its variables; its types are checked when it is read.

    Attributes:
        step: steps taken.
        data: fingerprint of the data.
        metrics_bytes: length of `metrics.jsonl`; rows after it are of steps that will be taken again.
        interval_steps, interval_sums: how many steps since its last row, and the sums of their figures by name.
        seconds, warm_up_seconds, sessions, interval_began: readings of the clock.
    """

    step: _Count
    data: Annotated[str, Field(strict=True, pattern="^[!-~]*$")]  # it is shown in a terminal
    metrics_bytes: _Count
    interval_steps: _Count
    interval_sums: dict[str, _Sum]
    seconds: _Seconds
    warm_up_seconds: _Seconds
    sessions: _Count
    interval_began: _Seconds

    __pydantic_config__ = ConfigDict(extra="forbid")


def write_checkpoint(
    path: Path, arrays: Mapping[str, NDArray[Any]], position: Position, config_text: str
) -> None:
    """Write the folder `path`, which must not exist.

    Raises:
        OSError: it could not be written; nothing is left under `path` then.
    """
    with atomic_directory(path) as folder:
        with new_file(folder / _ARRAYS) as file:
            write_arrays(file, arrays)
        place = json.dumps(asdict(position), allow_nan=False) + "\n"
        for name, text in ((_POSITION, place), (_CONFIG, config_text)):
            with new_file(folder / name) as file:
                file.write(text.encode())
        with new_file(folder / _SUMS) as file:
            file.write(_sums(folder))


def verify_checkpoint(path: Path) -> None:
    """Compare every file with its sum.

    Raises:
        DamagedCheckpointError: a file is missing, or one bit differs.
        CheckpointError: that cannot be told, because a file cannot be read.
    """
    try:
        whole = read_text(path / _SUMS, CHECKPOINT_TEXT_BYTES) == _sums(path).decode()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise DamagedCheckpointError(f"{error.filename}: {error.strerror}") from error
    except OSError as error:
        # It may be whole: what it holds must not be given up for a permission or a cable.
        raise CheckpointError(
            f"{error.filename or path}: {error.strerror or error}: make it readable, then resume"
        ) from error
    except ValueError as error:
        raise DamagedCheckpointError(f"{path}: damaged ({error})") from error
    if not whole:
        raise DamagedCheckpointError(f"{path}: damaged (a file differs from its sum in {_SUMS})")


def read_position(path: Path) -> Position:
    """The position in the checkpoint `path`; CheckpointError if what is there is not one."""
    file = path / _POSITION
    try:
        return TypeAdapter(Position).validate_python(parse_json(read_text(file, CHECKPOINT_TEXT_BYTES)))
    # RecursionError: thousands of brackets.
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            wrong = error.errors()[0]
            reason = ": ".join([*(shortened(str(key)) for key in wrong["loc"]), wrong["msg"]])
        raise CheckpointError(f"{file}: is not the position of a run ({reason})") from error


def read_config_text(path: Path) -> str:
    """The config that the checkpoint `path` belongs to; CheckpointError if it cannot be read."""
    try:
        return read_text(path / _CONFIG, CHECKPOINT_TEXT_BYTES)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path / _CONFIG}: cannot be read ({error})") from error


def read_state(path: Path, check: Callable[[Mapping[str, Header]], None]) -> dict[str, NDArray[Any]]:
    """The arrays in the checkpoint `path`; `check` sees their headers before a number is read.

    Raises:
        CheckpointError: the file is missing, damaged, or refused by `check` (with a ValueError).
    """
    file = path / _ARRAYS
    try:
        return read_arrays(file, check)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file}: {error}") from error


def _sums(folder: Path) -> bytes:
    lines = []
    for name in _HASHED:
        with open_to_read(folder / name) as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return "".join(lines).encode()
