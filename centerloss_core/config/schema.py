"""What a config may say: every section, each with its keys, their types, ranges, defaults and meanings.

The longer sections have a file each: `data`, `loss`, `model`, `train`, and `sweep` for `sweep` and `overrides`.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from centerloss_core.config.axes import flatten
from centerloss_core.config.base import Section, rule
from centerloss_core.config.bounds import Room
from centerloss_core.config.data import AnyData
from centerloss_core.config.heads import Margin, MultiplicativeMargin
from centerloss_core.config.loss import Loss
from centerloss_core.config.model import Model
from centerloss_core.config.sweep import Override, Sweep, Sweeps
from centerloss_core.config.terms import Pairs
from centerloss_core.config.train import Train

# Settings that decide numbers which a step is given, or how long a run is, and nothing that is compiled or drawn from.
# One that is missing here costs a sweep over it a fresh program for each value, never a wrong result.
_NOT_COMPILED = tuple(
    f"{key}."
    for key in (
        *("loss.lambda", "loss.alpha", "loss.ramp"),
        *("loss.term.rate", "loss.term.delta", "loss.term.repulsion", "loss.term.temperature"),
        *("loss.head.scale", "loss.head.margin", "loss.head.margin_ramp", "loss.head.beyond_bound"),
        *("loss.head.temperature", "loss.head.pull", "loss.head.annealing"),
        *("train.epochs", "train.iterations", "train.learning_rate", "train.schedule", "train.momentum"),
        *("train.weight_decay", "train.head_rate", "train.seed", "train.early_stop"),
    )
)


class Config(Section):
    """One run, complete."""

    data: AnyData
    model: Model = Model()
    loss: Loss = Loss()
    train: Train

    @model_validator(mode="after")
    def _has_images_to_choose_by(self) -> Self:
        has_some = (
            self.data.validation or self.data.may_have_validation
        )  # those are looked for when it is loaded
        if self.train.keep_best is not None and not has_some:
            raise rule(
                "train.keep_best chooses by validation images: set data.validation, such as 1000", "data"
            )
        return self

    @model_validator(mode="after")
    def _has_the_figure_to_choose_by(self) -> Self:
        head, term = self.loss.head, self.loss.term
        why = {
            "accuracy": None if head.module else "with loss.head: none there are no logits",
            "nearest_center": None if head.points or term.points else "this loss has no centers",
        }.get(self.train.keep_best or "")
        if why:
            raise rule(
                f"{why}; nearest_mean, by the means of the classes, always exists", "train.keep_best", "loss"
            )
        return self

    @model_validator(mode="after")
    def _head_has_room(self) -> Self:
        if self.data.num_classes is None:  # only the images tell
            return self
        message = self.loss.head.impossible(self.model.feature_dim, self.data.num_classes)
        if message:
            raise rule(message, "loss.head.margin", "model.feature_dim")
        return self

    def allows(self) -> list[str]:
        """What head and term can reach with these settings in so many dimensions, a line for each that has a bound.

        Empty where only the images tell how many classes there are.
        """
        sampler, classes = self.train.sampler, self.data.num_classes
        if classes is None:
            return []
        images = sampler.images if sampler is not None and sampler.classes == classes else None
        room = Room(self.model.feature_dim, classes, images)
        term = self.loss.term if self.loss.lambda_ else None
        found = [part.allows(room) for part in (self.loss.head, term) if part is not None]
        return [line for line in found if line]

    def in_one_point(self, classes: int) -> float | None:
        """The value of the term where all features are in one point; None where it has no such."""
        train, term = self.train, self.loss.term
        if not isinstance(term, Pairs):
            return None
        if train.sampler is not None:
            share = 1 - (train.sampler.images - 1) / max(1, train.batch_size - 1)
        else:
            share = 1 - 1 / classes
        return term.in_one_point(train.batch_size, share)

    def settings(self) -> dict[str, Any]:
        """All settings by dotted key, as in YAML."""
        return flatten(self.model_dump(mode="json", by_alias=True, include=set(Config.model_fields)))

    @property
    def lambda_eq(self) -> float | None:
        """The weight λ in the paper's terms, where both losses are means over the batch; None without a term."""
        if self.loss.term.module is None:
            return None
        return self.loss.lambda_ * (1 if self.loss.reduction_in_force == "mean" else self.train.batch_size)

    @property
    def spans_the_run(self) -> str | None:
        """What makes a step depend on the length of the run, in words; None where a longer run begins alike."""
        if self.train.schedule == "one_cycle":
            return "its learning rate follows the whole run (train.schedule: one_cycle)"
        if isinstance(self.loss.head, Margin) and self.loss.head.margin_ramp:
            return "its margin grows over the run (loss.head.margin_ramp)"
        if isinstance(self.loss.head, MultiplicativeMargin) and self.loss.head.annealing.over:
            return "its margin comes in over the run (loss.head.annealing)"
        if self.loss.ramp is not None and self.loss.term.module is not None:
            return "its λ grows over the whole run (loss.ramp)"
        return None

    @property
    def program(self) -> str:
        """What its compiled training step and its data follow from, as text: runs that agree in it may share both."""
        settings = {
            key: value for key, value in self.settings().items() if not f"{key}.".startswith(_NOT_COMPILED)
        }
        return json.dumps(settings, sort_keys=True)

    @property
    def platform(self) -> tuple[Any, ...]:
        """What a framework fixes for the life of a process: runs that differ in it cannot share one."""
        return self.train.device, self.train.deterministic

    def in_short(self) -> dict[str, Any]:
        """What `run.json` and tables say of it; null where it means nothing to the term."""
        loss = self.loss
        of_term = {
            "lambda": loss.lambda_,
            "alpha": loss.term.scalars(loss).get("alpha"),
            "reduction": loss.reduction_in_force,
            "lambda_eq": self.lambda_eq,
        }
        return {
            **(of_term if loss.term.module else dict.fromkeys(of_term)),
            "seed": self.train.seed,
            "loss": loss.title,
            "class_points": loss.class_points,
            "is_angular": loss.is_angular,
        }


class ConfigFile(Config):
    """A config file: a run, the sweep over it, and what differs between the runs."""

    sweep: Sweeps = Sweep()
    overrides: Annotated[tuple[Override, ...], Field(strict=False)] = ()
