"""What a config may say: every section, each with its keys, their types, ranges, defaults and meanings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from centerloss_core.config.axes import flatten
from centerloss_core.config.base import Section
from centerloss_core.config.data import Data
from centerloss_core.config.loss import Loss
from centerloss_core.config.model import Model
from centerloss_core.config.sweep import Override, Sweep, Sweeps
from centerloss_core.config.train import Train


class Config(Section):
    """One run, complete."""

    data: Data
    model: Model = Model()
    loss: Loss = Loss()
    train: Train

    def settings(self) -> dict[str, Any]:
        """All settings by dotted key, as in YAML."""
        return flatten(self.model_dump(mode="json", by_alias=True, include=set(Config.model_fields)))

    @property
    def lambda_eq(self) -> float:
        """The weight λ in the paper's terms, where both losses are means over the batch."""
        if self.loss.reduction == "mean":
            return self.loss.lambda_
        return self.loss.lambda_ * self.train.batch_size


class ConfigFile(Config):
    """A config file: a run, the sweep over it, and what differs between the runs."""

    sweep: Sweeps = Sweep()
    overrides: Annotated[tuple[Override, ...], Field(strict=False)] = ()
