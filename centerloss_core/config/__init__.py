"""The config of a run: one YAML file, strictly read, with every problem named by file and line.

    document = load_document(Path("configs/mnist.yaml"))   the file, read once
    config = resolve(document, {"loss.lambda": 0.1})        one run: flags, overrides and settings applied
    grid = resolve_sweep(document)                          every point of its `sweep` section
    text = dump_yaml(config)                                complete: loading it gives an equal config

Importing this package costs nothing: the first name that is taken from it loads pydantic and PyYAML, nothing heavier,
because a config error must answer at once. `config.axes` and `config.problems` do without them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from centerloss_core.config.data import Data
    from centerloss_core.config.documents import Document, dump_yaml, load_document
    from centerloss_core.config.flags import Flags, parse_flags, parse_list
    from centerloss_core.config.loss import Loss, Ramp
    from centerloss_core.config.model import Model
    from centerloss_core.config.problems import ConfigError, Problem
    from centerloss_core.config.resolving import Grid, Point, load_config, resolve, resolve_sweep
    from centerloss_core.config.schema import Config, ConfigFile
    from centerloss_core.config.sweep import Override, Resources, Slurm, Sweep
    from centerloss_core.config.train import Milestones, Train

__all__ = [
    "Config",
    "ConfigError",
    "ConfigFile",
    "Data",
    "Document",
    "Flags",
    "Grid",
    "Loss",
    "Milestones",
    "Model",
    "Override",
    "Point",
    "Problem",
    "Ramp",
    "Resources",
    "Slurm",
    "Sweep",
    "Train",
    "dump_yaml",
    "load_config",
    "load_document",
    "parse_flags",
    "parse_list",
    "resolve",
    "resolve_sweep",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in ("schema", "data", "loss", "sweep", "train", "documents", "flags", "resolving"):
            content = vars(importlib.import_module(f"{__name__}.{module}"))
            if name in content:
                return content[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
