"""What a config may say: every section, each with its keys, their types, ranges, defaults and meanings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from centerloss_core.config.axes import flatten
from centerloss_core.config.base import Section
from centerloss_core.config.data import Data
from centerloss_core.config.loss import Loss, Ramp
from centerloss_core.config.model import Model
from centerloss_core.config.sweep import Override, Resources, Slurm, Sweep, Sweeps
from centerloss_core.config.train import Milestones, Train

__all__ = [
    "Config",
    "ConfigFile",
    "Data",
    "Loss",
    "Milestones",
    "Model",
    "Override",
    "Ramp",
    "Resources",
    "Slurm",
    "Sweep",
    "Train",
]


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
    def lambda_eq(self) -> float | None:
        """The weight λ in the paper's terms, where both losses are means over the batch; None without a term."""
        if self.loss.term.module is None:
            return None
        return self.loss.lambda_ * (1 if self.loss.reduction == "mean" else self.train.batch_size)

    def in_short(self) -> dict[str, Any]:
        """What `run.json` and tables say of it; null where it means nothing because there is no term."""
        loss = self.loss
        of_term = {
            "lambda": loss.lambda_,
            "alpha": loss.alpha,
            "reduction": loss.reduction,
            "lambda_eq": self.lambda_eq,
        }
        return {**(of_term if loss.term.module else dict.fromkeys(of_term)), "seed": self.train.seed}


class ConfigFile(Config):
    """A config file: a run, the sweep over it, and what differs between the runs."""

    sweep: Sweeps = Sweep()
    overrides: Annotated[tuple[Override, ...], Field(strict=False)] = ()
