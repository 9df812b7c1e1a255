"""The `cl` command as a process: `python -m cli` and the script that is installed."""

import os
import sys
from contextlib import suppress


def run() -> None:
    """Run the command and end the process at once.

    Every file is closed by then, and what is left, the end of TensorFlow, takes a second.
    """
    code: object = 0
    try:
        from .app import main  # here, because Ctrl-C may come this early

        main()
    except KeyboardInterrupt:
        with suppress(OSError):
            print("error: stopped", file=sys.stderr)
        code = 130
    except SystemExit as stop:
        code = stop.code or 0
    if not isinstance(code, int):
        sys.exit(str(code))
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # its reader is gone
            code = code or 1
    os._exit(code)


if __name__ == "__main__":
    run()
