"""Ring loss of Zheng, Pal and Savvides (CVPR 2018): features of one length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from centerloss_core.config import Config
from centerloss_core.losses.base import Term
from centerloss_core.losses.distances import lengths, reduced

_NOT_STARTED = -1.0  # no length


@keras.saving.register_keras_serializable(package="centerloss")
class RingLoss(Term):
    """Pulls the length of every feature towards one radius R, which is learnt.

    In a batch of m features x_i

        L = 1/(2m) Σ_i (‖x_i‖ − R)²

    R is a trainable weight `radius` of shape (). It starts at the mean length of the features of the first batch that
    is seen with `training=True`; before that, evaluation takes the mean length of its own batch. The authors' λ is
    0.01. The labels are not used.

    The authors' code has two other forms, |‖x‖ − R| and the square divided by the mean length; their paper has this
    one alone. At x = 0, where the length has no slope, the slope is 0.

    Args:
        **kwargs: passed to `keras.layers.Layer`. `dtype` is "float32" unless given.

    Call arguments:
        features: floating (m, d); cast to the layer's dtype.
        labels: not used; may be left out.
        training: whether R may start at the mean length of this batch.

    Returns:
        A scalar.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.radius_initializer = keras.initializers.Constant(_NOT_STARTED)

    def build(self, features_shape: tuple[int | None, ...], labels_shape: Any = None) -> None:
        """Create the radius."""
        self.radius = self.add_weight(
            shape=(), initializer=self.radius_initializer, autocast=False, name="radius"
        )

    def call(self, features: Any, labels: Any = None, training: bool = False) -> Any:
        """The loss; with `training`, the first batch gives the radius. See the class for shapes."""
        return self._loss(features, training)[0]

    def measure(self, features: Any, labels: Any, scalars: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The loss, and the radius before the step."""
        loss, radius = self._loss(ops.cast(features, self.variable_dtype), training=True)
        return loss, {"ring_loss": loss, "ring_radius": radius}

    def _loss(self, features: Any, training: bool) -> tuple[Any, Any]:
        found = lengths(ops.cast(features, self.variable_dtype))
        start = ops.stop_gradient(reduced(found, "mean"))
        radius = ops.where(self.radius < 0, start, self.radius.value)
        if training:
            self.radius.assign(ops.stop_gradient(radius))
        return ops.cast(0.5 * reduced(ops.square(found - radius), "mean"), self.compute_dtype), radius

    def compute_output_shape(self, features_shape: Any, labels_shape: Any = None) -> tuple[int, ...]:
        """Those of a scalar."""
        return ()


def build(config: Config, num_classes: int) -> RingLoss:
    """The term of a run."""
    return RingLoss(name="ring_loss")
