"""Contrastive-center loss of Qi and Su (ICIP 2017): near to the own center, far from all others."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

import keras
from keras import ops

from centerloss_core.config import Config
from centerloss_core.losses.base import CENTERS_START, ClassPoints, Term
from centerloss_core.losses.distances import reduced, squared_distances
from centerloss_core.losses.inputs import check_features, checked, checked_count

Reduction = Literal["sum", "mean"]


@keras.saving.register_keras_serializable(package="centerloss")
class ContrastiveCenterLoss(Term):
    """Pulls every feature towards the center of its class, measured by its distance to the other centers.

    In a batch of m features x_i with labels y_i and centers c_j of k classes

        L = ½ Σ_i ‖x_i − c_{y_i}‖² / (Σ_{j ≠ y_i} ‖x_i − c_j‖² + δ)

    The centers are a trainable weight `centers` (k, d): they follow the gradient of the whole loss, by an optimizer.
    δ is 1 as in the paper. Up to δ the loss does not depend on the scale of the features, so compare ratios.

    A known port for MNIST divides the sums over the batch instead of image by image, takes ×10 in place of ½, and
    δ = 1e-6; this is the paper's formula. Time and memory grow with m·k·d.

    Args:
        num_classes: number of classes k; labels are integers in [0, k).
        delta: δ > 0.
        reduction: "sum" over the batch, as in the paper, or "mean".
        centers_initializer: where the centers start; a Keras initializer or its name. Ports, and as reported
            the paper too, draw them at random.
        **kwargs: passed to `keras.layers.Layer`. `dtype` is "float32" unless given.

    Call arguments:
        features: floating (m, d); cast to the layer's dtype.
        labels: integer (m,) or (m, 1), each in [0, k).
        training: makes no difference.
        delta: a δ for this call in place of the layer's own.

    Returns:
        A scalar.

    Raises:
        ValueError: as `CenterLoss` does.
    """

    scalars: ClassVar[tuple[str, ...]] = ("delta",)

    def __init__(
        self,
        num_classes: int,
        delta: float = 1.0,
        reduction: Reduction = "sum",
        centers_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not delta > 0:
            raise ValueError(f"delta must be above 0, received {delta!r}.")
        if reduction not in get_args(Reduction):
            raise ValueError(f"reduction must be one of {get_args(Reduction)}, received {reduction!r}.")
        self.num_classes = checked_count(num_classes)
        self.delta = float(delta)
        self.reduction = reduction
        self.centers_initializer = keras.initializers.get(centers_initializer)

    def build(self, features_shape: tuple[int | None, ...], labels_shape: Any = None) -> None:
        """Create the centers, (num_classes, d), once the feature dimension d is known."""
        check_features(features_shape)
        self.centers = self.add_weight(
            shape=(self.num_classes, features_shape[1]),
            initializer=self.centers_initializer,
            autocast=False,
            name="centers",
        )

    def call(self, features: Any, labels: Any, training: bool = False, delta: Any = None) -> Any:
        """The loss. See the class for shapes."""
        features, labels = checked(features, labels, self.num_classes, self.variable_dtype)
        squares = squared_distances(features, self.centers.value)
        own = ops.one_hot(labels, self.num_classes, dtype=squares.dtype)
        # Two sums, no difference of sums: the others may be next to nothing beside the own one.
        inside, outside = ops.sum(own * squares, axis=1), ops.sum((1 - own) * squares, axis=1)
        ratio = 0.5 * inside / (outside + (self.delta if delta is None else delta))
        return ops.cast(reduced(ratio, self.reduction), self.compute_dtype)

    def points(self) -> ClassPoints:
        """The centers."""
        return ClassPoints(self.centers, "center")

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "delta": self.delta,
            "reduction": self.reduction,
            "centers_initializer": keras.initializers.serialize(self.centers_initializer),
        }


def build(config: Config, num_classes: int) -> ContrastiveCenterLoss:
    """The term of a run."""
    return ContrastiveCenterLoss(
        num_classes,
        reduction=config.loss.reduction,
        centers_initializer=CENTERS_START[config.loss.centers_start],
        name="contrastive_center_loss",
    )
