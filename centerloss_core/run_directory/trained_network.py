"""What can be done with the network of a run; each method imports what it needs when it is called."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from centerloss_core.inference.embedding import Embeddings
    from centerloss_core.inference.export import Exported
    from centerloss_core.inference.model import TrainedModel


class TrainedNetwork:
    """The part of a run record that puts its network to work; `inference.api` has arguments and errors."""

    def embed(self, images: Any, **options: Any) -> Embeddings:
        """Features, classes and distances of images, and whether they are of a known class."""
        from centerloss_core.inference import api

        return api.embed(self, images, **options)  # type: ignore[arg-type]

    def predict(self, images: Any, **options: Any) -> list[str | None]:
        """The class of each image; None for one of no known class."""
        from centerloss_core.inference import api

        return api.predict(self, images, **options)  # type: ignore[arg-type]

    def export(self, path: Path | str, **options: Any) -> Exported:
        """Write the network for another program, in the format that the name ends in; see `inference.export`."""
        from centerloss_core.inference.export import export_run

        return export_run(self, path, **options)  # type: ignore[arg-type]

    @cached_property
    def opened(self) -> dict[Any, TrainedModel]:
        """The networks that `embed` has opened, by checkpoint and function."""
        return {}
