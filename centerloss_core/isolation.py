"""Settings of other programs that lie about on a machine: what a run computes must not depend on them.

Keras reads `keras.json` when it is imported, and imports matplotlib, which reads MPLBACKEND and a matplotlibrc, and
refuses a backend in them that is not installed. Importing this file loads neither.
"""

from __future__ import annotations

import os
import sys

_EMPTY = os.devnull
_FOR_THIS_PROGRAM = {
    "KERAS_HOME": _EMPTY,  # Keras finds no keras.json in it, and can make none
    "MATPLOTLIBRC": _EMPTY,
    "MPLBACKEND": "agg",  # figures become files, whatever a notebook's kernel says
}


def isolate_process() -> None:
    """Ignore them in this process and in those that it starts. Only for a process that is this program's alone."""
    os.environ.update(_FOR_THIS_PROGRAM)


def import_matplotlib() -> None:
    """Import matplotlib, also where it refuses MPLBACKEND; for a process that belongs to somebody else's program."""
    try:
        import matplotlib
    except ValueError:
        os.environ.pop("MPLBACKEND", None)  # with it, nothing in this process could use matplotlib
        for name in [each for each in sys.modules if each.startswith("matplotlib.")]:
            del sys.modules[name]
        import matplotlib  # noqa: F401
