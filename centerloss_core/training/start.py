"""Begin a run or resume one: what `cl train` checks before it trains. No framework is imported for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerloss_core.config import Config, load_config
from centerloss_core.errors import Warn
from centerloss_core.run_directory.manifest import read_manifest
from centerloss_core.run_directory.names import CONFIG, last_saved_step
from centerloss_core.run_directory.resume_check import begun_config, refuse_another_config
from centerloss_core.training.progress import ShowProgress
from centerloss_core.training.run import Result, resume, train


@dataclass(frozen=True)
class Start:
    """A run that is ready to train.

    Attributes:
        path: its directory.
        config: resolved.
        resumed_after: the step of the newest checkpoint; None for a new run.
        is_completed: whether there is nothing left to train.
    """

    path: Path
    config: Config
    resumed_after: int | None = None
    is_completed: bool = False

    def train(self, *, show: ShowProgress | None = None, warn: Warn | None = None) -> Result:
        """Train it to the end; see `centerloss_core.training.run` for the arguments and the errors."""
        if self.resumed_after is None:
            return train(self.config, self.path, show=show, warn=warn)
        return resume(self.path, show=show, warn=warn)


def prepare_resume(
    path: Path,
    config_file: Path | None = None,
    values: Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
) -> Start:
    """Look at a run that is to be resumed.

    Args:
        path: the run directory.
        config_file: the config that the run is expected to have; None: its own.
        values, settings: what is expected of it, as for `load_config`.

    Raises:
        RunError: it is not a run directory.
        ConfigError: a config is wrong.
        ChangedError: the run was begun with another config.
    """
    config = begun_config(path)
    if config_file is not None or values or settings:
        asked = load_config(
            config_file or path / CONFIG, values, settings=settings, may_be_a_pipe=config_file is not None
        )
        refuse_another_config(path, config, asked)
    is_completed = read_manifest(path).get("status") == "completed"
    return Start(path, config, last_saved_step(path), is_completed)
