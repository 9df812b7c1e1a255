"""Settings of other programs that lie about on a machine: what a run computes must not depend on them.

Keras reads `keras.json` when it is imported, and imports matplotlib, which reads MPLBACKEND and a matplotlibrc, and
refuses a backend in them that is not installed. Importing this file loads neither.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_EMPTY = os.devnull
_FOR_THIS_PROGRAM = {
    "KERAS_HOME": _EMPTY,  # Keras finds no keras.json in it, and can make none
    "MATPLOTLIBRC": _EMPTY,
    "MPLBACKEND": "agg",  # figures become files, whatever a notebook's kernel says
}
# Keras imports these for wrappers and displays that nothing here uses. They take longer to import than Keras.
_IDLE = ("matplotlib", "pandas", "sklearn")
# Keras on JAX imports these for attention on TPUs and for sparse solvers: a third of its time. It must find something.
_STOOD_IN_FOR = ("jax.experimental.pallas.ops.tpu.splash_attention", "jax.experimental.sparse.linalg")


def isolate_process() -> None:
    """Ignore them in this process and in those that it starts. Only for a process that is this program's alone."""
    os.environ.update(_FOR_THIS_PROGRAM)


@contextmanager
def importing_keras() -> Iterator[None]:
    """Keras is imported in it: in a process of our own without what it imports for others' use."""
    is_isolated = _FOR_THIS_PROGRAM.items() <= os.environ.items()
    if not is_isolated:
        import_matplotlib()  # else Keras does
    jax = () if os.environ.get("KERAS_BACKEND") == "jax" else ("jax",)  # TensorFlow Lite imports it
    modules: dict[str, Any] = dict.fromkeys((*_IDLE, *jax))  # to import one raises ImportError
    modules |= {name: _Empty(name) for name in _STOOD_IN_FOR}
    hidden = {name: each for name, each in modules.items() if is_isolated and name not in sys.modules}
    sys.modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


class _Empty(ModuleType):
    """A module that has every name."""

    def __getattr__(self, name: str) -> None:
        return None


def import_matplotlib() -> None:
    """Import matplotlib, also where it refuses MPLBACKEND; for a process that belongs to somebody else's program."""
    try:
        import matplotlib
    except ValueError:
        os.environ.pop("MPLBACKEND", None)  # with it, nothing in this process could use matplotlib
        for name in [each for each in sys.modules if each.startswith("matplotlib.")]:
            del sys.modules[name]
        import matplotlib  # noqa: F401
