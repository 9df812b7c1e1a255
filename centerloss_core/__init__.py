"""Softmax plus center loss on a small feature layer: the parts behind the `cl` command.

    from centerloss_core import CenterLoss, load_config, read_run, resume, train

docs/api.md shows how to use them. Importing this package loads nothing: each name is imported when it is first used,
and only `CenterLoss`, `resume` and `train` load Keras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from centerloss_core.config import load_config
    from centerloss_core.losses.center_loss import CenterLoss
    from centerloss_core.run_directory.reader import read_run
    from centerloss_core.training.run import resume, train

__all__ = ["CenterLoss", "load_config", "read_run", "resume", "train"]

_HOMES = {
    "CenterLoss": "losses.center_loss",
    "load_config": "config",
    "read_run": "run_directory.reader",
    "resume": "training.run",
    "train": "training.run",
}

if not TYPE_CHECKING:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
