"""Git loss of Calefati et al. (BMVC 2018): the center loss, and repulsion from the centers of other classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from centerloss_core.config import Config
from centerloss_core.losses.center_loss import settings_of
from centerloss_core.losses.distances import squared_distances
from centerloss_core.losses.inputs import checked
from centerloss_core.losses.repelling import RepellingCenterLoss


@keras.saving.register_keras_serializable(package="centerloss")
class GitLoss(RepellingCenterLoss):
    """Pulls every feature towards the center of its class, and pushes it from those of the other classes in the batch.

    In a batch of m features x_i with labels y_i and centers c_j

        L = 1/m Σ_i ½ ‖x_i − c_{y_i}‖²  +  g · mean over i, l with y_i ≠ y_l of 1 / (1 + ‖x_i − c_{y_l}‖²)

    for the reduction "mean", and m times that for "sum". The centers move as those of `CenterLoss` do, by Eq. 4 with
    α = 0.5 unless told otherwise; no gradient flows into them. λ is the paper's λ_C, and λ·g its λ_G: g = 1 as in the
    authors' code, where both are 1. A batch of one class has no second part.

    The authors' code (gitloss.py of kjanjua26/Git-Loss-For-Deep-Face-Recognition) has as its first part the mean over
    batch and dimensions of (x − c)², which in the plane is the one above. It takes the second part coordinate by
    coordinate, pushes images from the center of their own class too where another image of the class is in the batch,
    and adds a constant for i = l. The paper has sums over the batch, as reported; here they are means, so that g does
    not depend on the size of the batch.

    Args:
        num_classes: number of classes k; labels are integers in [0, k).
        repulsion: g ≥ 0.
        **kwargs: those of `CenterLoss`, without the reduction "none".

    Call arguments:
        features, labels, training, alpha: as of `CenterLoss`.
        repulsion: a g for this call in place of the layer's own.

    Returns:
        A scalar.

    Raises:
        ValueError: as `CenterLoss` does.
    """

    def __init__(self, num_classes: int, *, repulsion: float = 1.0, **kwargs: Any) -> None:
        super().__init__(num_classes, repulsion=repulsion, **kwargs)

    def call(
        self, features: Any, labels: Any, training: bool = False, alpha: Any = None, repulsion: Any = None
    ) -> Any:
        """The loss; with `training`, move the centers. See the class for shapes."""
        features, labels = checked(features, labels, self.num_classes, self.variable_dtype)
        centers, _ = self._follow(features, labels, training, alpha)
        pull, push = self._loss(features - centers), _repulsion(features, centers, labels)
        return pull + self._weight(repulsion, features) * push

    def measure(self, features: Any, labels: Any, scalars: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """As of `CenterLoss`, and git_loss: the mean of 1/(1 + ‖x − c‖²) over images and centers of other classes."""
        centers, shift = self._follow(features, labels, True, scalars["alpha"])
        pull, push = self._loss(features - centers), _repulsion(features, centers, labels)
        loss = pull + self._weight(scalars["repulsion"], features) * push
        return loss, {"center_loss": self._per_image(pull, labels), "git_loss": push, "center_shift": shift}

    def _weight(self, repulsion: Any, features: Any) -> Any:
        weight = self.repulsion if repulsion is None else repulsion
        size = ops.cast(ops.shape(features)[0], features.dtype)
        return weight * size if self.reduction == "sum" else weight


def _repulsion(features: Any, centers: Any, labels: Any) -> Any:
    """Mean of 1/(1 + ‖x_i − c_{y_l}‖²) over pairs of other classes; `centers` are those of the samples, (m, d)."""
    others = ops.cast(ops.not_equal(labels[:, None], labels[None, :]), features.dtype)
    nearness = others / (1 + squared_distances(features, centers))
    return ops.sum(nearness) / ops.maximum(ops.sum(others), 1)


def build(config: Config, num_classes: int) -> GitLoss:
    """The term of a run."""
    return GitLoss(num_classes, **settings_of(config), name="git_loss")
