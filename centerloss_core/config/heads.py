"""The heads: what `loss.head` may be."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from centerloss_core.config.base import OR_ITS_NAME, Fraction, NotNegative, Positive, Section
from centerloss_core.config.bounds import Room, apart, cross_entropy_of, other_cosines, widest_angle
from centerloss_core.config.part import Part

if TYPE_CHECKING:
    from centerloss_core.config.loss import Loss


class HeadPart(Part):
    """A head.

    Attributes:
        rule: which class wins: the one with the largest "linear" function of the feature, or the one whose weights or
            point are nearest by "cosine" or "distance".
    """

    rule: ClassVar[Literal["linear", "cosine", "distance"]] = "linear"


class Softmax(HeadPart):
    """Softmax cross-entropy of a linear layer."""

    module = "softmax"
    name: Literal["softmax"] = "softmax"


class Cosines(HeadPart):
    """Softmax on cosines times a scale."""

    module = "margins"
    angular = True
    rule = "cosine"
    signs: ClassVar = {"scale": "s"}
    scale: Positive = 16.0  # s: logits are s times cosines

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"scale": self.scale}

    def allows(self, room: Room) -> str | None:
        reach = _out_of_reach(self._best(room, 1.0), self._best(room, 1.0))
        return f"{self.in_words} {room.in_words}: {apart(room)}; {reach}"

    def _best(self, room: Room, own: float) -> float:
        """The loss of features on weights as far apart as can be, where the own class has this in place of cosine 1.

        No other has a lower mean over classes of one size, with a margin that can be kept. In between the plane and
        k − 1 dimensions there is no room for it, and it is a bound.
        """
        cosines = other_cosines(room.dimensions, room.classes)
        return cross_entropy_of([self.scale * (each - own) for each in cosines])


class NormFace(Cosines):
    """Softmax on cosines times a scale."""

    title = "NormFace"
    name: Literal["normface"] = "normface"


class Margin(Cosines):
    """NormFace with a margin on the angle of an image's own class."""

    bound_in_words: ClassVar[str]  # of the margin, of the angle θ between neighbouring classes
    signs: ClassVar = {"scale": "s", "margin": "m"}
    unit: ClassVar[str] = ""
    margin: float
    margin_ramp: Fraction = 0.0  # fraction of the run over which the margin grows from 0, linearly
    beyond_bound: bool = False  # train with a margin that no features can satisfy

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"scale": self.scale, "margin": self.margin}

    @abstractmethod
    def bound_at(self, angle: float) -> float:
        """What the margin must stay below, where neighbouring classes are so many radians apart."""

    @abstractmethod
    def own(self) -> float:
        """What a feature on its weights has in place of its cosine 1."""

    @property
    def remedy(self) -> str:
        return f"{super().remedy}, or let the margin grow with loss.head.margin_ramp"

    def allows(self, room: Room) -> str | None:
        angle, is_exact = widest_angle(room.dimensions, room.classes)
        bound = self.bound_at(angle)
        limit = f"(margin < {bound:.3g}{'' if is_exact else ' at most'})"
        best = self._best(room, self.own())
        reach = _out_of_reach(best, self._best(room, 1.0))
        if self.margin >= bound:
            reach = f"features on their weights do not win, and have a loss of {best:.2g}"
        return f"{self.in_words}{self.unit} {room.in_words}: {apart(room)} {limit}; {reach}"

    def impossible(self, dimensions: int, classes: int) -> str | None:
        # No feature would win, though it lay on the weights of its class.
        angle, is_exact = widest_angle(dimensions, classes)
        bound = self.bound_at(angle)
        if self.beyond_bound or self.margin == 0 or self.margin < bound:
            return None
        return (
            f"no features of {dimensions} dimensions can keep the margin {self.margin:g} between {classes} classes: it "
            f"must be below {bound:.3g} ({self.bound_in_words}{'' if is_exact else ', at most'}); "
            "beyond_bound: true trains with it all the same"
        )


class CosFace(Margin):
    """Logit s·(cosθ − m) of an image's own class."""

    bound_in_words = "1 − cosθ, θ the widest angle between neighbouring classes"
    title = "CosFace"
    name: Literal["cosface"] = "cosface"
    margin: Annotated[float, Field(ge=0, le=2)] = 0.1  # m: what is taken off the cosine

    def bound_at(self, angle: float) -> float:
        return 1 - math.cos(angle)

    def own(self) -> float:
        return 1 - self.margin


class ArcFace(Margin):
    """Logit s·cos(θ + m) of an image's own class."""

    bound_in_words = "the widest angle between neighbouring classes"
    title = "ArcFace"
    unit = " rad"
    name: Literal["arcface"] = "arcface"
    margin: Annotated[float, Field(ge=0, le=3.14)] = 0.3  # m: what is added to the angle, in radians
    easy_margin: bool = False  # no margin for images more than a right angle away from their class

    def bound_at(self, angle: float) -> float:
        return angle

    def own(self) -> float:
        return math.cos(self.margin)


class Annealing(Section):
    """How a margin comes in: its share in a logit is 1/(1 + a), and a falls, linearly in log(1 + a)."""

    start: NotNegative = 1000.0  # a at the first step
    end: NotNegative = 5.0  # a at last
    over: Fraction = 0.5  # fraction of the run over which it falls


class ToNothing(Annealing):
    """Annealing after which the margin is whole."""

    end: NotNegative = 0.0  # a at last


class MultiplicativeMargin(HeadPart):
    """Logits with a margin that multiplies the angle of an image's own class."""

    module = "multiplicative_margins"
    angular = True
    signs: ClassVar = {"margin": "m"}
    margin: Annotated[int, Field(ge=1, le=4)] = 4  # m: times the angle; 1 is none
    annealing: Annealing

    @property
    def remedy(self) -> str:
        return f"{super().remedy}, or let the margin come in later or less (loss.head.annealing: over, end)"

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"margin": float(self.margin), "annealing": self.annealing.end}


class SphereFace(MultiplicativeMargin):
    """Logits of weights of length 1: ‖x‖·cosθ."""

    rule = "cosine"
    title = "SphereFace"
    name: Literal["sphereface"] = "sphereface"
    annealing: Annealing = Annealing()  # how the margin comes in


class LSoftmax(MultiplicativeMargin):
    """Logits of weights of any length: ‖w‖‖x‖·cosθ."""

    title = "L-Softmax"
    name: Literal["l_softmax"] = "l_softmax"
    annealing: ToNothing = ToNothing()  # how the margin comes in


def _out_of_reach(loss: float, plain: float) -> str:
    """In words, the lowest loss, and what follows for probabilities from that without a margin."""
    largest = math.exp(-plain)
    return f"the loss cannot fall below {loss:.2g}, nor the probabilities of all classes exceed {largest:.3g}"


class Distances(HeadPart):
    """Logits that fall with the distance of a feature from a point of each class, and a pull to that point."""

    rule = "distance"
    pull: NotNegative  # weight of the pull towards the point of the own class

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"pull": self.pull}


class Prototypes(Distances):
    """Logits −distance²/T from learnt prototypes."""

    module = "prototypes"
    points = "prototype"
    signs: ClassVar = {"temperature": "T"}
    name: Literal["prototypes"] = "prototypes"
    temperature: Positive = 1.0  # T
    pull: NotNegative = 0.001  # weight of ½·distance² from the own prototype

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"temperature": self.temperature, "pull": self.pull}


class GaussianMixture(Distances):
    """Logits −½·distance² from learnt means, in training (1 + margin) times as much from that of the own class."""

    module = "gaussian_mixture"
    points = "mean"
    title = "Gaussian mixture"
    signs: ClassVar = {"margin": "m"}
    name: Literal["gaussian_mixture"] = "gaussian_mixture"
    margin: NotNegative = 1.0  # by what share the distance from the own mean counts more
    pull: NotNegative = 0.1  # weight of ½·distance² from the own mean

    def scalars(self, loss: Loss) -> dict[str, float]:
        return {"margin": self.margin, "pull": self.pull}


class Anchors(Distances):
    """Logits −distance from points that never move."""

    module = "anchors"
    points = "anchor"
    signs: ClassVar = {"radius": "r"}
    name: Literal["anchors"] = "anchors"
    radius: Positive = 10.0  # distance of the anchors from the origin
    pull: NotNegative = 0.1  # weight of the distance from the own anchor

    def impossible(self, dimensions: int, classes: int) -> str | None:
        if dimensions in (2, classes):
            return None
        return (
            f"anchors lie on the axes, one for each class, or on a circle: model.feature_dim must be {classes} or 2; "
            f"it is {dimensions}"
        )

    def allows(self, room: Room) -> str | None:
        # By the triangle inequality no feature does better than one on its anchor.
        cosines = [0.0] * (room.classes - 1)
        if room.dimensions != room.classes:
            cosines = other_cosines(2, room.classes)
        loss = cross_entropy_of([-self.radius * math.sqrt(2 - 2 * each) for each in cosines])
        return f"{self.in_words}: {_out_of_reach(loss, loss)}"


class NoHead(HeadPart):
    """No logits: the loss is λ times the term, which must tell classes apart by itself."""

    module = None
    name: Literal["none"] = "none"


Head = Annotated[
    Softmax
    | NormFace
    | CosFace
    | ArcFace
    | SphereFace
    | LSoftmax
    | Prototypes
    | GaussianMixture
    | Anchors
    | NoHead,
    Field(discriminator="name"),
    OR_ITS_NAME,
]
