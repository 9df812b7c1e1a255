"""The section `loss`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from centerloss_core.config.base import OR_ITS_NAME, Fraction, NotNegative, Positive, Section, rule
from centerloss_core.config.heads import Head, Softmax
from centerloss_core.config.part import Part


class Ramp(Section):
    """λ through a run: 0 until `start`, then rising linearly in log λ, the whole λ from `end` on.

    Every λ rises from the same value: features shrink along the way, and a larger λ goes the same way further.
    """

    start: Fraction = 0.1  # fraction of the run at which λ leaves 0
    end: Fraction = 0.7  # fraction of the run from which λ is whole
    # λ rises from this value; one that is smaller does not rise.
    from_: Positive = Field(default=1e-5, alias="from")

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> Self:
        if self.start >= self.end:
            raise rule(
                f"start must be below end; received start {self.start}, end {self.end}", "start", "end"
            )
        return self


class Center(Part):
    """The center loss; its settings are the keys of `loss` beside `term`."""

    module = "center_loss"
    name: Literal["center"] = "center"

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"alpha": loss.alpha}


class NoTerm(Part):
    """The head alone."""

    module = None
    name: Literal["none"] = "none"


Term = Annotated[Center | NoTerm, Field(discriminator="name"), OR_ITS_NAME]


class Loss(Section):
    """The loss of the head, plus λ times a term of the features."""

    head: Head = Softmax()  # from features to logits, and the loss of these
    term: Term = Center()  # what is added, λ times; none: nothing
    lambda_: NotNegative = Field(default=0.01, alias="lambda")  # weight λ of the center loss
    alpha: Fraction = 0.5  # rate α at which centers follow the features
    # Of the center loss over a batch: sum (λ counts batch_size times as much) or mean (the paper).
    reduction: Literal["sum", "mean"] = "sum"
    centers_start: Literal["zeros", "xavier"] = "zeros"  # centers before the first step
    ramp: Ramp | None = None  # how λ rises through the run; null: whole from the first step
