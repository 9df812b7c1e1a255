"""The section `train`."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Literal, Self

from pydantic import Field, Tag, field_validator, model_validator

from centerloss_core.config.base import (
    BY_KIND,
    Count,
    Device,
    NotNegative,
    Positive,
    Section,
    Seed,
    at_most,
    rule,
)
from centerloss_core.limits import LARGEST_COUNT, LARGEST_FLOAT, MILESTONES


class Milestones(Section):
    """A learning rate that is multiplied by `factor` at each of the steps `milestones`."""

    milestones: Annotated[tuple[Count, ...], Field(min_length=1, strict=False)]  # steps, strictly increasing
    factor: Positive = 0.8  # what the rate is multiplied by at each milestone

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


# An error in a schedule has one of these tags in its path; `checking` takes it out.
Schedule = Annotated[
    Annotated[Literal["constant", "one_cycle"], Tag("<other>")] | Annotated[Milestones, Tag("<mapping>")],
    BY_KIND,
]


class EarlyStop(Section):
    """A run that ends when it does not become better any more."""

    patience: Count  # epochs without a better figure of `keep_best`


class ClassSampler(Section):
    """Batches of some classes, with as many images of each: what a loss of pairs or triplets needs."""

    classes: Annotated[int, Field(ge=2)]  # classes in a batch
    images: Annotated[int, Field(ge=2)]  # images of each class in a batch


class Augment(Section):
    """Random changes of the training images, anew in each step; what comes from outside of an image is 0."""

    shift: Annotated[int, Field(ge=0)] = 0  # pixels at most, up or down and to either side
    mirror: bool = False  # left and right, of one image in two
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0  # degrees at most, either way about the middle
    cutout: Annotated[int, Field(ge=0)] = 0  # side of a square, in pixels, that is 0 anywhere in the image

    @property
    def changes(self) -> bool:
        """Whether anything is changed."""
        return self != Augment()

    def impossible(self, height: int, width: int) -> str | None:
        """Why images of so many pixels cannot be changed like this; None where they can."""
        for key in ("shift", "cutout"):
            if getattr(self, key) >= min(height, width):
                return (
                    f"train.augment.{key} is {getattr(self, key)} pixels, and may leave nothing of images of "
                    f"{height}×{width}: it must be less than {min(height, width)}"
                )
        return None


class Train(Section):
    """How long, how fast, on what, and what is written on the way."""

    epochs: Count | None = None  # passes over the training set; or give iterations
    iterations: Count | None = None  # steps of one batch; or give epochs
    # Images in a step.
    batch_size: Annotated[int, Field(ge=1), at_most(LARGEST_COUNT, "no data set has so many images")] = 100
    # Batches of `classes` classes with `images` images of each; null: every image once an epoch, in any order.
    sampler: ClassSampler | None = None
    augment: Augment | None = None  # random changes of the training images; null: none
    # Of the network; centers have their own rule. muon: for convolutions, Adam for the rest.
    optimizer: Literal["adam", "sgd", "muon"] = "adam"
    learning_rate: Positive = 1e-3  # the rate at the start, or the peak of one_cycle
    schedule: Schedule = "constant"  # the learning rate through the run
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9  # used by sgd
    weight_decay: NotNegative = 0.0  # L2 on kernels, added to the gradient as in Caffe
    head_rate: Positive = 1.0  # learning rate of the softmax head relative to the rest
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # of the convolutions
    deterministic: bool = True  # same seed, same device: the same run, bit for bit
    seed: Seed = 0  # of the weights at the start and the order of batches
    device: Device = "auto"  # auto, cpu, gpu or gpu:N
    log_every: Count = 50  # steps between rows of metrics.jsonl
    checkpoint_every: Count | None = None  # steps; null: at the end of every epoch
    checkpoint_seconds: Positive | None = 10.0  # and after this time; null: never for that reason
    # Keep the checkpoint of the epoch with the best figure on the validation images, beside the last ones.
    keep_best: Literal["accuracy", "nearest_center", "nearest_mean"] | None = None
    early_stop: EarlyStop | None = (
        None  # end before `epochs` when `keep_best` finds no better one; null: never
    )
    dump_every_epoch: bool = True  # write the test features after every epoch
    # Steps; after so many, and after the last, write the features of 1,000 test images, for an animation; null: never.
    dump_every: Count | None = None
    # Training images in the final dump, each class in proportion; null: all of them.
    dump_train: Count | None = 2000
    tensorboard: bool = False  # write the run for TensorBoard too; needs the extra `tensorboard`

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if self.epochs is None and self.iterations is None:
            raise rule("give either epochs or iterations (an integer ≥ 1)", "epochs", "iterations")
        if self.epochs is not None and self.iterations is not None:
            raise rule("give either epochs or iterations, not both", "epochs", "iterations")
        return self

    @model_validator(mode="after")
    def _batch_is_that_of_the_sampler(self) -> Self:
        if self.sampler is None:
            return self
        size = self.sampler.classes * self.sampler.images
        if size != self.batch_size:
            raise rule(
                f"{self.sampler.classes} classes with {self.sampler.images} images of each are {size} images, and "
                f"batch_size is {self.batch_size}: set train.batch_size to {size}, or change the sampler",
                "batch_size",
                "sampler",
            )
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

    @model_validator(mode="after")
    def _stops_by_a_figure(self) -> Self:
        if self.early_stop is not None and self.keep_best is None:
            raise rule(
                "early_stop needs keep_best: accuracy, nearest_center or nearest_mean",
                "early_stop",
                "keep_best",
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
