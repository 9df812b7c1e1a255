"""The training step: one batch, one compiled call. The only mathematics here that needs TensorFlow itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from centerloss_core.center_loss import CenterLoss
from centerloss_core.config import Train
from centerloss_core.datasets import Split
from centerloss_core.networks import HEAD


class StepFigures(NamedTuple):
    """What one step saw, before it changed the weights: scalars that are read only when somebody asks."""

    softmax_loss: Any  # mean cross-entropy of the batch
    center_loss: Any  # mean over the batch of ½‖x − c‖², whatever the reduction, so that runs compare
    accuracy: Any


class TrainStep:
    """L = L_s + λ·L_c on one batch: gradients into the network, Eq. 4 into the centers.

    The images stay in memory as uint8 and a step gathers its batch inside the graph, so that nothing but a few
    hundred indices crosses from Python per step. The softmax head has an optimizer of its own, because its learning
    rate may differ from the network's (`train.head_rate`).

    Args:
        network: from uint8 images to (features, logits).
        center_loss: the layer that owns the centers.
        train: the `train` section of a config.
        split: the training images.
    """

    def __init__(self, network: keras.Model, center_loss: CenterLoss, train: Train, split: Split) -> None:
        self.network = network
        self.center_loss = center_loss
        head = network.get_layer(HEAD).trainable_variables
        head_ids = {id(variable) for variable in head}
        body = [variable for variable in network.trainable_variables if id(variable) not in head_ids]
        self._groups = (body, head)
        self._rates = (1.0, train.head_rate)
        self.optimizers = (_optimizer(train, "body_optimizer"), _optimizer(train, "head_optimizer"))
        for optimizer, variables in zip(self.optimizers, self._groups, strict=True):
            optimizer.build(variables)
        if not center_loss.built:
            center_loss.build(network.outputs[0].shape)
        self._weight_decay = train.weight_decay
        self._images = tf.constant(split.images)
        self._labels = tf.constant(split.labels.astype(np.int32))
        self._compiled = tf.function(self._step, autograph=False)

    def __call__(self, indices: NDArray[np.int32], learning_rate: float, lambda_: float) -> StepFigures:
        """Train on the images at `indices` (m,). λ is a tensor like any other: λ = 0 takes the same path."""
        return StepFigures(
            *self._compiled(
                tf.constant(indices),
                tf.constant(learning_rate, tf.float32),
                tf.constant(lambda_, tf.float32),
            )
        )

    def _step(self, indices: Any, learning_rate: Any, lambda_: Any) -> tuple[Any, Any, Any]:
        images, labels = tf.gather(self._images, indices), tf.gather(self._labels, indices)
        with tf.GradientTape() as tape:
            features, logits = self.network(images, training=True)
            softmax_loss = ops.mean(ops.sparse_categorical_crossentropy(labels, logits, from_logits=True))
            center_loss = self.center_loss(features, labels, training=True)
            loss = softmax_loss + lambda_ * center_loss
        body, head = self._groups
        gradients = tape.gradient(loss, [variable.value for variable in (*body, *head)])
        self._apply(gradients, learning_rate)
        accuracy = ops.mean(ops.cast(ops.equal(ops.argmax(logits, axis=1), labels), "float32"))
        return softmax_loss, self._per_image(center_loss, labels), accuracy

    def _apply(self, gradients: list[Any], learning_rate: Any) -> None:
        for optimizer, variables, rate in zip(self.optimizers, self._groups, self._rates, strict=True):
            own, gradients = gradients[: len(variables)], gradients[len(variables) :]
            optimizer.learning_rate.assign(learning_rate * rate)
            optimizer.apply([self._decayed(g, v) for g, v in zip(own, variables, strict=True)], variables)

    def _decayed(self, gradient: Any, variable: keras.Variable) -> Any:
        """Add the gradient of ½·decay·‖w‖² for kernels, before momentum, as Caffe does."""
        if self._weight_decay and variable.name == "kernel":
            return gradient + self._weight_decay * variable.value
        return gradient

    def _per_image(self, center_loss: Any, labels: Any) -> Any:
        if self.center_loss.reduction == "mean":
            return center_loss
        return center_loss / ops.cast(ops.shape(labels)[0], center_loss.dtype)


def _optimizer(train: Train, name: str) -> keras.optimizers.Optimizer:
    if train.optimizer == "adam":
        # ε as in the Adam paper and in the TensorFlow of the post; Keras' own default is ten times larger.
        return keras.optimizers.Adam(train.learning_rate, epsilon=1e-8, name=name)
    return keras.optimizers.SGD(train.learning_rate, momentum=train.momentum, name=name)
