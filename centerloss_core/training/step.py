"""The training step: one batch, one compiled call, its mathematics in the words of `keras.ops`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from centerloss_core.config import Train
from centerloss_core.datasets import Split
from centerloss_core.losses.base import ClassPoints, Head, Term
from centerloss_core.optimizers.build import build_optimizer
from centerloss_core.training.augmentation import augmented
from centerloss_core.training.engines import Batch, Program, Scalars, compile_program

_MOST_STEPS, _MOST_IMAGES = 256, 100_000  # in a call: a second on a slow GPU
# Of the images that the batches of a call bring along. Those of two more calls may be waiting.
_MOST_BYTES = 64 << 20


class _Group(NamedTuple):
    """Variables that share an optimizer, and the scalar that its learning rate is multiplied by."""

    variables: list[keras.Variable]
    optimizer: keras.optimizers.Optimizer
    rate: str | None = None


class TrainStep:
    """L = L_head + λ·L_term on one batch: gradients into network, head and term; and whatever the term moves itself.

    The images stay on the device as uint8 and a step gathers its batch inside the compiled call, so that nothing but
    a few hundred indices crosses from Python per step. Where they do not fit, batches bring their own. Head and term
    have optimizers of their own, because their learning rates may differ from the network's.

    Numbers reach the compiled step as scalars: "learning_rate", "weight_decay" (L2 on kernels), "momentum" (of SGD),
    "head_rate" and, for a term with trainable variables, "term_rate" (relative to the learning rate), "lambda" where
    there is a term, the two words that changes of the images follow from, and those that head and term ask for. Names
    that the step has no use for are ignored. What remains fixed when it is compiled: the shapes, the network and its
    options, head and term, `loss.reduction`, how images are changed, the kind of optimizer, and the precision.

    Between two steps the backend may hold the state outside the Keras variables. Reading `network`, `head`, `term`,
    `points` or `optimizers` brings their variables up to date: ask for them anew after a step rather than keep them.

    Attributes:
        is_streamed: whether every batch must bring its own images.

    Args:
        body: from uint8 images (m, h, w, c) to features (m, d).
        head: from features to logits; None for the term alone, which then is the whole loss, λ times.
        term: added to the loss with weight λ; None for the head's loss alone. One of both there must be.
        train: the `train` section of a config.
        split: the training images, which steps then take by their indices; None: every batch brings its own.
    """

    def __init__(
        self, body: keras.Model, head: Head | None, term: Term | None, train: Train, split: Split | None
    ) -> None:
        features = body.outputs[0]
        self._network = joined(body, head)
        self._body, self._head, self._term = body, head, term
        self._augment = train.augment
        self.is_streamed = split is None
        most = min(_MOST_STEPS, _MOST_IMAGES // train.batch_size)
        if split is None:
            most = min(most, _MOST_BYTES // (train.batch_size * math.prod(body.inputs[0].shape[1:])))
        if term is not None and not term.built:
            term.build(features.shape)
        self._groups = [_group(body.trainable_variables, train, "body_optimizer")]
        if head is not None:
            self._groups.append(_group(head.trainable_variables, train, "head_optimizer", "head_rate"))
        moved = self._network.non_trainable_variables
        if term is not None:
            moved = [*moved, *term.non_trainable_variables]
            if term.trainable_variables:
                self._groups.append(_group(term.trainable_variables, train, "term_optimizer", "term_rate"))
        self._engine = compile_program(
            Program(
                forward=self._forward,
                update=self._update,
                trainable=[each for group in self._groups for each in group.variables],
                others=[*moved, *(each for group in self._groups for each in group.optimizer.variables)],
                most=max(1, most),
                data=None if split is None else (split.images[:], split.labels.astype(np.int32)),
            )
        )

    def __call__(self, batch: Batch, scalars: Scalars) -> dict[str, Any]:
        """Take one step.

        Args:
            batch: indices into the training images (m,), int32; without a split, images (m, h, w, c), uint8, and
                labels (m,), int32.
            scalars: numbers by name. λ is one like any other: λ = 0 takes the same path.

        Returns:
            What the step saw before it changed the weights: scalars by name, read only when they are needed.
        """
        return {name: figure[0] for name, figure in self.take([batch], [scalars]).items()}

    def take(self, batches: Sequence[Batch], scalars: Sequence[Scalars]) -> dict[str, Any]:
        """Take several steps in one call: as `__call__` for each batch, to the last bit; figures are (steps,) each."""
        return self._engine(batches, scalars)

    @property
    def most(self) -> int:
        """How many steps a call of `take` can take."""
        return self._engine.most

    @property
    def fingerprint(self) -> str | None:
        """See `Engine.fingerprint`."""
        return self._engine.fingerprint

    def keep_numbers(self, numbers: Mapping[str, float]) -> None:
        """Make numbers of a run, such as its scale, those of the logits of `network`; steps bring their own."""
        if self._head is not None and self._head.keep(numbers):
            self._network.predict_function = None  # it was compiled with the former ones

    @property
    def network(self) -> keras.Model:
        """From images to (features, logits), or without a head to features, as the last step left it."""
        self._engine.settle()
        return self._network

    @property
    def head(self) -> Head | None:
        """The head, as the last step left it."""
        self._engine.settle()
        return self._head

    @property
    def term(self) -> Term | None:
        """The term, as the last step left it."""
        self._engine.settle()
        return self._term

    @property
    def points(self) -> ClassPoints | None:
        """The points of the classes, as the last step left them: those of the term, or else of the head."""
        self._engine.settle()
        return points_of(self._head, self._term)

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """Those of body, head and a term with trainable variables, as far as there are such, as of the last step."""
        self._engine.settle()
        return [group.optimizer for group in self._groups]

    def _forward(self, images: Any, labels: Any, scalars: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        if self._augment is not None and self._augment.changes:
            words = scalars["augment_high"], scalars["augment_low"]
            images = augmented(images, self._augment, words)
        features = self._body(images, training=True)
        parts = []
        if self._head is not None:
            parts.append(self._head.measure(features, labels, scalars))
        if self._term is not None:
            term, more = self._term.measure(features, labels, scalars)
            parts.append((scalars["lambda"] * term, more))
        (loss, figures), *others = parts
        for added, more in others:
            loss, figures = loss + added, figures | more
        return loss, figures

    def _update(self, gradients: Sequence[Any], scalars: Mapping[str, Any]) -> None:
        for variables, optimizer, rate in self._groups:
            own, gradients = gradients[: len(variables)], gradients[len(variables) :]
            factor = 1.0 if rate is None else scalars[rate]
            optimizer.learning_rate.assign(scalars["learning_rate"] * factor)
            if hasattr(optimizer, "momentum_now"):
                optimizer.momentum_now.assign(scalars["momentum"])
            decayed = [_decayed(*pair, scalars["weight_decay"]) for pair in zip(own, variables, strict=True)]
            optimizer.apply(decayed, variables)


def joined(body: keras.Model, head: Head | None) -> keras.Model:
    """The network from images to (features, logits), or without a head to features."""
    features = body.outputs[0]
    outputs = features if head is None else (features, head(features))
    return keras.Model(body.inputs[0], outputs, name=body.name)


def points_of(head: Head | None, term: Term | None) -> ClassPoints | None:
    """The points of the classes: those of the term, or else of the head."""
    own = None if term is None else term.points()
    return own if own or head is None else head.points()


def _group(variables: list[keras.Variable], train: Train, name: str, rate: str | None = None) -> _Group:
    optimizer = build_optimizer(train, name)
    optimizer.build(variables)
    return _Group(variables, optimizer, rate)


def _decayed(gradient: Any, variable: keras.Variable, decay: Any) -> Any:
    """Add the gradient of ½·decay·‖w‖² for kernels, before momentum, as Caffe does."""
    return gradient + decay * variable.value if variable.name == "kernel" else gradient
