"""Imports that a run has no use for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

# Keras and TensorFlow import these where they are installed, for wrappers and galleries that are not called here; with
# mlxtend all three are, and they are a third of the time that `import keras` takes.
_UNUSED = ("matplotlib.pyplot", "pandas", "sklearn")


@contextmanager
def unused_imports_skipped() -> Iterator[None]:
    """Let Keras find optional libraries missing. Only for a process that does nothing but train: Keras remembers."""
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    skipped = [name for name in _UNUSED if name not in modules]
    modules.update(dict.fromkeys(skipped))  # None is Python's own sign for a module that cannot be imported
    try:
        yield
    finally:
        for name in skipped:
            del modules[name]
