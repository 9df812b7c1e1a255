"""The terms: what `loss.term` may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from centerloss_core.config.base import OR_ITS_NAME, NotNegative, Positive
from centerloss_core.config.part import Part

if TYPE_CHECKING:
    from centerloss_core.config.loss import Loss


_Margin = Annotated[
    Annotated[Positive, Tag("<number>")] | Annotated[Literal["softplus"], Tag("<word>")],
    Discriminator(lambda value: "<word>" if isinstance(value, str) else "<number>"),
]


class _Term(Part):
    """A term.

    Attributes:
        reduces: whether it is a sum or mean over the batch, as `loss.reduction` says; else always a mean.
    """

    reduces: ClassVar[bool] = True


class Center(_Term):
    """The center loss; its settings are the keys of `loss` beside `term`."""

    module = "center_loss"
    points = "center"
    name: Literal["center"] = "center"

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"alpha": loss.alpha}


class Contrastive(_Term):
    """The contrastive loss of all pairs of a batch, a mean."""

    module = "contrastive"
    reduces = False
    name: Literal["contrastive"] = "contrastive"
    margin: Positive = 1.0  # distance from which on two images of different classes cost nothing

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"distance_margin": self.margin}


class ContrastiveCenter(_Term):
    """The contrastive-center loss; `reduction` and `centers_start` of `loss` are for its centers too."""

    module = "contrastive_center"
    points = "center"
    name: Literal["contrastive_center"] = "contrastive_center"
    delta: Positive = 1.0  # δ, added to the distance to the other centers
    rate: Positive = 1.0  # learning rate of the centers relative to the network's

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"delta": self.delta, "term_rate": self.rate}


class Ring(_Term):
    """The ring loss: features of one length, which is learnt. A mean over the batch, whatever `reduction` says."""

    module = "ring"
    angular = True  # lengths are all the same, and only directions differ
    reduces = False
    name: Literal["ring"] = "ring"
    rate: Positive = 1.0  # learning rate of the radius relative to the network's

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"term_rate": self.rate}


class Git(_Term):
    """Git loss: the center loss, and repulsion from the centers of other classes."""

    module = "git_loss"
    points = "center"
    name: Literal["git"] = "git"
    repulsion: NotNegative = 1.0  # weight of the repulsion beside the center loss

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"alpha": loss.alpha, "repulsion": self.repulsion}


class Island(_Term):
    """Island loss: the center loss, and centers that turn away from one another."""

    module = "island"
    points = "center"
    name: Literal["island"] = "island"
    repulsion: NotNegative = 10.0  # weight λ₁ of the cosines between centers beside the center loss

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"alpha": loss.alpha, "repulsion": self.repulsion}


class SupCon(_Term):
    """The supervised contrastive loss, a mean."""

    module = "supcon"
    title = "SupCon"
    signs: ClassVar = {"temperature": "τ"}
    angular = True
    reduces = False
    name: Literal["supcon"] = "supcon"
    temperature: Positive = 0.1  # of the softmax over the other images of a batch

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"pair_temperature": self.temperature}


class Triplet(_Term):
    """The triplet loss, a mean."""

    module = "triplet"
    reduces = False
    name: Literal["triplet"] = "triplet"
    # The triplets that count: semi_hard (FaceNet), batch_hard (Hermans et al.) or all that cost something.
    mining: Literal["semi_hard", "batch_hard", "all"] = "semi_hard"
    normalised: bool = True  # squared distances of features of length 1; false: distances of the features
    margin: _Margin = 0.2  # or softplus, which needs none

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"distance_margin": 0.0 if self.margin == "softplus" else float(self.margin)}


class NoTerm(_Term):
    """The head alone."""

    module = None
    name: Literal["none"] = "none"


Term = Annotated[
    Center | Contrastive | ContrastiveCenter | Git | Island | Ring | SupCon | Triplet | NoTerm,
    Field(discriminator="name"),
    OR_ITS_NAME,
]
