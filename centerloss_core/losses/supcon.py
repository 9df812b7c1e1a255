"""Supervised contrastive loss of Khosla et al. (NeurIPS 2020)."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
from keras import ops

from centerloss_core.config import Config
from centerloss_core.losses.base import Term
from centerloss_core.losses.distances import mean_where, same_class, units
from centerloss_core.losses.inputs import checked

_NOTHING = -1e9  # a logit whose exponential is 0


@keras.saving.register_keras_serializable(package="centerloss")
class SupConLoss(Term):
    """Softmax over the other images of the batch: those of the own class are to be the likeliest.

    In a batch of m features, with x̂ = x/‖x‖ and P(i) the other images of the class of i,

        L = −mean over i of  1/|P(i)| Σ_{p ∈ P(i)} log( e^{x̂_i·x̂_p/τ} / Σ_{a ≠ i} e^{x̂_i·x̂_a/τ} )

    An image without another of its class is left out of the mean, where the authors' first code divided by 0. τ is 0.1
    as in pytorch-metric-learning; the authors' code has 0.07 and multiplies the loss by τ/0.07. Features of length 0
    have no direction: their cosines are 0. Memory is of order m².

    Args:
        temperature: τ > 0.
        **kwargs: passed to `keras.layers.Layer`. `dtype` is "float32" unless given.

    Call arguments:
        features: floating (m, d), of any length; cast to the layer's dtype.
        labels: integer (m,) or (m, 1).
        training: makes no difference.
        pair_temperature: a τ for this call in place of the layer's own.

    Returns:
        A scalar; 0 where no image has another of its class.
    """

    scalars: ClassVar[tuple[str, ...]] = ("pair_temperature",)

    def __init__(self, temperature: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, received {temperature!r}.")
        self.temperature = float(temperature)

    def call(self, features: Any, labels: Any, training: bool = False, pair_temperature: Any = None) -> Any:
        """The loss. See the class for shapes."""
        features, labels = checked(features, labels, None, self.variable_dtype)
        directions = units(features)
        logits = ops.matmul(directions, ops.transpose(directions))
        logits = logits / (self.temperature if pair_temperature is None else pair_temperature)
        together, apart = same_class(labels)
        others = ops.logical_or(together, apart)
        total = ops.logsumexp(ops.where(others, logits, _NOTHING), axis=1, keepdims=True)
        positives = ops.cast(together, logits.dtype)
        counts = ops.sum(positives, axis=1)
        each = ops.sum(positives * (total - logits), axis=1) / ops.maximum(counts, 1)
        return ops.cast(mean_where(each, counts > 0), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {**super().get_config(), "temperature": self.temperature}


def build(config: Config, num_classes: int) -> SupConLoss:
    """The term of a run."""
    return SupConLoss(name="supcon_loss")
