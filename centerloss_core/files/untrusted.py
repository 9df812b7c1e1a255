"""Untrusted directories: what is in them is checked before it is written to or read.

In place of a folder there may be a link to another one; in place of a file a pipe, a device, or more
than the memory holds. Importing this loads nothing that takes time.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

from centerloss_core.errors import ExpectedError
from centerloss_core.limits import FILE_BYTES, ROW_BYTES, ROWS_BYTES


class LinkError(ExpectedError):
    """Something else lies in the place of a folder that is written to; the message names it and the mend."""


class TooManyRowsError(ValueError):
    """More rows than are read; the message names the mend."""


def own_folder(path: Path) -> Path:
    """`path`, where a folder lies or nothing does yet: what is written, renamed and removed below it stays there.

    Raises:
        LinkError: it is a link, to whatever, or no folder.
        OSError: that cannot be told.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return path
    if stat.S_ISLNK(mode):
        raise LinkError(
            f"{path} is a link, and nothing is written through one: "
            "remove it, or put a copy of the folder that it leads to in its place"
        )
    if not stat.S_ISDIR(mode):
        raise LinkError(f"{path} is in the way of a folder of that name: remove it, or move it away")
    return path


# ---- Reading ---------------------------------------------------------------------------------------------------


def open_to_read(path: Path) -> BufferedReader:
    """Open a file, or what a link leads to, without waiting: no pipe is read, and no device.

    Raises:
        ValueError: it is something else than a file.
        OSError: it cannot be opened.
    """
    # O_NONBLOCK: without it, opening a pipe waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise ValueError("is a pipe or a device: put an ordinary file in its place")


def read_text(path: Path, most: int = FILE_BYTES) -> str:
    """All that a file says.

    Raises:
        ValueError: it is no file, larger than `most` bytes, or not UTF-8.
        OSError: it cannot be read.
    """
    with open_to_read(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise ValueError(f"is larger than {most >> 20} MiB")
        return file.read(most).decode()


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        ValueError: it is no file, or holds something else.
        OSError: it cannot be read.
    """
    try:
        content = parse_json(read_text(path))
    except RecursionError as error:
        raise ValueError(f"is nested too deeply: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object, found {type(content).__name__}")
    return content


def read_rows(path: Path) -> Iterator[str]:
    """The lines of a file that is appended to, one at a time; not the last one where its newline is still to come.

    Raises:
        TooManyRowsError: all together are too long, as those of a very long run may be.
        ValueError: it is no file, one line is too long, or it is not UTF-8.
        OSError: it cannot be read.
    """
    read = 0
    with open_to_read(path) as file:
        while (line := file.readline(ROW_BYTES)).endswith(b"\n"):
            if (read := read + len(line)) > ROWS_BYTES:
                raise TooManyRowsError(
                    f"is larger than {ROWS_BYTES >> 20} MiB, which is the most that is read: "
                    "a larger train.log_every writes fewer rows"
                )
            yield line[:-1].decode()
    if len(line) == ROW_BYTES:
        raise ValueError(f"has a line of more than {ROW_BYTES >> 10} KiB")


def parse_json(text: str) -> Any:
    """What a text of JSON says, in numbers that can be written as JSON again.

    Raises:
        ValueError: it is not JSON, or holds NaN, infinity, or a number beyond them such as 1e400.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite_float)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite_float(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise ValueError("a number is larger than any that can be written")
    return value
