"""A process that trains one point of a sweep after another: `python -m cli.worker`, started by the launcher `local`.

Each line of its standard input is an order: the words of a `cl train`, and the file for what that prints. It answers
each that is completed with a line on its standard output. Where one fails it ends, with the exit code that `cl train`
would have: a failure may leave a framework in any state, and no other point shall begin in that.
"""

from __future__ import annotations

import codecs
import json
import os
import queue
import sys
from io import FileIO
from pathlib import Path

from .__main__ import end, exit_code


def run() -> None:
    """Follow orders until one fails, or until the sweep ends."""
    end(exit_code(_follow_orders))


def _follow_orders() -> None:
    from centerloss_core.interrupts import stop_with_parent
    from centerloss_core.training.reuse import programs_are_kept

    from .app import main

    orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    stop_with_parent(orders.put)
    answers = os.dup(1)
    # Loggers keep the stream that they find when a framework is imported. So it is one stream for all points, and what
    # is behind it changes.
    log = os.open(os.devnull, os.O_WRONLY)
    sys.stdout = sys.stderr = codecs.getwriter("utf-8")(FileIO(log, "wb"), "replace")
    with programs_are_kept():
        while True:
            order = json.loads(orders.get())
            _print_to(Path(order["log"]), log)
            sys.argv = ["cl", *order["words"]]
            if code := exit_code(main):
                sys.exit(code)
            os.write(answers, b"done\n")


def _print_to(path: Path, log: int) -> None:
    from centerloss_core.files.atomic import open_own_file

    opened = open_own_file(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(opened, log, inheritable=False)
    for stream in (1, 2):  # of native code
        os.dup2(opened, stream)
    os.close(opened)


if __name__ == "__main__":
    run()
