"""The section `loss`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from centerloss_core.config.base import Fraction, NotNegative, Positive, Section, rule
from centerloss_core.config.heads import Head, Softmax
from centerloss_core.config.terms import Center, Term, Triplet


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


class Loss(Section):
    """The loss of the head, plus λ times a term of the features."""

    head: Head = Softmax()  # from features to logits, and the loss of these; none: the term is the whole loss
    term: Term = Center()  # what is added, λ times; none: nothing
    lambda_: NotNegative = Field(default=0.01, alias="lambda")  # weight λ of the term
    alpha: Fraction = 0.5  # rate α at which centers follow the features
    # How centers follow: eq4 (the paper), gradient (of the batch mean of the center loss), ema (decay 1 − α).
    center_update: Literal["eq4", "gradient", "ema"] = "eq4"
    # Of the term over a batch: sum (λ counts batch_size times as much) or mean (the paper).
    reduction: Literal["sum", "mean"] = "sum"
    centers_start: Literal["zeros", "xavier"] = "zeros"  # centers before the first step
    ramp: Ramp | None = None  # how λ rises through the run; null: whole from the first step

    @model_validator(mode="after")
    def _has_something_to_learn_from(self) -> Self:
        if self.head.module is not None:
            return self
        if why := self.term.needs_a_head:
            raise rule(f"term {self.term.name} cannot go with head none: {why}", "term", "head")
        if self.lambda_ == 0:
            raise rule(
                "with head none, λ = 0 leaves nothing to learn from: set loss.lambda above 0, such as 1",
                "lambda",
                "head",
            )
        if self.ramp is not None:
            raise rule(
                "with head none there is nothing to learn from before λ rises: set loss.ramp to null",
                "ramp",
                "head",
            )
        return self

    @property
    def reduction_in_force(self) -> Literal["sum", "mean"]:
        """How the term is reduced over a batch: some are always a mean."""
        return self.reduction if self.term.reduces else "mean"

    @property
    def is_angular(self) -> bool:
        """Whether classes differ in the directions of their features, for the head or a term that has weight."""
        term = self.term
        is_normalised = isinstance(term, Triplet) and term.normalised
        return self.head.angular or (self.lambda_ > 0 and (term.angular or is_normalised))

    @property
    def title(self) -> str:
        """Head, term and λ in a few words: `ArcFace s 16, m 0.3`, `softmax + ring λ 0.01`, `triplet`."""
        if self.head.module is None:
            return self.term.in_words
        head = self.head.in_words
        return f"{head} + {self.term.in_words} λ {self.lambda_:g}" if self.term.module else head

    @property
    def class_points(self) -> str | None:
        """What the points of the classes are in a feature dump, such as "center"; None where there are none."""
        return self.term.points or self.head.points
