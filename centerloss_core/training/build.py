"""From a config and its data to a training step: network, head, term. Importing this imports Keras."""

from __future__ import annotations

import keras

from centerloss_core.config import Config
from centerloss_core.datasets import Dataset
from centerloss_core.losses import build_head, build_term
from centerloss_core.losses.base import Head, Term
from centerloss_core.networks.class_order import order_by_likeness
from centerloss_core.networks.initializers import Circle, kernel_initializer
from centerloss_core.networks.lenets_plus_plus import lenets_plus_plus
from centerloss_core.training.step import TrainStep


def build(config: Config, dataset: Dataset) -> TrainStep:
    """The training step of a run before its first step."""
    return TrainStep(*parts(config, dataset), config.train, dataset.train)


def parts(config: Config, dataset: Dataset) -> tuple[keras.Model, Head, Term | None]:
    """Network, head and term as a run begins, their values drawn by its seed; the last two are built when called.

    They are made in this order, because each initializer draws a seed when it is made.
    """
    network = lenets_plus_plus(config.model, dataset.image_shape)
    if config.model.head_start == "random" or config.model.feature_dim != 2:
        initializer = kernel_initializer(config.model)
    else:  # only the plane has so little room that the order of the classes matters
        images, labels = dataset.train.images, dataset.train.labels
        initializer = Circle(order_by_likeness(images, labels, dataset.num_classes))
    head = build_head(config, dataset.num_classes, initializer)
    return network, head, build_term(config, dataset.num_classes)
