"""Prototypes: logits that fall with the squared distance of a feature from a learnt point of each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from centerloss_core.config import Config
from centerloss_core.losses.base import ClassPoints, Head, cross_entropy
from centerloss_core.losses.labels import class_numbers
from centerloss_core.networks.initializers import OfPoints


@keras.saving.register_keras_serializable(package="centerloss")
class PrototypeHead(Head):
    """logits = −‖x − c_j‖²/T, so that the nearest prototype decides (Yang et al., CVPR 2018: GCPL, its DCE loss).

    The loss of a run is their cross-entropy plus `pull` times the prototype loss, ½‖x − c_y‖², a mean over the batch as
    in the authors' code (`pl_loss` in functions.py of YangHM/Convolutional-Prototype-Learning). In a model of your own
    add `pull * head.prototype_loss(features, labels)`. The prototypes learn by gradient.

    `head(features)` gives logits (m, k) float32 of features (m, d); labels and `training` change nothing.

    Differs from the authors' code, which may have several prototypes for a class: here it is one. In a run they begin
    as the weights of a softmax head would (`model.head_start`).

    Args:
        num_classes: number of classes k.
        temperature: T > 0; 1 as in the authors' code. As a call argument: for this call.
        pull: weight of the prototype loss; 0.001 as in the authors' code for MNIST.
        prototypes_initializer: of the prototypes (k, d); a Keras initializer or its name.
        **kwargs: passed to `keras.layers.Layer`. `dtype` is "float32" unless given, under mixed precision too.

    Raises:
        ValueError: labels of another shape; and, in a call that is not compiled, labels that are no class.
    """

    scalars: ClassVar[tuple[str, ...]] = ("temperature",)

    def __init__(
        self,
        num_classes: int,
        temperature: float = 1.0,
        pull: float = 0.001,
        prototypes_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, **kwargs)
        self.temperature = temperature
        self.pull = pull
        self.prototypes_initializer = keras.initializers.get(prototypes_initializer)

    def build(self, features_shape: tuple[int | None, ...], labels_shape: Any = None) -> None:
        """Create the prototypes (k, d)."""
        shape = (self.num_classes, features_shape[-1])
        self.prototypes = self.add_weight(
            shape=shape, initializer=self.prototypes_initializer, name="prototypes"
        )

    def call(self, features: Any, labels: Any = None, training: bool = False, temperature: Any = None) -> Any:
        """Logits (m, k); see the class."""
        return -self._squared_distances(features) / (self.temperature if temperature is None else temperature)

    def prototype_loss(self, features: Any, labels: Any) -> Any:
        """½‖x − c_y‖², the mean over the batch; a scalar."""
        return _half_own(self._squared_distances(features), labels, self.num_classes)

    def points(self) -> ClassPoints:
        """The prototypes."""
        return ClassPoints(self.prototypes, "prototype")

    def measure(self, features: Any, labels: Any, scalars: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """As of every head, plus `pull` times the prototype loss, which is the figure `prototype_loss`."""
        squared = self._squared_distances(features)
        plain = self._plain(squared, scalars)
        entropy, figures = cross_entropy(self._trained(plain, labels, scalars), labels, plain=plain)
        pull = _half_own(squared, labels, self.num_classes)
        return entropy + scalars[f"{self.prefix}pull"] * pull, {**figures, "prototype_loss": pull}

    def _plain(self, squared: Any, scalars: Mapping[str, Any]) -> Any:
        return -squared / scalars[f"{self.prefix}temperature"]

    def _trained(self, plain: Any, labels: Any, scalars: Mapping[str, Any]) -> Any:
        return plain

    def _squared_distances(self, features: Any) -> Any:
        """(m, k), without an array (m, k, d). No root is taken, so rounding below 0 does no harm."""
        points = ops.convert_to_tensor(self.prototypes)
        own = ops.sum(ops.square(features), axis=1, keepdims=True)
        return own - 2.0 * ops.matmul(features, ops.transpose(points)) + ops.sum(ops.square(points), axis=1)

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "pull": self.pull,
            "prototypes_initializer": keras.initializers.serialize(self.prototypes_initializer),
        }


def is_own(labels: Any, values: Any, num_classes: int) -> Any:
    """Where in values (m, k) the class is that of the label; boolean (m, k)."""
    numbers = class_numbers(values, labels, num_classes)
    return ops.equal(numbers[:, None], ops.arange(num_classes, dtype="int32"))


def _half_own(squared: Any, labels: Any, num_classes: int) -> Any:
    own = ops.where(is_own(labels, squared, num_classes), squared, 0.0)
    return 0.5 * ops.mean(ops.sum(own, axis=1))


def build(config: Config, num_classes: int, kernel_initializer: Any) -> PrototypeHead:
    """The head of a run, which is given its temperature, and again with each step. The pull comes with the step."""
    return PrototypeHead(num_classes, prototypes_initializer=OfPoints(kernel_initializer), name="head")
