"""The optimizers of a run, from the `train` section of its config."""

from __future__ import annotations

import keras

from centerloss_core.config import Train
from centerloss_core.optimizers.adam import Adam
from centerloss_core.optimizers.muon import Muon
from centerloss_core.optimizers.sgd import SGD


def build_optimizer(train: Train, name: str) -> keras.optimizers.Optimizer:
    """A new optimizer; `name` tells its variables apart from another's in a checkpoint."""
    if train.optimizer == "sgd":
        return SGD(train.learning_rate, train.momentum, name)
    if train.optimizer == "muon":
        # Runs of a few hundred steps at a high rate: an average over a thousand squared gradients comes too late.
        return Muon(train.learning_rate, beta_2=0.99, epsilon=1e-8, name=name)
    # ε as in the Adam paper and in the TensorFlow of the post; Keras' own default is ten times larger.
    return Adam(train.learning_rate, epsilon=1e-8, name=name)
