"""The sections `sweep` and `overrides`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from centerloss_core.config.base import Count, Fraction, NotNegative, Positive, Says, Section, Seed, rule

MOST_SWEEP_POINTS = 1000

# These become lines of a batch script: one word each, and nothing a shell or Slurm would read as more.
ClusterName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.,:@+-]{0,127}$"), Says("a name that Slurm knows")
]


class Resources(Section):
    """What one run of a sweep has to itself."""

    cpus: Count | None = Field(
        default=None, description="cores, and threads; null: all cores shared by --jobs, or 1 on a cluster"
    )
    gpus: NotNegative | None = Field(
        default=None,
        description="whole ones, or a fraction of one; null: none on a cluster, as they come here",
    )
    memory: Positive | None = Field(default=None, description="GiB that ray or slurm sets aside")

    @model_validator(mode="after")
    def _gpus_are_whole_or_one_is_shared(self) -> Self:
        if self.gpus is not None and self.gpus > 1 and self.gpus != int(self.gpus):
            raise rule(f"a whole number, or a fraction of one GPU; received {self.gpus!r}", "gpus")
        return self


class Slurm(Section):
    """What a Slurm cluster wants to know of a job; used by the launcher slurm."""

    cluster: Literal["slurm", "local"] = Field(
        default="slurm", description="local: processes of this machine that behave like jobs, to try it out"
    )
    partition: ClusterName | None = Field(default=None, description="null: the cluster's default")
    account: ClusterName | None = Field(default=None, description="null: the user's default")
    qos: ClusterName | None = Field(default=None, description="null: the cluster's default")
    constraint: ClusterName | None = Field(default=None, description="a feature that the nodes must have")
    minutes: Count = Field(
        default=240, description="time limit of a run; one that is over is requeued and goes on"
    )


class Sweep(Section):
    """The runs of `cl sweep`: every λ × α × seed; null stands for the single value of loss or train."""

    lambda_: Annotated[tuple[NotNegative, ...], Field(min_length=1, strict=False)] = Field(
        default=(0.0, 0.01, 0.1, 1.0), alias="lambda", description="values of loss.lambda"
    )
    alpha: Annotated[tuple[Fraction, ...], Field(min_length=1, strict=False)] | None = Field(
        default=None, description="values of loss.alpha"
    )
    seed: Annotated[tuple[Seed, ...], Field(min_length=1, strict=False)] | None = Field(
        default=None, description="values of train.seed"
    )
    launcher: Literal["local", "ray", "slurm"] = Field(
        default="local", description="what starts the runs: processes of this machine, Ray, or Slurm"
    )
    resources: Resources = Resources()
    slurm: Slurm = Slurm()

    @field_validator("lambda_", "alpha", "seed")
    @classmethod
    def _differ(cls, values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        seen: set[float] = set()
        for value in values or ():
            if value in seen:
                raise rule(f"{value!r} is there twice; the values of a sweep must differ")
            seen.add(value)
        return values

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        points = math.prod(
            len(values) for values in (self.lambda_, self.alpha, self.seed) if values is not None
        )
        if points > MOST_SWEEP_POINTS:
            raise rule(
                f"this sweep has {points} runs; at most {MOST_SWEEP_POINTS}", "lambda", "alpha", "seed"
            )
        return self


class When(Section):
    """The runs that an override is for: all that are given must be equal."""

    lambda_: NotNegative | None = Field(default=None, alias="loss.lambda", description="equal to loss.lambda")
    alpha: Fraction | None = Field(default=None, alias="loss.alpha", description="equal to loss.alpha")
    seed: Seed | None = Field(default=None, alias="train.seed", description="equal to train.seed")

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.lambda_ is None and self.alpha is None and self.seed is None:
            raise rule("give at least one of loss.lambda, loss.alpha, train.seed")
        return self


class Override(Section):
    """Values for some runs only: the post trains λ = 1.0 for 25,000 iterations, the others for 16,000."""

    when: When
    settings: Annotated[
        dict[str, Any], Field(min_length=1), Says("a mapping such as {train.iterations: 25000}")
    ] = Field(alias="set", description="dotted keys and their values")
