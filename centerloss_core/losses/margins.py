"""Softmax on angles, with a margin on the angle of an image's own class: NormFace, CosFace, ArcFace.

Features and weights are divided by their length, so that logits are s·cosθ_j, θ_j the angle between the feature and the
weights of class j. There is no bias. In the plane features do reach their weights, where an angle has no slope as a
function of its cosine; so no angle is ever computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from centerloss_core.config import Config
from centerloss_core.losses.base import Head, cross_entropy
from centerloss_core.losses.labels import class_numbers

_SHORTEST = 1e-6  # length below which a vector has no direction
_SMALLEST_SINE_SQUARED = 1e-7  # float32 does not tell 1 − cos² below it from 0


@keras.saving.register_keras_serializable(package="centerloss")
class NormFace(Head):
    """logits = s·cosθ_j: softmax on the directions of features alone (Wang et al., ACM MM 2017).

    With labels in [0, k), `head(features)` returns logits (m, k) float32 of features (m, d), and
    `head(features, labels, training=True)` those that are trained; here they are the same.

    A feature shorter than 1e-6 has no direction: its cosines are 0, and no gradient flows into it.

    Differs from the authors' code, which learns the scale with a layer of its own: here it is a setting, as in its
    successors. CosFace and ArcFace with margin 0 are NormFace.

    Args:
        num_classes: number of classes k.
        scale: s > 0. With s too small even perfect features have a large loss: in the plane with 10 classes the largest
            probability is 0.77 at s 10, 0.91 at s 16 and 0.99 at s 30. Hence 16; faces in hundreds of dimensions are
            trained with 30 to 64.
        kernel_initializer: of the weights (d, k); a Keras initializer or its name.
        **kwargs: passed to `keras.layers.Layer`. `dtype` is "float32" unless given, under mixed precision too.

    Call arguments:
        features: floating (m, d).
        labels: integer (m,) or (m, 1), or None.
        training: whether the margin is put into the logits of the labels' classes.
        scale: for this call, in place of the layer's own, which a compiled function would hold as a constant.

    Raises:
        ValueError: on settings out of range; labels of another shape; and, in a call that is not compiled, labels that
            are no class.
    """

    scalars: ClassVar[tuple[str, ...]] = ("scale",)

    def __init__(
        self,
        num_classes: int,
        scale: float = 16.0,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, **kwargs)
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"scale must be positive, received {scale!r}.")
        self.scale = float(scale)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, features_shape: tuple[int | None, ...], labels_shape: Any = None) -> None:
        """Create the weights (d, k)."""
        shape = (features_shape[-1], self.num_classes)
        self.kernel = self.add_weight(shape=shape, initializer=self.kernel_initializer, name="kernel")

    def call(self, features: Any, labels: Any = None, training: bool = False, scale: Any = None) -> Any:
        """Logits (m, k); see the class."""
        return self._logits(self.cosines(features), labels if training else None, scale)

    def cosines(self, features: Any) -> Any:
        """cosθ_j (m, k) of features (m, d)."""
        return ops.matmul(directions(features, axis=1), directions(self.kernel, axis=0))

    def measure(self, features: Any, labels: Any, scalars: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """As of every head; the accuracy is that of the logits without margin."""
        cosines = self.cosines(features)
        logits = self._logits(cosines, labels, **self._own(scalars))
        return cross_entropy(logits, labels, plain=cosines)

    def _logits(self, cosines: Any, labels: Any, scale: Any = None, margin: Any = None) -> Any:
        """s times the cosines, with a margin in those of the labels' classes where there are labels."""
        if labels is not None:
            labels = class_numbers(cosines, labels, self.num_classes)
            is_own = ops.equal(labels[:, None], ops.arange(self.num_classes, dtype="int32"))
            cosines = ops.where(is_own, self._with_margin(cosines, margin), cosines)
        return cosines * ops.cast(self.scale if scale is None else scale, cosines.dtype)

    def _with_margin(self, cosines: Any, margin: Any) -> Any:
        return cosines

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {
            **super().get_config(),
            "scale": self.scale,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


class _MarginHead(NormFace):
    """What CosFace and ArcFace share: a margin, which a ramp may change from step to step."""

    scalars: ClassVar[tuple[str, ...]] = ("scale", "margin")
    largest: ClassVar[float]

    def __init__(self, num_classes: int, scale: float = 16.0, margin: float = 0.0, **kwargs: Any) -> None:
        super().__init__(num_classes, scale, **kwargs)
        if not 0 <= margin <= self.largest:
            raise ValueError(f"margin must lie between 0 and {self.largest:.3g}, received {margin!r}.")
        self.margin = float(margin)

    def call(
        self,
        features: Any,
        labels: Any = None,
        training: bool = False,
        scale: Any = None,
        margin: Any = None,
    ) -> Any:
        """Logits (m, k); see the class."""
        return self._logits(self.cosines(features), labels if training else None, scale, margin)

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {**super().get_config(), "margin": self.margin}


@keras.saving.register_keras_serializable(package="centerloss")
class CosFace(_MarginHead):
    """logits = s·(cosθ_y − m) of an image's own class y in training, s·cosθ_j elsewhere (Wang et al., CVPR 2018).

    The same as AM-Softmax. Features that lie on their weights still do not win where m ≥ 1 − cosθ between neighbouring
    weights: 0.191 in the plane with 10 classes. Hence the margin 0.1; faces are trained with s 64 and m 0.35.

    Nothing differs from the paper. Shapes, `scale`, `kernel_initializer`, errors: `NormFace`.

    Args:
        margin: m, 0 ≤ m ≤ 2. As a call argument: for this call.
    """

    largest = 2.0

    def __init__(self, num_classes: int, scale: float = 16.0, margin: float = 0.1, **kwargs: Any) -> None:
        super().__init__(num_classes, scale, margin, **kwargs)

    def _with_margin(self, cosines: Any, margin: Any) -> Any:
        return cosines - ops.cast(self.margin if margin is None else margin, cosines.dtype)


@keras.saving.register_keras_serializable(package="centerloss")
class ArcFace(_MarginHead):
    """logits = s·cos(θ_y + m) of an image's own class y in training, s·cosθ_j elsewhere (Deng et al., CVPR 2019).

    Beyond θ_y + m = π the cosine would rise again; there s·(cosθ_y − m·sin m) takes its place, as in the authors' code.
    With `easy_margin` the margin is there only where cosθ_y > 0.

    cos(θ + m) = cosθ·cos m − sinθ·sin m, and sinθ = √(1 − cos²θ), which has an infinite slope at θ = 0 and θ = π. Where
    float32 does not tell 1 − cos²θ from 0, sinθ is 0 and passes no gradient on: this differs from the authors' code,
    which gives NaN where features reach their weights, as they do in the plane.

    Features that lie on their weights still do not win where m reaches the angle between neighbouring weights: 0.628 in
    the plane with 10 classes. Hence the margin 0.3; faces are trained with s 64 and m 0.5. Shapes, `scale`,
    `kernel_initializer`, errors: `NormFace`.

    Args:
        margin: m in radians, 0 ≤ m ≤ π. As a call argument: for this call.
        easy_margin: no margin for images that lie more than a right angle from their weights.
    """

    largest = math.pi

    def __init__(
        self,
        num_classes: int,
        scale: float = 16.0,
        margin: float = 0.3,
        easy_margin: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, scale, margin, **kwargs)
        self.easy_margin = easy_margin

    def _with_margin(self, cosines: Any, margin: Any) -> Any:
        margin = ops.cast(self.margin if margin is None else margin, cosines.dtype)
        cos, sin = ops.cos(margin), ops.sin(margin)
        turned = cosines * cos - sines(cosines) * sin
        if self.easy_margin:
            return ops.where(cosines > 0, turned, cosines)
        return ops.where(cosines >= -cos, turned, cosines - margin * sin)

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {**super().get_config(), "easy_margin": self.easy_margin}


def directions(vectors: Any, axis: int) -> Any:
    """Each vector along an axis divided by its length; 0, with no slope, where it is too short to have a direction."""
    squared = ops.sum(ops.square(vectors), axis=axis, keepdims=True)
    has_one = squared > _SHORTEST**2
    return ops.where(has_one, vectors * ops.rsqrt(ops.where(has_one, squared, 1.0)), 0.0)


def sines(cosines: Any) -> Any:
    """sinθ ≥ 0 of cosθ; 0, with no slope, where float32 does not tell it from 0."""
    squared = 1.0 - ops.square(cosines)
    is_told = squared > _SMALLEST_SINE_SQUARED
    return ops.where(is_told, ops.sqrt(ops.where(is_told, squared, 1.0)), 0.0)


def build(config: Config, num_classes: int, kernel_initializer: Any) -> NormFace:
    """The head of a run, which is given its scale and margin, and again with each step."""
    head, common = config.loss.head, {"kernel_initializer": kernel_initializer, "name": "head"}
    if head.name == "arcface":
        return ArcFace(num_classes, easy_margin=head.easy_margin, **common)
    return (CosFace if head.name == "cosface" else NormFace)(num_classes, **common)
