"""The `cl` command as a process: `python -m cli` and the script that is installed."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn


def run() -> None:
    """Run the command and end the process at once.

    Every file is closed by then, and what is left, the end of TensorFlow, takes a second.
    """
    end(exit_code(_main))


def exit_code(command: Callable[[], None]) -> int:
    """Run a command; return the exit code that it ends with."""
    code: object = 0
    try:
        command()
    except KeyboardInterrupt:
        with suppress(OSError):
            print("error: stopped", file=sys.stderr)
        code = 130
    except SystemExit as stop:
        code = stop.code or 0
    if not isinstance(code, int):
        sys.exit(str(code))
    return code


def end(code: int) -> NoReturn:
    """End the process without its exit handlers; 1 instead of 0 where what was printed has no reader any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or 1
    os._exit(code)


def _main() -> None:
    # Here, because Ctrl-C may come this early.
    from centerloss_core.interrupts import stop_with_parent

    from .app import main

    stop_with_parent()
    main()


if __name__ == "__main__":
    run()
