"""What the config models of heads and terms have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from centerloss_core.config.base import Named
from centerloss_core.config.bounds import Room
from centerloss_core.formatting import plain_setting

if TYPE_CHECKING:
    from centerloss_core.config.loss import Loss


class Part(Named):
    """A head or a term.

    Attributes:
        module: its file in `centerloss_core/losses/`; None for no head or no term at all.
        angular: whether it looks at directions of features, so that angles tell what it has done.
        points: what the points are that it holds for the classes, as its layer names them; None where it holds none.
        title: what it is called in figures and tables; its name where that is None.
        signs: its settings that belong to the title, each with its sign.
    """

    name: str
    module: ClassVar[str | None]
    angular: ClassVar[bool] = False
    points: ClassVar[str | None] = None
    title: ClassVar[str | None] = None
    signs: ClassVar[Mapping[str, str]] = {}

    @property
    def in_words(self) -> str:
        """`ArcFace s 16, m 0.3`."""
        words = self.title or self.name.replace("_", " ")
        settings = [f"{sign} {plain_setting(getattr(self, key))}" for key, sign in self.signs.items()]
        return " ".join([words, ", ".join(settings)]).strip()

    def scalars(self, loss: Loss) -> dict[str, float]:
        """The numbers that its layer needs in every training step, by the names that the layer asks for."""
        return {}

    @property
    def remedy(self) -> str:
        """What to do where features collapse under it, or learn nothing."""
        return "lower train.learning_rate"

    def allows(self, room: Room) -> str | None:
        """In words, its settings and the best that they can lead to; None where no loss is out of reach."""
        return None

    def impossible(self, dimensions: int, classes: int) -> str | None:
        """Why it cannot work with features of so many dimensions and so many classes; None where it can."""
        return None
