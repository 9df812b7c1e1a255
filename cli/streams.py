"""The standard streams: messages as plain text, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from centerloss_core.config.problems import shortened
from centerloss_core.errors import ExpectedError

_LONGEST_LINE = 10_000


def prepare_streams() -> None:
    """Make printing safe: λ on a terminal that has no Greek becomes "?", a closed stream becomes the null device."""
    for descriptor, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            mode = os.O_RDONLY if descriptor == 0 else os.O_WRONLY
            os.dup2(os.open(os.devnull, mode), descriptor)
            setattr(sys, name, os.fdopen(descriptor, "r" if descriptor == 0 else "w"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def errors_as_messages() -> Iterator[None]:
    """Exit with one message for an error that the user can mend; let anything else be a traceback."""
    try:
        yield
    except ExpectedError as problem:
        error(str(problem), problem)
        raise SystemExit(problem.exit_code) from None
    except SystemExit as stop:
        if stop.code == 130:  # Typer ends with this at Ctrl-C, and prints nothing
            error("stopped")
        raise
    except KeyboardInterrupt as stop:
        error("stopped", stop)
        raise SystemExit(130) from None
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        error(f"{where}{problem.strerror or problem}", problem)
        raise SystemExit(1) from None


def error(message: str, cause: BaseException | None = None) -> None:
    """Print an error to the standard error, and below it the notes of its cause."""
    for line in (f"error: {message}", *getattr(cause, "__notes__", ())):
        _print(plain(line), sys.stderr)


def warn(message: str) -> None:
    """Print a warning to the standard error."""
    _print(plain(f"warning: {message}"), sys.stderr)


def say(message: str) -> None:
    """Print to the standard output."""
    _print(plain(message), sys.stdout)


def note(message: str) -> None:
    """Print a remark to the standard output."""
    say(f"note: {message}")


def say_json(content: object) -> None:
    """Print JSON for a program: ASCII, and lines of any length."""
    _print(json.dumps(content, indent=2), sys.stdout)


def plain(message: str) -> str:
    """Return the message without control characters and without endless lines: names in it may come from any file."""
    return "\n".join(shortened(line, _LONGEST_LINE) for line in message.split("\n"))


def _print(message: str, stream: TextIO) -> None:
    """Print; once the reader is gone (`cl … | head`) or the disk is full, print to the null device instead."""
    try:
        print(message, file=stream, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
