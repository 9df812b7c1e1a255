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
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

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


@dataclass(frozen=True)
class Position:
    """Where a run stands beside its variables.

    Attributes:
        step: steps taken.
        data: fingerprint of the data.
        metrics_bytes: length of `metrics.jsonl`; rows after it are of steps that will be taken again.
        interval_steps, interval_sums: how many steps since its last row, and the sums of their figures by name.
        seconds, warm_up_seconds, sessions, interval_began: readings of the clock.
    """

    step: int
    data: str
    metrics_bytes: int
    interval_steps: int
    interval_sums: dict[str, float]
    seconds: float
    warm_up_seconds: float
    sessions: int
    interval_began: float


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
        texts = {
            _POSITION: json.dumps(asdict(position), allow_nan=False) + "\n",
            _CONFIG: config_text,
        }
        for name, text in texts.items():
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
    """The position in the checkpoint `path`.

    Raises:
        CheckpointError: it is not one.
    """
    file = path / _POSITION
    try:
        return _checked(parse_json(read_text(file, CHECKPOINT_TEXT_BYTES)))
    # RecursionError: thousands of brackets.
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{file}: is not the position of a run ({error})") from error


def read_config_text(path: Path) -> str:
    """The config that the checkpoint `path` belongs to.

    Raises:
        CheckpointError: it cannot be read.
    """
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


def _checked(found: Any) -> Position:
    if not isinstance(found, dict) or found.keys() != {field.name for field in fields(Position)}:
        raise ValueError("other keys than expected")
    position = Position(**found)
    for name in ("step", "metrics_bytes", "sessions", "interval_steps"):
        value = getattr(position, name)
        if type(value) is not int or not 0 <= value <= sys.maxsize:
            raise ValueError(f"{name} must be an integer ≥ 0")
    for name in ("seconds", "warm_up_seconds", "interval_began"):
        if not _is_number(getattr(position, name)):
            raise ValueError(f"{name} must be a number")
    # It is shown to a person, whose terminal it must not reach unescaped.
    if not isinstance(position.data, str) or not position.data.isprintable():
        raise ValueError("data must be a fingerprint")
    sums = position.interval_sums
    if not isinstance(sums, dict) or not all(map(_is_sum, sums.values())):
        raise ValueError("interval_sums must be sums of figures by name")
    return position


def _is_sum(value: Any) -> bool:
    # Figures are float32, and no run has more than 1e9 steps: what is added later must not make it infinite.
    return _is_number(value) and abs(value) <= 1e48


def _is_number(value: Any) -> bool:
    # False for infinity and NaN, and for an integer that no float can hold.
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
