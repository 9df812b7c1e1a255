"""The terms: what `loss.term` may be."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from centerloss_core.config.base import OR_ITS_NAME, NotNegative, Positive
from centerloss_core.config.bounds import Room, apart, other_cosines, widest_angle
from centerloss_core.config.part import Part

if TYPE_CHECKING:
    from centerloss_core.config.loss import Loss


_Margin = Annotated[
    Annotated[Positive, Tag("<number>")] | Annotated[Literal["softplus"], Tag("<word>")],
    Discriminator(lambda value: "<word>" if isinstance(value, str) else "<number>"),
]


_COLLAPSES = "alone it costs least with all features in one point"


class _Term(Part):
    """A term.

    Attributes:
        reduces: whether it is a sum or mean over the batch, as `loss.reduction` says; else always a mean.
        needs_a_head: why it cannot be the whole loss; None where it can.
    """

    reduces: ClassVar[bool] = True
    needs_a_head: ClassVar[str | None] = _COLLAPSES


class Pairs(_Term):
    """A mean over pairs or triplets of images, which is not least with all of them in one point."""

    reduces = False
    needs_a_head = None

    @property
    def remedy(self) -> str:
        return "lower train.learning_rate, or begin with the weights of a softmax run (--init)"

    @abstractmethod
    def in_one_point(self, images: int, share: float) -> float:
        """Its value where all features are in one point.

        Args:
            images: m in a batch.
            share: of the pairs of a batch that are of two classes.
        """


class Center(_Term):
    """The center loss; its settings are the keys of `loss` beside `term`."""

    module = "center_loss"
    points = "center"
    name: Literal["center"] = "center"

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"alpha": loss.alpha}


class Contrastive(Pairs):
    """The contrastive loss of all pairs of a batch, a mean."""

    module = "contrastive"
    name: Literal["contrastive"] = "contrastive"
    margin: Positive = 1.0  # distance from which on two images of different classes cost nothing

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"distance_margin": self.margin}

    def in_one_point(self, images: int, share: float) -> float:
        return 0.5 * share * self.margin**2


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
    needs_a_head = "alone it knows nothing of classes"
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
    needs_a_head = None
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


class SupCon(Pairs):
    """The supervised contrastive loss, a mean."""

    module = "supcon"
    title = "SupCon"
    signs: ClassVar = {"temperature": "τ"}
    angular = True
    name: Literal["supcon"] = "supcon"
    temperature: Positive = 0.1  # of the softmax over the other images of a batch

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"pair_temperature": self.temperature}

    def in_one_point(self, images: int, share: float) -> float:
        return math.log(max(1, images - 1))

    def allows(self, room: Room) -> str | None:
        if room.images is None:
            return None
        # All images of a class in one point, which is one of K − 1 alike to each of them.
        cosines = other_cosines(room.dimensions, room.classes)
        others = sum(math.exp((each - 1) / self.temperature) for each in cosines)
        lowest = math.log(room.images - 1 + room.images * others)
        return (
            f"{self.in_words} {room.in_words}: {apart(room)}; with {room.images} images "
            f"of each class its loss cannot fall below {lowest:.3g}"
        )


class Triplet(Pairs):
    """The triplet loss, a mean."""

    module = "triplet"
    name: Literal["triplet"] = "triplet"
    # The triplets that count: semi_hard (FaceNet), batch_hard (Hermans et al.) or all that cost something.
    mining: Literal["semi_hard", "batch_hard", "all"] = "semi_hard"
    normalised: bool = True  # squared distances of features of length 1; false: distances of the features
    margin: _Margin = 0.2  # or softplus, which needs none

    def allows(self, room: Room) -> str | None:
        if not self.normalised or self.margin == "softplus":
            return None
        angle, is_exact = widest_angle(room.dimensions, room.classes)
        bound = 2 - 2 * math.cos(angle)
        can = "can" if is_exact else "may"
        reach = (
            f"its loss {can} reach 0"
            if self.margin <= bound
            else "its margin is more, so its loss stays above 0"
        )
        settings = f"triplet, margin {self.margin:g} {room.in_words}"
        return f"{settings}: {apart(room)} (squared distance {bound:.3g}); {reach}"

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"distance_margin": 0.0 if self.margin == "softplus" else float(self.margin)}

    def in_one_point(self, images: int, share: float) -> float:
        return math.log(2) if self.margin == "softplus" else float(self.margin)

    @property
    def remedy(self) -> str:
        if self.mining == "all":
            return super().remedy
        return f"{super().remedy}, or take loss.term.mining: all"


class NoTerm(_Term):
    """The head alone."""

    module = None
    needs_a_head = "without both there is nothing to learn from"
    name: Literal["none"] = "none"


Term = Annotated[
    Center | Contrastive | ContrastiveCenter | Git | Island | Ring | SupCon | Triplet | NoTerm,
    Field(discriminator="name"),
    OR_ITS_NAME,
]
