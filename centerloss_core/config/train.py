"""The section `train`."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from centerloss_core.config.base import Count, Device, NotNegative, Positive, Section, Seed, at_most, rule
from centerloss_core.limits import BATCH_SIZE, LARGEST_FLOAT, MILESTONES


class Milestones(Section):
    """A learning rate that is multiplied by `factor` at each of the steps `milestones`."""

    milestones: Annotated[tuple[Count, ...], Field(min_length=1, strict=False)] = Field(
        description="steps at which the rate is multiplied, strictly increasing"
    )
    factor: Positive = Field(default=0.8, description="what the rate is multiplied by at each milestone")

    @field_validator("milestones")
    @classmethod
    def _increase(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if len(steps) > MILESTONES:
            raise rule(f"{len(steps)} milestones; at most {MILESTONES}")
        if any(later <= earlier for earlier, later in itertools.pairwise(steps)):
            raise rule("milestones must increase strictly")
        return steps

    @model_validator(mode="after")
    def _rate_stays_a_number(self) -> Self:
        if len(self.milestones) * math.log10(self.factor) > math.log10(LARGEST_FLOAT):
            raise rule(
                f"after {len(self.milestones)} milestones the rate would be more than {LARGEST_FLOAT:g} times as large",
                "factor",
                "milestones",
            )
        return self


def _kind_of_schedule(value: object) -> str:
    return "<milestones>" if isinstance(value, dict | Milestones) else "<name>"


# An error in a schedule has one of these tags in its path; `checking` takes it out.
Schedule = Annotated[
    Annotated[Literal["constant", "one_cycle"], Tag("<name>")] | Annotated[Milestones, Tag("<milestones>")],
    Discriminator(_kind_of_schedule),
]


class Train(Section):
    """How long, how fast, on what, and what is written on the way."""

    epochs: Count | None = Field(default=None, description="passes over the training set; or give iterations")
    iterations: Count | None = Field(default=None, description="steps of one batch; or give epochs")
    batch_size: Annotated[int, Field(ge=1), at_most(BATCH_SIZE, "MNIST has no more training images")] = Field(
        default=100, description="images in a step"
    )
    optimizer: Literal["adam", "sgd", "muon"] = Field(
        default="adam",
        description="for the network; centers have their own rule; muon: for convolutions, Adam for the rest",
    )
    learning_rate: Positive = Field(
        default=1e-3, description="the rate at the start, or the peak of one_cycle"
    )
    schedule: Schedule = Field(default="constant", description="the learning rate through the run")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="used by sgd")
    weight_decay: NotNegative = Field(
        default=0.0, description="L2 on kernels, added to the gradient as in Caffe"
    )
    head_rate: Positive = Field(
        default=1.0, description="learning rate of the softmax head relative to the rest"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of the convolutions"
    )
    deterministic: bool = Field(default=True, description="same seed, same device: the same run, bit for bit")
    seed: Seed = Field(default=0, description="of the weights at the start and the order of batches")
    device: Device = Field(default="auto", description="auto, cpu, gpu or gpu:N")
    log_every: Count = Field(default=50, description="steps between rows of metrics.jsonl")
    checkpoint_every: Count | None = Field(default=None, description="steps; null: at the end of every epoch")
    checkpoint_seconds: Positive | None = Field(
        default=10.0, description="and whenever this time has passed; null: never for that reason"
    )
    dump_every_epoch: bool = Field(default=True, description="write the test features after every epoch")
    dump_train: Count | None = Field(
        default=2000,
        description="training images in the final dump, each class in proportion; null: all of them",
    )
    tensorboard: bool = Field(
        default=False, description="write the run for TensorBoard too; needs the extra `tensorboard`"
    )

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if self.epochs is None and self.iterations is None:
            raise rule("give either epochs or iterations (an integer ≥ 1)", "epochs", "iterations")
        if self.epochs is not None and self.iterations is not None:
            raise rule("give either epochs or iterations, not both", "epochs", "iterations")
        return self

    @model_validator(mode="after")
    def _decays_where_that_means_something(self) -> Self:
        if self.optimizer == "muon" and self.weight_decay:
            raise rule(
                "muon takes only the direction of a gradient, so L2 added to it has no strength: "
                "set it to 0, or take adam or sgd",
                "weight_decay",
            )
        return self

    def total_steps(self, train_size: int) -> int:
        """Steps of the whole run on `train_size` images: iterations, or epochs·n / batch_size rounded up."""
        if train_size < 1:
            raise ValueError(f"train_size must be at least 1; received {train_size}")
        if self.iterations is not None:
            return self.iterations
        assert self.epochs is not None  # by _has_one_length
        # Integers throughout: a float would round a long run.
        return -(-self.epochs * train_size // self.batch_size)
