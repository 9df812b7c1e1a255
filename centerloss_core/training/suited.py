"""Which data a config can be trained on: what only the images tell is refused here, before a run is made."""

from __future__ import annotations

import math

from centerloss_core.config import Config
from centerloss_core.datasets import DataError, Dataset, sampler_of
from centerloss_core.limits import BATCH_SIZE
from centerloss_core.networks.class_order import has_likeness
from centerloss_core.networks.image_shape import refuse_unfit_images


def refuse_unsuited(config: Config, dataset: Dataset, *, has_own_network: bool = False) -> None:
    """Raise an error that names the setting, unless a run with this config can be trained on these images.

    Args:
        config: of the run.
        dataset: the images.
        has_own_network: whether a network that is not the config's takes the images.

    Raises:
        ImageShapeError: the images are too small for the network or for `train.augment`.
        DataError: there are too few images, or the head has no room for so many classes.
    """
    refuse_unfit_images(config, dataset.image_shape, dataset.title, has_own_network=has_own_network)
    sampler_of(config.train, dataset)
    message = config.loss.head.impossible(config.model.feature_dim, dataset.num_classes)
    if message:
        raise DataError(f"loss.head.margin: {message}")
    if config.train.keep_best is not None and dataset.validation is None:
        raise DataError(
            "train.keep_best chooses by validation images, and there are none: set data.validation, such as 1000"
        )
    size, images = config.train.batch_size, len(dataset.train)
    if size > max(images, BATCH_SIZE):
        raise DataError(
            f"train.batch_size is {size:,}, and there are {images:,} images to train on: lower it"
        )


def unexpected(config: Config, dataset: Dataset) -> list[str]:
    """What a person should know before a run: sentences to warn with."""
    asks = config.model.head_start == "circle" and config.model.feature_dim == 2
    if not asks or has_likeness(dataset.num_classes, math.prod(dataset.image_shape)):
        return list(dataset.warnings)
    return [
        *dataset.warnings,
        f"model.head_start: circle leaves the {dataset.num_classes:,} classes in the order of their labels: to lay so "
        "many out by their likeness takes too long",
    ]
