"""The training step: one batch, one compiled call, its mathematics in the words of `keras.ops`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from centerloss_core.config import Train
from centerloss_core.datasets import Split
from centerloss_core.losses.center_loss import CenterLoss
from centerloss_core.networks.lenets_plus_plus import HEAD
from centerloss_core.optimizers.build import build_optimizer
from centerloss_core.training.engines import Program, compile_program


class StepFigures(NamedTuple):
    """What one step saw, before it changed the weights: scalars that are read only when somebody asks."""

    softmax_loss: Any  # mean cross-entropy of the batch
    center_loss: Any  # mean over the batch of ½‖x − c‖², whatever the reduction, so that runs compare
    accuracy: Any
    center_shift: Any  # ‖Δc‖: how far this step moved the centers, all taken as one vector


class TrainStep:
    """L = L_s + λ·L_c on one batch: gradients into the network, Eq. 4 into the centers.

    The images stay on the device as uint8 and a step gathers its batch inside the compiled call, so that nothing but
    a few hundred indices crosses from Python per step. The softmax head has an optimizer of its own, because its
    learning rate may differ from the network's (`train.head_rate`).

    Between two steps the backend may hold the state outside the Keras variables. Reading `network`, `center_loss` or
    `optimizers` brings their variables up to date: ask for them anew after a step rather than keep them.

    Args:
        network: from uint8 images to (features, logits).
        center_loss: the layer that owns the centers.
        train: the `train` section of a config.
        split: the training images.
    """

    def __init__(self, network: keras.Model, center_loss: CenterLoss, train: Train, split: Split) -> None:
        self._network = network
        self._center_loss = center_loss
        head = network.get_layer(HEAD).trainable_variables
        head_ids = {id(variable) for variable in head}
        body = [variable for variable in network.trainable_variables if id(variable) not in head_ids]
        self._groups = (body, head)
        self._rates = (1.0, train.head_rate)
        self._optimizers = (
            build_optimizer(train, "body_optimizer"),
            build_optimizer(train, "head_optimizer"),
        )
        for optimizer, variables in zip(self._optimizers, self._groups, strict=True):
            optimizer.build(variables)
        if not center_loss.built:
            center_loss.build(network.outputs[0].shape)
        self._weight_decay = train.weight_decay
        moved = [*network.non_trainable_variables, *center_loss.variables]
        self._engine = compile_program(
            Program(
                forward=self._forward,
                update=self._update,
                trainable=[*body, *head],
                others=[*moved, *(each for optimizer in self._optimizers for each in optimizer.variables)],
                images=split.images,
                labels=split.labels.astype(np.int32),
            )
        )

    def __call__(self, indices: NDArray[np.int32], learning_rate: float, lambda_: float) -> StepFigures:
        """Train on the images at `indices` (m,). λ is a tensor like any other: λ = 0 takes the same path."""
        figures: StepFigures = self._engine(indices, learning_rate, lambda_)
        return figures

    @property
    def network(self) -> keras.Model:
        """The network, its variables as the last step left them."""
        self._engine.settle()
        return self._network

    @property
    def center_loss(self) -> CenterLoss:
        """The layer with the centers, as the last step left them."""
        self._engine.settle()
        return self._center_loss

    @property
    def optimizers(self) -> tuple[keras.optimizers.Optimizer, keras.optimizers.Optimizer]:
        """The optimizers of the network's body and of its head, as the last step left them."""
        self._engine.settle()
        return self._optimizers

    def _forward(self, images: Any, labels: Any, lambda_: Any) -> tuple[Any, StepFigures]:
        features, logits = self._network(images, training=True)
        softmax_loss = ops.mean(ops.sparse_categorical_crossentropy(labels, logits, from_logits=True))
        centers = ops.copy(self._center_loss.centers)  # TensorFlow moves them in place
        center_loss = self._center_loss(features, labels, training=True)
        accuracy = ops.mean(ops.cast(ops.equal(ops.argmax(logits, axis=1), labels), "float32"))
        center_shift = ops.norm(self._center_loss.centers - centers)
        figures = StepFigures(softmax_loss, self._per_image(center_loss, labels), accuracy, center_shift)
        return softmax_loss + lambda_ * center_loss, figures

    def _update(self, gradients: Sequence[Any], learning_rate: Any) -> None:
        for optimizer, variables, rate in zip(self._optimizers, self._groups, self._rates, strict=True):
            own, gradients = gradients[: len(variables)], gradients[len(variables) :]
            optimizer.learning_rate.assign(learning_rate * rate)
            optimizer.apply([self._decayed(g, v) for g, v in zip(own, variables, strict=True)], variables)

    def _decayed(self, gradient: Any, variable: keras.Variable) -> Any:
        """Add the gradient of ½·decay·‖w‖² for kernels, before momentum, as Caffe does."""
        if self._weight_decay and variable.name == "kernel":
            return gradient + self._weight_decay * variable.value
        return gradient

    def _per_image(self, center_loss: Any, labels: Any) -> Any:
        if self._center_loss.reduction == "mean":
            return center_loss
        return center_loss / ops.cast(ops.shape(labels)[0], center_loss.dtype)
