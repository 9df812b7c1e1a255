"""What losses share that follow the centers and push something away as well."""

from __future__ import annotations

from typing import Any, ClassVar

from centerloss_core.losses.center_loss import CenterLoss


class RepellingCenterLoss(CenterLoss):
    """A center loss with a second part of weight `repulsion`, which compares centers or images with one another.

    Args:
        num_classes: number of classes k; labels are integers in [0, k).
        repulsion: weight of the second part, ≥ 0.
        **kwargs: those of `CenterLoss`, without the reduction "none".

    Raises:
        ValueError: on settings out of range.
    """

    scalars: ClassVar[tuple[str, ...]] = ("alpha", "repulsion")

    def __init__(self, num_classes: int, *, repulsion: float, **kwargs: Any) -> None:
        super().__init__(num_classes, **kwargs)
        if self.reduction == "none":
            raise ValueError("reduction must be sum or mean: a part of the loss belongs to no single image.")
        if not repulsion >= 0:
            raise ValueError(f"repulsion must be at least 0, received {repulsion!r}.")
        self.repulsion = float(repulsion)

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {**super().get_config(), "repulsion": self.repulsion}
