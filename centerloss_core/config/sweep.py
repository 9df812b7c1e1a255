"""The sections `sweep` and `overrides`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, Tag, model_validator

from centerloss_core.config.axes import canonical
from centerloss_core.config.base import (
    BY_KIND,
    Count,
    Fraction,
    NotNegative,
    Positive,
    Says,
    Section,
    Seed,
    rule,
)
from centerloss_core.config.problems import shown

LAUNCH_KEYS = ("launcher", "resources", "slurm")  # of a sweep: how its runs are launched
DEFAULT_LAMBDAS = (0.0, 0.01, 0.1, 1.0)

# These become lines of a batch script: one word each, and nothing a shell or Slurm would read as more.
ClusterName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.,:@+-]{0,127}$"), Says("a name that Slurm knows")
]


class Resources(Section):
    """What one run of a sweep has to itself."""

    cpus: Count | None = None  # cores, and threads; null: all cores shared by --jobs, or 1 on a cluster
    # Whole ones, or a fraction of one; null: none on a cluster, as they come here.
    gpus: NotNegative | None = None
    memory: Positive | None = None  # GiB that ray or slurm sets aside

    @model_validator(mode="after")
    def _gpus_are_whole_or_one_is_shared(self) -> Self:
        if self.gpus is not None and self.gpus > 1 and self.gpus != int(self.gpus):
            raise rule(f"a whole number, or a fraction of one GPU; received {self.gpus!r}", "gpus")
        return self


class Slurm(Section):
    """What a Slurm cluster wants to know of a job; used by the launcher slurm."""

    cluster: Literal["slurm", "local"] = "slurm"  # local: processes here that behave like jobs, to try it out
    partition: ClusterName | None = None  # null: the cluster's default
    account: ClusterName | None = None  # null: the user's default
    qos: ClusterName | None = None  # null: the cluster's default
    constraint: ClusterName | None = None  # a feature that the nodes must have
    minutes: Count = 240  # time limit of a run; one that is over is requeued and goes on


def _differ(values: tuple[Any, ...]) -> tuple[Any, ...]:
    seen: set[str] = set()
    for value in values:
        if canonical(value) in seen:
            raise rule(f"{shown(value)} is there twice; the values of a sweep must differ")
        seen.add(canonical(value))
    return values


def _plain_names(variants: dict[str, Any]) -> dict[str, Any]:
    for name in variants:
        pattern = r"(?!lambda)(?=.{1,40}$)[A-Za-z][A-Za-z0-9_.+]*(-[A-Za-z0-9_.+]+)*"
        if not re.fullmatch(pattern, name):
            raise rule(
                f"the name of a variant begins with a letter, has at most 40 letters, digits and _.+-, and does not "
                f"begin with lambda; received {shown(name)}"
            )
    return variants


_Value = TypeVar("_Value")
Values = Annotated[tuple[_Value, ...], Field(min_length=1, strict=False), AfterValidator(_differ)]


class Sweep(Section):
    """The runs of `cl sweep`: every combination of the values of its axes.

    Without any of `lambda`, `grid` and `variants`, λ takes the values of `DEFAULT_LAMBDAS`, where the
    loss has a head and a term.
    """

    lambda_: Values[NotNegative] | None = Field(default=None, alias="lambda")  # values of loss.lambda
    alpha: Values[Fraction] | None = None  # values of loss.alpha
    seed: Values[Seed] | None = None  # values of train.seed
    # Values of other settings, by dotted key.
    grid: Annotated[
        dict[str, Annotated[Values[Any], Says("a non-empty list of values")]],
        Says("a mapping such as {model.feature_dim: [2, 8]}"),
    ] = Field(default_factory=dict)
    # Named bundles of settings, each a value of one axis.
    variants: Annotated[
        dict[str, Annotated[dict[str, Any], Says("a mapping such as {train.optimizer: sgd}")]],
        AfterValidator(_plain_names),
        Says("a mapping of names to settings such as {small: {model.channels: [8, 16, 16]}}"),
    ] = Field(default_factory=dict)
    # What starts the runs: processes of this machine, Ray, or Slurm.
    launcher: Literal["local", "ray", "slurm"] = "local"
    resources: Resources = Resources()
    slurm: Slurm = Slurm()


# One block, or several, whose runs are united.
Sweeps = Annotated[
    Annotated[Sweep, Tag("<mapping>")]
    | Annotated[tuple[Sweep, ...], Field(min_length=1, strict=False), Tag("<other>")],
    BY_KIND,
]


class Override(Section):
    """Values for some runs only: the post trains λ = 1.0 for 25,000 iterations, the others for 16,000."""

    # Dotted keys, or variant, and the values that a run must have, all of them.
    when: Annotated[dict[str, Any], Field(min_length=1), Says("a mapping such as {loss.lambda: 1.0}")]
    # Dotted keys and their values.
    settings: Annotated[
        dict[str, Any], Field(min_length=1), Says("a mapping such as {train.iterations: 25000}")
    ] = Field(alias="set")
