"""What the config models of heads and terms have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from centerloss_core.config.base import Named

if TYPE_CHECKING:
    from centerloss_core.config.loss import Loss


class Part(Named):
    """A head or a term.

    Attributes:
        module: its file in `centerloss_core/losses/`; None for no term at all.
        angular: whether it looks at directions of features, so that angles tell what it has done.
    """

    module: ClassVar[str | None]
    angular: ClassVar[bool] = False

    def scalars(self, loss: Loss) -> dict[str, float]:
        """The numbers that its layer needs in every training step, by the names that the layer asks for."""
        return {}

    def impossible(self, dimensions: int, classes: int) -> str | None:
        """Why it cannot work with features of so many dimensions and so many classes; None where it can."""
        return None
