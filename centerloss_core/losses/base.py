"""What a loss is made of: a head turns features into logits, a term adds a scalar to the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from centerloss_core.networks.initializers import Constant

# Of `loss.centers_start`, as Keras takes it.
CENTERS_START = {"zeros": Constant(0.0), "xavier": "glorot_uniform"}


class ClassPoints(NamedTuple):
    """A point for each class in the space of the features, and what it is.

    Attributes:
        values: (k, d) float32, a Keras variable or an array.
        kind: such as "center" or "prototype".
    """

    values: Any
    kind: str


class Part(keras.layers.Layer):
    """A head or a term: a Keras layer that owns its variables and says what a training step shows of it.

    Attributes:
        scalars: names of those scalars of the step that `call` takes as keywords. A number that a schedule or a sweep
            may vary belongs here, because one that the layer keeps is a constant of the compiled step.
    """

    scalars: ClassVar[tuple[str, ...]] = ()
    prefix: ClassVar[str] = ""  # before these names among the scalars of a step

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")  # under mixed precision too
        super().__init__(**kwargs)

    def points(self) -> ClassPoints | None:
        """The points that this part holds for the classes, or None where it holds none."""
        return None

    def _in_training(self, features: Any, labels: Any, scalars: Mapping[str, Any]) -> Any:
        return self(features, labels, training=True, **self._own(scalars))

    def _own(self, scalars: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the step's scalars that this part takes, by its own names for them."""
        return {name: scalars[f"{self.prefix}{name}"] for name in self.scalars}


class Head(Part):
    """`(features, labels=None, training=False) → logits` (m, k).

    With labels, in training, a head may put a margin into the target's logit; without labels it never does.
    """

    prefix = "head_"  # a head and a term may both have a margin

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def keep(self, numbers: Mapping[str, float]) -> bool:
        """Make those numbers that it takes its own, for calls that bring none; whether one is another than before."""
        before = [getattr(self, name) for name in self.scalars]
        for name in self.scalars:
            setattr(self, name, numbers[name])
        return before != [numbers[name] for name in self.scalars]

    def measure(self, features: Any, labels: Any, scalars: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """What a training step computes: the loss to be differentiated, and scalar figures by name.

        Here those of `cross_entropy`.

        Args:
            features: (m, d) float32.
            labels: (m,) int32, each in [0, k).
            scalars: all that the step is given.
        """
        return cross_entropy(self._in_training(features, labels, scalars), labels)

    def compute_output_shape(
        self, features_shape: tuple[int | None, ...], labels_shape: Any = None
    ) -> tuple[int | None, ...]:
        """(m, k)."""
        return (features_shape[0], self.num_classes)

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {**super().get_config(), "num_classes": self.num_classes}


class Term(Part):
    """`(features, labels, training=False) → scalar`; the step multiplies it by λ."""

    def measure(self, features: Any, labels: Any, scalars: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """As of a head: the term, and the same as a figure that is named after the layer."""
        loss = self._in_training(features, labels, scalars)
        return loss, {self.name: loss}

    def compute_output_shape(self, features_shape: Any, labels_shape: Any) -> tuple[int | None, ...]:
        """Those of a scalar."""
        return ()


def cross_entropy(logits: Any, labels: Any, plain: Any = None) -> tuple[Any, dict[str, Any]]:
    """The mean cross-entropy of logits (m, k), and the figures of a head.

    softmax_loss: the same.
    accuracy: share of images whose largest logit is that of their class; of `plain`, where the logits have a margin.
    """
    loss = ops.mean(ops.sparse_categorical_crossentropy(labels, logits, from_logits=True))
    decided = ops.argmax(logits if plain is None else plain, axis=1)
    accuracy = ops.mean(ops.cast(ops.equal(decided, labels), "float32"))
    return loss, {"softmax_loss": loss, "accuracy": accuracy}
