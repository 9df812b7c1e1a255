"""From a config and its data to a training step: network, head, term. Importing this imports Keras."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from centerloss_core.config import Config
from centerloss_core.datasets import Dataset, Split
from centerloss_core.datasets.memory import Memory
from centerloss_core.datasets.stored import StoredImages, bytes_of
from centerloss_core.devices import room_on_the_device
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
    streams = is_streamed(dataset.train, config.data.memory)
    return TrainStep(body, head, term, config.train, None if streams else dataset.train)


def is_streamed(train: Split, memory: Memory) -> bool:
    """Whether every batch brings its images along, because memory, or the device, does not hold all."""
    if isinstance(train.images, StoredImages):
        return True
    room = room_on_the_device() if memory == "auto" else memory * (1 << 30)
    return bytes_of(train.images) > room


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
