"""From a config and its data to a training step: network, head, term. Importing this imports Keras."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from centerloss_core.config import Config
from centerloss_core.datasets import Dataset
from centerloss_core.losses import build_head, build_term
from centerloss_core.networks import BuildNetwork, build_body
from centerloss_core.networks.class_order import order_by_likeness
from centerloss_core.networks.initializers import Circle, kernel_initializer
from centerloss_core.training.step import TrainStep


def build(config: Config, dataset: Dataset, network: BuildNetwork | None = None) -> TrainStep:
    """The training step of a run before its first step.

    Network, head and term are made in this order, because each initializer draws a seed when it is made. `network`
    takes the place of the config's.
    """
    body = build_body(config.model, dataset.image_shape, network)
    if config.model.head_start == "random" or config.model.feature_dim != 2:
        initializer = kernel_initializer(config.model)
    else:  # only the plane has so little room that the order of the classes matters
        images, labels = dataset.train.images, dataset.train.labels
        initializer = Circle(order_by_likeness(images, labels, dataset.num_classes))
    head = build_head(config, dataset.num_classes, initializer)
    term = build_term(config, dataset.num_classes)
    return TrainStep(body, head, term, config.train, dataset.train)


def draw_anew(train_step: TrainStep) -> None:
    """Give network, head and term the values that `build` would give them now, in a tenth of its time.

    An initializer draws its seed when it is made, so each is made anew, in the order of `build`: those of the network,
    by their numbers, since a network with branches has its layers in another order, and then those of the term. A layer
    has an initializer `NAME_initializer` for each weight NAME.
    """
    term = train_step.term
    of_network = _with_initializers(train_step.network.layers)
    of_network.sort(key=lambda pair: getattr(pair[1], "number", math.inf))  # Keras' own have none
    for weight, initializer in [*of_network, *_with_initializers([] if term is None else [term])]:
        weight.assign(initializer.clone()(weight.shape, weight.dtype))


def _with_initializers(layers: Sequence[Any]) -> list[tuple[Any, Any]]:
    return [
        (weight, getattr(layer, f"{weight.name}_initializer")) for layer in layers for weight in layer.weights
    ]
