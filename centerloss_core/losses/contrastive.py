"""Contrastive loss of Hadsell, Chopra and LeCun (CVPR 2006): pairs of a class near, all others a margin apart."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
from keras import ops

from centerloss_core.config import Config
from centerloss_core.losses.base import Term
from centerloss_core.losses.distances import mean_where, pairwise_squares, root, same_class
from centerloss_core.losses.inputs import checked


@keras.saving.register_keras_serializable(package="centerloss")
class ContrastiveLoss(Term):
    """Pulls two images of a class together, and pushes two of different classes a margin apart.

    Of all pairs of a batch of m features x_i, with D = ‖x_i − x_l‖,

        L = mean over pairs of   ½ D²              where y_i = y_l
                                 ½ max(0, M − D)²  elsewhere

    D is the plain distance of the features as they are. M is 1 as in the paper, whose pairs come two by two; here a
    batch gives all its m(m − 1)/2. Where two images of different classes have one feature, D has an infinite slope
    and theirs is taken as 0. Memory is of order m².

    Args:
        margin: M > 0.
        **kwargs: passed to `keras.layers.Layer`. `dtype` is "float32" unless given.

    Call arguments:
        features: floating (m, d); cast to the layer's dtype.
        labels: integer (m,) or (m, 1).
        training: makes no difference.
        distance_margin: an M for this call in place of the layer's own.

    Returns:
        A scalar; 0 of a batch of one.
    """

    scalars: ClassVar[tuple[str, ...]] = ("distance_margin",)

    def __init__(self, margin: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not margin > 0:
            raise ValueError(f"margin must be above 0, received {margin!r}.")
        self.margin = float(margin)

    def call(self, features: Any, labels: Any, training: bool = False, distance_margin: Any = None) -> Any:
        """The loss. See the class for shapes."""
        features, labels = checked(features, labels, None, self.variable_dtype)
        squares = pairwise_squares(features)
        together, apart = same_class(labels)
        short = ops.maximum((self.margin if distance_margin is None else distance_margin) - root(squares), 0)
        each = 0.5 * ops.where(together, squares, ops.square(short))
        return ops.cast(mean_where(each, ops.logical_or(together, apart)), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {**super().get_config(), "margin": self.margin}


def build(config: Config, num_classes: int) -> ContrastiveLoss:
    """The term of a run."""
    return ContrastiveLoss(name="contrastive_loss")
