"""Which images a run can learn from; known without a framework, so that a run that cannot be is refused at once."""

from __future__ import annotations

from centerloss_core.config import Config
from centerloss_core.config.model import NETWORKS
from centerloss_core.errors import ExpectedError


class ImageShapeError(ExpectedError):
    """The images of a data set are too small for what a config does with them; the message names both."""


def refuse_unfit_images(
    config: Config, image_shape: tuple[int, int, int], data_title: str, *, has_own_network: bool = False
) -> None:
    """Raise ImageShapeError unless images (h, w, c) are large enough for the network and for `train.augment`.

    Args:
        config: of the run.
        image_shape: h, w, c.
        data_title: what the message calls the data.
        has_own_network: whether a network that is not the config's takes the images.
    """
    height, width, _ = image_shape
    smallest = NETWORKS[config.model.name].smallest_side
    if not has_own_network and min(height, width) < smallest:
        others = [name for name, each in NETWORKS.items() if each.smallest_side <= min(height, width)]
        or_another = f", or another network (model.name: {' or '.join(others)})" if others else ""
        raise ImageShapeError(
            f"the images of {data_title} are {height}×{width} pixels, and {config.model.name} makes both sides "
            f"smaller until nothing is left: it needs at least {smallest}×{smallest}; choose larger images{or_another}"
        )
    augment = config.train.augment
    if (message := augment and augment.impossible(height, width)) is not None:
        raise ImageShapeError(f"{data_title}: {message}")
