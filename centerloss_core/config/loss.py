"""The section `loss`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, Tag, model_validator

from centerloss_core.config.base import BY_NAME, Fraction, Named, NotNegative, Positive, Section, rule


class Ramp(Section):
    """λ through a run: 0 until `start`, then rising linearly in log λ, the whole λ from `end` on.

    Every λ rises from the same value: features shrink along the way, and a larger λ goes the same way further.
    """

    start: Fraction = Field(default=0.1, description="fraction of the run at which λ leaves 0")
    end: Fraction = Field(default=0.7, description="fraction of the run from which λ is whole")
    from_: Positive = Field(
        default=1e-5, alias="from", description="λ rises from this value; one that is smaller does not rise"
    )

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> Self:
        if self.start >= self.end:
            raise rule(
                f"start must be below end; received start {self.start}, end {self.end}", "start", "end"
            )
        return self


class Part(Named):
    """A head or a term.

    Attributes:
        module: its file in `centerloss_core/losses/`; None for no term at all.
    """

    module: ClassVar[str | None]

    def scalars(self, loss: Loss) -> dict[str, float]:
        """The numbers that its layer needs in every training step, by the names that the layer asks for."""
        return {}


class Softmax(Part):
    """Softmax cross-entropy of a linear layer."""

    module = "softmax"
    name: Literal["softmax"] = "softmax"


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


Head = Softmax  # with a second one: a union as below
Term = Annotated[Annotated[Center, Tag("center")] | Annotated[NoTerm, Tag("none")], BY_NAME]


class Loss(Section):
    """The loss of the head, plus λ times a term of the features."""

    head: Head = Field(default=Softmax(), description="from features to logits, and the loss of these")
    term: Term = Field(default=Center(), description="what is added, λ times; none: nothing")
    lambda_: NotNegative = Field(default=0.01, alias="lambda", description="weight λ of the center loss")
    alpha: Fraction = Field(default=0.5, description="rate α at which centers follow the features")
    reduction: Literal["sum", "mean"] = Field(
        default="sum",
        description="center loss over a batch: sum (λ counts batch_size times as much) or mean (the paper)",
    )
    centers_start: Literal["zeros", "xavier"] = Field(
        default="zeros", description="centers before the first step"
    )
    ramp: Ramp | None = Field(
        default=None, description="how λ rises through the run; null: whole from the first step"
    )
