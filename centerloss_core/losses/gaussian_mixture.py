"""The Gaussian mixture loss: classes are Gaussians around learnt means, and the own one has a margin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from centerloss_core.config import Config
from centerloss_core.losses.base import ClassPoints
from centerloss_core.losses.prototypes import PrototypeHead, is_own
from centerloss_core.networks.initializers import OfPoints


@keras.saving.register_keras_serializable(package="centerloss")
class GaussianMixtureHead(PrototypeHead):
    """logits = −½‖x − c_j‖²·(1 + α·[j = y]) (L-GM, Wan et al., CVPR 2018), Gaussians of identity covariance.

    With labels, in training, the distance from the mean of the own class counts (1 + α) times; else α is 0. The loss of
    a run is their cross-entropy plus `pull` times the likelihood term, ½‖x − c_y‖², a mean over the batch
    (`prototype_loss`). The means learn by gradient, and begin as a softmax head's weights would.

    Differs from the authors' second form, which learns a diagonal covariance for each class. Shapes, initializer and
    errors: `PrototypeHead`.

    Args:
        num_classes: number of classes k.
        margin: α ≥ 0; 1.0 as in a port for MNIST in the plane. As a call argument: for this call.
        pull: weight of the likelihood term; 0.1 as there.
    """

    scalars: ClassVar[tuple[str, ...]] = ("margin",)

    def __init__(self, num_classes: int, margin: float = 1.0, pull: float = 0.1, **kwargs: Any) -> None:
        kwargs.pop("temperature", None)
        super().__init__(num_classes, 2.0, pull, **kwargs)
        self.margin = margin

    def call(self, features: Any, labels: Any = None, training: bool = False, margin: Any = None) -> Any:
        """Logits (m, k); see the class."""
        plain = -0.5 * self._squared_distances(features)
        if labels is None or not training:
            return plain
        return self._with_margin(plain, labels, self.margin if margin is None else margin)

    def points(self) -> ClassPoints:
        """The means."""
        return ClassPoints(self.prototypes, "mean")

    def _plain(self, squared: Any, scalars: Mapping[str, Any]) -> Any:
        return -0.5 * squared

    def _trained(self, plain: Any, labels: Any, scalars: Mapping[str, Any]) -> Any:
        return self._with_margin(plain, labels, scalars[f"{self.prefix}margin"])

    def _with_margin(self, plain: Any, labels: Any, margin: Any) -> Any:
        return ops.where(is_own(labels, plain, self.num_classes), plain * (1.0 + margin), plain)

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {**super().get_config(), "margin": self.margin}


def build(config: Config, num_classes: int, kernel_initializer: Any) -> GaussianMixtureHead:
    """The head of a run. Margin and pull come with each step."""
    return GaussianMixtureHead(num_classes, prototypes_initializer=OfPoints(kernel_initializer), name="head")
