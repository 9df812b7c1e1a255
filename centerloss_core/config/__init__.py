"""The config of a run: one YAML file, strictly read, with every problem named by file and line.

    document = load_document(Path("configs/mnist.yaml"))   the file, read once
    config = resolve(document, lambda_=0.1)                 one run: flags, overrides and settings applied
    points = resolve_sweep(document)                        every λ × α × seed of its `sweep` section
    text = dump_yaml(config)                                complete: loading it gives an equal config

Importing this package costs pydantic and PyYAML, nothing heavier: a config error must answer at once.
"""

from centerloss_core.config.documents import Document, dump_yaml, load_document
from centerloss_core.config.problems import ConfigError, Problem
from centerloss_core.config.resolving import load_config, parse_list, resolve, resolve_sweep, sweep_section
from centerloss_core.config.schema import (
    Config,
    ConfigFile,
    Data,
    Loss,
    Milestones,
    Model,
    Override,
    Ramp,
    Resources,
    Slurm,
    Sweep,
    Train,
    When,
)

__all__ = [
    "Config",
    "ConfigError",
    "ConfigFile",
    "Data",
    "Document",
    "Loss",
    "Milestones",
    "Model",
    "Override",
    "Problem",
    "Ramp",
    "Resources",
    "Slurm",
    "Sweep",
    "Train",
    "When",
    "dump_yaml",
    "load_config",
    "load_document",
    "parse_list",
    "resolve",
    "resolve_sweep",
    "sweep_section",
]
