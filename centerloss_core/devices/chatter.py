"""A terminal without what frameworks print when they start."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import IO


@contextlib.contextmanager
def chatter_to(log: IO[bytes]) -> Iterator[None]:
    """Send what native code writes to the standard error, TensorFlow's and XLA's above all, to an open file.

    They write to file descriptor 2 from C++, so `sys.stderr` cannot catch it. Python's own `sys.stderr` still reaches
    the terminal. One that is no file of its own, such as Rich's under a line that renews itself, is left in its place:
    it knows what else is on the terminal.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    sys.stderr.flush()
    terminal = os.dup(2)
    python_stderr = sys.stderr
    try:
        os.dup2(log.fileno(), 2)
        if not isinstance(python_stderr, io.TextIOWrapper):
            yield
            return
        encoding, errors = python_stderr.encoding, python_stderr.errors
        # Never closed here: TensorFlow's logger keeps the stream that it finds when it is imported.
        sys.stderr = os.fdopen(os.dup(terminal), "w", 1, encoding=encoding, errors=errors)
        yield
    finally:
        sys.stderr = python_stderr
        os.dup2(terminal, 2)
        os.close(terminal)
