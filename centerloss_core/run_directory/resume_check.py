"""What is resumed must be what was begun."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from centerloss_core.config import Config, dump_yaml, load_config
from centerloss_core.errors import ExpectedError
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.manifest import read_manifest
from centerloss_core.run_directory.names import CONFIG, MANIFEST, checkpoints, is_sweep


class ChangedError(ExpectedError):
    """What is to be resumed is not what was begun; the message shows the difference."""

    exit_code = 2


def refuse_changes(begun: str, now: str, complaint: str) -> None:
    """Raise ChangedError, with complaint and difference, if two texts differ by more than how lines end."""
    before, after = begun.splitlines(), now.splitlines()
    if before == after:
        return
    names = "as it was begun", "as it is asked for now"
    lines = difflib.unified_diff(before, after, *names, lineterm="", n=1)
    raise ChangedError("\n".join([f"{complaint}:", *(f"  {line}" for line in lines)]))


def refuse_other_data(path: Path, begun: object, now: str) -> None:
    """Raise ChangedError if the data's fingerprint is not the one, if known, that the run in `path` was begun with."""
    if isinstance(begun, str) and begun != now:
        raise ChangedError(
            f"{path}: the data is not what the run was begun with (fingerprint {now}, then {begun}): "
            "put the same data back, or begin a new run"
        )


def begun_config(path: Path) -> Config:
    """The config that the run in `path` was begun with.

    Raises:
        RunError: it is not a run directory, or its `config.yaml` is missing.
        ConfigError: its `config.yaml` is wrong.
    """
    if is_sweep(path):
        raise RunError(f"{path} is a sweep: cl sweep --resume {shlex.quote(str(path))}")
    read_manifest(path)
    config = path / CONFIG
    if not os.path.lexists(config):
        raise RunError(f"{config} is missing, and a run is resumed as it was begun: {_config_back(path)}")
    return load_config(config)


def _config_back(path: Path) -> str:
    """Where the `config.yaml` of the run in `path` can be had again."""
    config = path / CONFIG
    copies = [each / CONFIG for each in checkpoints(path) if (each / CONFIG).is_file()]
    if copies:  # to the letter, as resuming from that checkpoint asks for
        return f"put it back: {shlex.join(['cp', str(copies[-1]), str(config)])}"
    return (
        f'put it back as it was ({path / MANIFEST} keeps it as "config"), or begin anew in another directory'
    )


def refuse_another_config(path: Path, begun: Config, asked: Config) -> None:
    """Raise ChangedError, with the difference, unless the run in `path` was begun with the config asked for."""
    complaint = f"{path} was begun with another config, and a run is resumed as it was begun"
    refuse_changes(dump_yaml(begun), dump_yaml(asked), complaint)


def refuse_changed_config(path: Path, manifest: Mapping[str, Any], config: Config) -> None:
    """Raise ChangedError, with the difference, if `config.yaml` is not what the run's manifest keeps of it."""
    kept = manifest.get("config")
    try:
        begun = Config.model_validate(kept)
    except ValidationError as error:
        raise ChangedError(f"{path / MANIFEST}: its config was changed: put it back as it was") from error
    complaint = (
        f"{path / 'config.yaml'} was changed after the run was begun, and a run is resumed as it was begun"
    )
    refuse_changes(dump_yaml(begun), dump_yaml(config), complaint)
