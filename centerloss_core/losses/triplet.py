"""Triplet losses: FaceNet's (Schroff et al., CVPR 2015) and those of Hermans, Beyer and Leibe (2017)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

import keras
from keras import ops

from centerloss_core.config import Config
from centerloss_core.config.terms import Triplet
from centerloss_core.losses.base import Term
from centerloss_core.losses.distances import mean_where, pairwise_squares, root, same_class, units
from centerloss_core.losses.inputs import checked

Mining = Literal["semi_hard", "batch_hard", "all"]
SOFTPLUS = "softplus"
_FAR = 1e30  # beyond all distances


@keras.saving.register_keras_serializable(package="centerloss")
class TripletLoss(Term):
    """Every image is to be nearer to the images of its class than to all others, by a margin.

    D_ij is the distance of two images of a batch of m: ‖x̂_i − x̂_j‖² of features of length 1 where `normalised`
    (FaceNet), else ‖x_i − x_j‖ of the features as they are (Hermans et al.). Of an anchor a, a positive p ≠ a of its
    class and a negative n of another one

        cost(a, p, n) = max(0, D_ap − D_an + margin),   or with "softplus"   log(1 + e^{D_ap − D_an})

    and the loss is a mean of costs over

        mining "semi_hard"    all pairs a, p, with the nearest n that is farther than p; where none is, the farthest n
        mining "batch_hard"   all a that have both, with the farthest p and the nearest n
        mining "all"          all a, p, n that cost something

    The defaults are FaceNet's: semi-hard, length 1, margin 0.2. FaceNet sums, and leaves open what becomes of a pair
    without a semi-hard negative: left out, features that are all in one point would cost nothing. facenet's code draws
    one of the semi-hard negatives at random. Hermans et al. take "batch_hard" with normalised=False, "softplus".

    A loss that stays at the margin (log 2 with softplus) says that all features are in one point. There D itself has
    an infinite slope, and 0 is taken for it. Memory is of order m² for each mining.

    Args:
        mining: "semi_hard", "batch_hard" or "all".
        normalised: whether distances are squared ones of features of length 1, or plain ones of the features.
        margin: a number > 0, or "softplus".
        **kwargs: passed to `keras.layers.Layer`. `dtype` is "float32" unless given.

    Call arguments:
        features: floating (m, d); cast to the layer's dtype.
        labels: integer (m,) or (m, 1).
        training: makes no difference.
        distance_margin: a number for this call in place of the layer's own.

    Returns:
        A scalar; 0 where there is no triplet.
    """

    scalars: ClassVar[tuple[str, ...]] = ("distance_margin",)

    def __init__(
        self,
        mining: Mining = "semi_hard",
        normalised: bool = True,
        margin: float | Literal["softplus"] = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if mining not in get_args(Mining):
            raise ValueError(f"mining must be one of {get_args(Mining)}, received {mining!r}.")
        if not (margin == SOFTPLUS if isinstance(margin, str) else margin > 0):
            raise ValueError(f'margin must be a number above 0 or "softplus", received {margin!r}.')
        self.mining = mining
        self.normalised = bool(normalised)
        self.margin = margin

    def call(self, features: Any, labels: Any, training: bool = False, distance_margin: Any = None) -> Any:
        """The loss. See the class for shapes."""
        features, labels = checked(features, labels, None, self.variable_dtype)
        squares = pairwise_squares(units(features) if self.normalised else features)
        distances = squares if self.normalised else root(squares)
        margin = self.margin if distance_margin is None else distance_margin
        if self.margin == SOFTPLUS:
            margin = None
        loss = _MINING[self.mining](distances, *same_class(labels), margin)
        return ops.cast(loss, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {
            **super().get_config(),
            "mining": self.mining,
            "normalised": self.normalised,
            "margin": self.margin,
        }


# A mining: distances (m, m), pairs of one class, pairs of two classes, the margin or None for softplus → the loss.


def _batch_hard(distances: Any, together: Any, apart: Any, margin: Any) -> Any:
    farthest = ops.max(ops.where(together, distances, -1.0), axis=1)
    nearest = ops.min(ops.where(apart, distances, _FAR), axis=1)
    has_both = ops.logical_and(ops.any(together, axis=1), ops.any(apart, axis=1))
    return mean_where(_cost(farthest - nearest, margin)[0], has_both)


def _semi_hard(distances: Any, together: Any, apart: Any, margin: Any) -> Any:
    def negatives_of(row: tuple[Any, Any]) -> Any:
        """Of one anchor, the number of the negative for each positive (m,)."""
        own, negative = row
        beyond = ops.logical_and(negative[None, :], own[None, :] > own[:, None])
        nearest = ops.argmin(ops.where(beyond, own[None, :], _FAR), axis=1)
        farthest = ops.argmax(ops.where(negative, own, -1.0))
        return ops.cast(ops.where(ops.any(beyond, axis=1), nearest, farthest), "int32")

    # Anchor by anchor: all at once would be an array (m, m, m).
    chosen = ops.map(negatives_of, (ops.stop_gradient(distances), apart))
    differences = distances - ops.take_along_axis(distances, chosen, axis=1)
    pairs = ops.logical_and(together, ops.any(apart, axis=1)[:, None])
    return mean_where(_cost(differences, margin)[0], pairs)


def _all(distances: Any, together: Any, apart: Any, margin: Any) -> Any:
    def sums_of(row: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        """Of one anchor: its costs, how many there are, and the slope by each of its distances (m,)."""
        own, positive, negative = row
        cost, slope = _cost(own[:, None] - own[None, :], margin)
        counted = ops.logical_and(ops.logical_and(positive[:, None], negative[None, :]), cost > 0)
        slope = ops.where(counted, slope, ops.zeros_like(slope))
        costs = ops.sum(ops.where(counted, cost, ops.zeros_like(cost)))
        return costs, ops.sum(ops.cast(counted, own.dtype)), ops.sum(slope, axis=1) - ops.sum(slope, axis=0)

    # The slopes come with the sums, so that nothing of the m³ triplets is kept for a backward pass.
    known = ops.stop_gradient(distances)
    costs, counts, slopes = ops.map(sums_of, (known, together, apart))
    costs, counts, slopes = (ops.stop_gradient(each) for each in (costs, counts, slopes))
    return (ops.sum(costs) + ops.sum(slopes * (distances - known))) / ops.maximum(ops.sum(counts), 1)


def _cost(differences: Any, margin: Any) -> tuple[Any, Any]:
    """The cost of each difference D_ap − D_an, and its slope."""
    if margin is None:
        return ops.softplus(differences), ops.sigmoid(differences)
    over = differences + margin
    return ops.relu(over), ops.cast(over > 0, over.dtype)


_MINING = {"semi_hard": _semi_hard, "batch_hard": _batch_hard, "all": _all}


def build(config: Config, num_classes: int) -> TripletLoss:
    """The term of a run."""
    term = config.loss.term
    assert isinstance(term, Triplet)  # whose file this is
    return TripletLoss(term.mining, term.normalised, term.margin, name="triplet_loss")
