"""Island loss of Cai et al. (FG 2018): the center loss, and centers that turn away from one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from centerloss_core.config import Config
from centerloss_core.losses.center_loss import settings_of
from centerloss_core.losses.distances import lengths
from centerloss_core.losses.inputs import checked
from centerloss_core.losses.repelling import RepellingCenterLoss


@keras.saving.register_keras_serializable(package="centerloss")
class IslandLoss(RepellingCenterLoss):
    """Pulls every feature towards the center of its class, while the centers turn away from one another.

    In a batch of m features x_i with labels y_i, and centers c_j of k classes

        L = L_c + λ₁ Σ_j Σ_{l ≠ j} (cos(c_j, c_l) + 1),    L_c = ½ Σ_i ‖x_i − c_{y_i}‖²

    (reduction "mean": L_c / m). Features feel L_c alone. The centers, of all classes, move by

        c_j ← c_j − α (Δc_j + λ₁/(k−1) Σ_{l ≠ j} ∂cos(c_j, c_l)/∂c_j)

    with Δc_j of Eq. 4, or that of another `center_update`. No gradient flows into them. The step, and λ₁ = 10
    beside λ = 0.01, are the paper's as reported. A center at 0 has no direction: its cosines are 0, and it is not
    turned.

    The slope of a cosine grows without bound near 0. So the second part of a step is never longer than the center
    itself; the paper has no such bound, and it changes nothing where ‖c_j‖² ≥ α·λ₁. Ports give λ₁ other values, because
    they differentiate L and leave the centers to an optimizer.

    Args:
        num_classes: number of classes k; labels are integers in [0, k).
        repulsion: λ₁ ≥ 0.
        **kwargs: those of `CenterLoss`, without the reduction "none".

    Call arguments:
        features, labels, training, alpha: as of `CenterLoss`.
        repulsion: a λ₁ for this call in place of the layer's own.

    Returns:
        A scalar.

    Raises:
        ValueError: as `CenterLoss` does.
    """

    def __init__(self, num_classes: int, *, repulsion: float = 10.0, **kwargs: Any) -> None:
        super().__init__(num_classes, repulsion=repulsion, **kwargs)

    def call(
        self, features: Any, labels: Any, training: bool = False, alpha: Any = None, repulsion: Any = None
    ) -> Any:
        """The loss; with `training`, move the centers. See the class for shapes."""
        features, labels = checked(features, labels, self.num_classes, self.variable_dtype)
        weight = self.repulsion if repulsion is None else repulsion
        pull, cosines, _ = self._parts(features, labels, training, alpha, weight)
        return pull + weight * cosines

    def measure(self, features: Any, labels: Any, scalars: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """As of `CenterLoss`, and island_loss: Σ_j Σ_{l ≠ j} (cos(c_j, c_l) + 1) before the step."""
        weight = scalars["repulsion"]
        pull, cosines, shift = self._parts(features, labels, True, scalars["alpha"], weight)
        figures = {
            "center_loss": self._per_image(pull, labels),
            "island_loss": cosines,
            "center_shift": shift,
        }
        return pull + weight * cosines, figures

    def _parts(
        self, features: Any, labels: Any, training: bool, alpha: Any, weight: Any
    ) -> tuple[Any, Any, Any]:
        """L_c, the sum over pairs of centers, and how far all centers moved."""
        everyone = ops.arange(self.num_classes, dtype="int32")
        before = ops.stop_gradient(self._read(everyone))
        centers, shift = self._follow(features, labels, training, alpha)
        if training:
            step = _turn(before, ops.cast(self.alpha if alpha is None else alpha, before.dtype) * weight)
            after = self._read(everyone) + step
            self._write(everyone, after)
            shift = ops.norm(after - before)
        return self._loss(features - centers), _island(before), shift


def _units(centers: Any) -> tuple[Any, Any]:
    """Directions (k, d), 0 of a center at 0, and lengths (k, 1)."""
    found = lengths(centers)[:, None]
    return centers / ops.where(found > 0, found, ops.ones_like(found)), found


def _island(centers: Any) -> Any:
    """Σ_j Σ_{l ≠ j} (cos(c_j, c_l) + 1), from the sum of all directions: no (k, k) array."""
    directions, _ = _units(centers)
    cosines = ops.sum(ops.square(ops.sum(directions, axis=0))) - ops.sum(ops.square(directions))
    count = int(centers.shape[0])
    return cosines + count * (count - 1)


def _turn(centers: Any, rate: Any) -> Any:
    """−rate/(k−1) Σ_{l ≠ j} ∂cos(c_j, c_l)/∂c_j of each center (k, d), no longer than the center."""
    directions, found = _units(centers)
    total = ops.sum(directions, axis=0, keepdims=True)
    # Of the sum of all other directions, what stands at a right angle to the own one; the own one drops out.
    across = total - ops.sum(total * directions, axis=1, keepdims=True) * directions
    across = across / max(int(centers.shape[0]) - 1, 1)  # no longer than 1
    # rate / ‖c_j‖, but at most ‖c_j‖
    bounded = ops.minimum(rate / ops.where(found > 0, found, ops.ones_like(found)), found)
    return -bounded * across


def build(config: Config, num_classes: int) -> IslandLoss:
    """The term of a run."""
    return IslandLoss(num_classes, **settings_of(config), name="island_loss")
