"""Class anchors: points that never move, one for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from centerloss_core.config import Config, heads
from centerloss_core.losses.base import ClassPoints, Head, cross_entropy
from centerloss_core.losses.prototypes import is_own
from centerloss_core.networks.initializers import Circle

_NEAREST_SQUARED = 1e-12  # below it a distance has no slope


@keras.saving.register_keras_serializable(package="centerloss")
class AnchorHead(Head):
    """logits = −d_j, d_j the distance ‖x − a_j‖ from an anchor (CAC, Miller et al., WACV 2021). Nothing is learnt here.

    The loss of a run is log(1 + Σ_{j≠y} e^{d_y − d_j}), which is the cross-entropy of these logits, plus `pull` times
    d_y, means over the batch. In a model of your own add `pull * head.anchor_loss(features, labels)`.

    `head(features)` gives logits (m, k) float32 of features (m, d); labels and `training` change nothing. On its anchor
    a feature has no gradient from that distance.

    Anchors are r·e_j in d = k dimensions. In the plane, where the paper has none, they lie on a circle of radius r.
    Differs from the authors' code, which after training puts the means of the correct features in their place.

    Args:
        num_classes: number of classes k.
        radius: r > 0; 10 as in the authors' code.
        pull: weight of the distance from the own anchor; 0.1 as in the authors' code.
        class_order: classes around the circle; in order of their numbers unless given.
        **kwargs: passed to `keras.layers.Layer`. `dtype` is "float32" unless given, under mixed precision too.

    Raises:
        ValueError: features that have neither k dimensions nor 2; labels of another shape; and, in a call that is not
            compiled, labels that are no class.
    """

    def __init__(
        self,
        num_classes: int,
        radius: float = 10.0,
        pull: float = 0.1,
        class_order: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, **kwargs)
        self.radius = radius
        self.pull = pull
        self.class_order = list(range(num_classes)) if class_order is None else list(class_order)
        self.anchors_initializer = Anchors(radius, self.class_order)

    def build(self, features_shape: tuple[int | None, ...], labels_shape: Any = None) -> None:
        """Create the anchors (k, d)."""
        shape = (self.num_classes, features_shape[-1])
        self.anchors = self.add_weight(
            shape=shape, initializer=self.anchors_initializer, trainable=False, autocast=False, name="anchors"
        )

    def call(self, features: Any, labels: Any = None, training: bool = False) -> Any:
        """Logits (m, k); see the class."""
        return -self._distances(features)

    def anchor_loss(self, features: Any, labels: Any) -> Any:
        """d_y, the mean over the batch; a scalar."""
        return self._of_own(self._distances(features), labels)

    def points(self) -> ClassPoints:
        """The anchors."""
        return ClassPoints(self.anchors, "anchor")

    def measure(self, features: Any, labels: Any, scalars: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """As of every head, plus `pull` times the distance from the own anchor, which is the figure `anchor_loss`."""
        distances = self._distances(features)
        entropy, figures = cross_entropy(-distances, labels)
        own = self._of_own(distances, labels)
        return entropy + scalars[f"{self.prefix}pull"] * own, {**figures, "anchor_loss": own}

    def _distances(self, features: Any) -> Any:
        offsets = features[:, None, :] - ops.convert_to_tensor(self.anchors)
        squared = ops.sum(ops.square(offsets), axis=2)
        has_slope = squared > _NEAREST_SQUARED
        return ops.where(has_slope, ops.sqrt(ops.where(has_slope, squared, 1.0)), 0.0)

    def _of_own(self, distances: Any, labels: Any) -> Any:
        own = ops.where(is_own(labels, distances, self.num_classes), distances, 0.0)
        return ops.mean(ops.sum(own, axis=1))

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        own = {"radius": self.radius, "pull": self.pull}
        return {**super().get_config(), **own, "class_order": self.class_order}


@keras.saving.register_keras_serializable(package="centerloss")
class Anchors(keras.initializers.Initializer):
    """Anchors (k, d): on the axes where d = k, on a circle, in the given order, where d = 2."""

    def __init__(self, radius: float, class_order: Sequence[int]) -> None:
        self.radius = radius
        self.class_order = list(class_order)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Return the anchors; ValueError for other dimensions."""
        classes, dimensions = shape
        if dimensions == classes:
            points: Any = np.eye(classes)
        elif dimensions == 2:
            points = Circle(self.class_order).values().astype("float32").T
        else:
            raise ValueError(f"anchors need features of {classes} dimensions or 2, received {dimensions}.")
        return ops.convert_to_tensor((self.radius * points).astype("float32"), dtype)

    def get_config(self) -> dict[str, Any]:
        """For Keras' own saving."""
        return {"radius": self.radius, "class_order": self.class_order}


def build(config: Config, num_classes: int, kernel_initializer: Any) -> AnchorHead:
    """The head of a run, with the classes in the order of `model.head_start: circle`. Its pull comes with each step."""
    head = config.loss.head
    assert isinstance(head, heads.Anchors)
    order = kernel_initializer.class_order if isinstance(kernel_initializer, Circle) else None
    return AnchorHead(num_classes, head.radius, class_order=order, name="head")
