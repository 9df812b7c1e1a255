"""Softmax with a margin that multiplies the angle of an image's own class: A-Softmax (SphereFace) and L-Softmax.

Where m times the angle counts, the own class must win at m times its angle:

    ψ(θ) = (−1)^q cos(mθ) − 2q   for θ in [qπ/m, (q + 1)π/m],   q = 0 … m − 1,

which falls from 1 at θ = 0 to 1 − 2m at π. cos(mθ) is a polynomial of cosθ (Chebyshev), so no angle is computed and no
slope is infinite.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from centerloss_core.config import Config
from centerloss_core.losses.base import Head, cross_entropy
from centerloss_core.losses.distances import lengths
from centerloss_core.losses.margins import directions
from centerloss_core.losses.prototypes import is_own

LARGEST_MARGIN = 4
# cosθ at the borders between the pieces of ψ, a row for each m; −2 is below all cosines.
_BORDERS = [
    [math.cos(q * math.pi / m) if q < m else -2.0 for q in range(1, LARGEST_MARGIN)]
    for m in range(1, LARGEST_MARGIN + 1)
]


class _MultiplicativeMargin(Head):
    """What both share. A subclass says which weights there are, and how long."""

    scalars: ClassVar[tuple[str, ...]] = ("margin", "annealing")

    def __init__(
        self,
        num_classes: int,
        margin: int = 4,
        annealing: float = 0.0,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, **kwargs)
        if margin not in range(1, LARGEST_MARGIN + 1):
            raise ValueError(f"margin must be 1, 2, 3 or 4, received {margin!r}.")
        if not (math.isfinite(annealing) and annealing >= 0):
            raise ValueError(f"annealing must not be negative, received {annealing!r}.")
        self.margin = int(margin)
        self.annealing = float(annealing)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, features_shape: tuple[int | None, ...], labels_shape: Any = None) -> None:
        """Create the weights (d, k)."""
        shape = (features_shape[-1], self.num_classes)
        self.kernel = self.add_weight(shape=shape, initializer=self.kernel_initializer, name="kernel")

    @abstractmethod
    def _weights(self) -> tuple[Any, Any]:
        """The weights (d, k) of the logits, and their lengths (k,)."""

    def call(
        self,
        features: Any,
        labels: Any = None,
        training: bool = False,
        margin: Any = None,
        annealing: Any = None,
    ) -> Any:
        """Logits (m, k); see the class."""
        if labels is None or not training:
            return ops.matmul(features, self._weights()[0])
        return self._logits(features, labels, margin, annealing)[0]

    def measure(self, features: Any, labels: Any, scalars: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """As of every head; the accuracy is that of the logits without margin."""
        logits, plain = self._logits(features, labels, **self._own(scalars))
        return cross_entropy(logits, labels, plain=plain)

    def _logits(self, features: Any, labels: Any, margin: Any, annealing: Any) -> tuple[Any, Any]:
        """The logits (m, k) that are trained, and those without margin."""
        weights, weight_lengths = self._weights()
        plain = ops.matmul(features, weights)
        own = is_own(labels, plain, self.num_classes)
        zero = ops.zeros_like(plain)
        cosines = ops.matmul(directions(features, axis=1), directions(self.kernel, axis=0))
        cosine = ops.sum(ops.where(own, cosines, zero), axis=1)
        length = lengths(features) * ops.sum(ops.where(own, weight_lengths + zero, zero), axis=1)
        share = 1.0 / (1.0 + ops.cast(self.annealing if annealing is None else annealing, plain.dtype))
        # (a·plain + length·ψ)/(1 + a), where the plain logit keeps its slope at the origin.
        taken_off = share * length * (cosine - psi(cosine, self.margin if margin is None else margin))
        return ops.where(own, plain - taken_off[:, None], plain), plain

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {
            **super().get_config(),
            "margin": self.margin,
            "annealing": self.annealing,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable(package="centerloss")
class SphereFace(_MultiplicativeMargin):
    """logits = ‖x‖·cosθ_j; of an image's own class in training ‖x‖·(a·cosθ_y + ψ(θ_y))/(1 + a) (Liu et al., CVPR 2017).

    A-Softmax: the weights have length 1 and there is no bias, so that the direction of a feature alone decides; its
    length says how surely. ψ is 1 where a feature lies on its weights, so features there win at any margin, and the
    loss falls to 0 as they grow longer: there is no bound on m in any number of dimensions. ψ(θ) < cosθ elsewhere, and
    of two classes whose weights are Δ apart the own one wins, with a = 0, within Δ/(m + 1) of its weights.

    With labels in [0, k), `head(features)` returns logits (m, k) float32 of features (m, d), and
    `head(features, labels, training=True)` those that are trained. A feature shorter than 1e-6 has no direction: its
    margin is 0, and its slope that of the plain logits.

    Annealing: a large a hides the margin. In a run a begins at 1000 and falls to 5 within half of the run, evenly in
    log(1 + a). Differs from the authors' code, where a = max(5, 1000/(1 + 0.12 n)) after n iterations, whatever the
    length of the run (5 from n = 1,658 on); and which takes, as its README says, another gradient than that of its
    formula. Here it is the formula's.

    Args:
        num_classes: number of classes k.
        margin: m, 1 to 4; 4 as in the paper; 1 is no margin. As a call argument: for this call.
        annealing: a ≥ 0; 5, where the authors end, has the effect of m ≈ 1.5. As a call argument: for this call.
        kernel_initializer: of the weights (d, k); a Keras initializer or its name.
        **kwargs: passed to `keras.layers.Layer`. `dtype` is "float32" unless given, under mixed precision too.

    Call arguments:
        features: floating (m, d).
        labels: integer (m,) or (m, 1), or None.
        training: whether the margin is put into the logits of the labels' classes.

    Raises:
        ValueError: on settings out of range; labels of another shape; and, in a call that is not compiled, labels that
            are no class.
    """

    def __init__(self, num_classes: int, margin: int = 4, annealing: float = 5.0, **kwargs: Any) -> None:
        super().__init__(num_classes, margin, annealing, **kwargs)

    def _weights(self) -> tuple[Any, Any]:
        return directions(self.kernel, axis=0), 1.0


@keras.saving.register_keras_serializable(package="centerloss")
class LSoftmax(_MultiplicativeMargin):
    """logits = ‖w_j‖‖x‖·cosθ_j; of an image's own class in training ‖w_y‖‖x‖·(a·cosθ_y + ψ(θ_y))/(1 + a).

    L-Softmax (Liu et al., ICML 2016): as `SphereFace`, but the weights keep their length. Without a bias, classes are
    still told apart by direction.

    Annealing: in a run a begins at 1000 and falls to 0 within half of the run, evenly in log(1 + a). The authors' code
    for MNIST has a = 1000/(1 + 2.5e-5 n)^35 after n iterations, whatever the length of the run (below 1 from
    n = 8,728 on), and says that MNIST is learnt without it too.

    Shapes, `margin`, `kernel_initializer`, errors: `SphereFace`.

    Args:
        annealing: a ≥ 0; 0 as where the authors end. As a call argument: for this call.
    """

    def _weights(self) -> tuple[Any, Any]:
        return self.kernel, lengths(ops.transpose(self.kernel))


def psi(cosines: Any, margin: Any) -> Any:
    """ψ(θ) of cosθ (m,), with a margin of 1 to 4."""
    squares = ops.square(cosines)
    multiples = [
        cosines,
        2 * squares - 1,
        cosines * (4 * squares - 3),
        8 * squares * (squares - 1) + 1,
    ]
    row = ops.cast(margin, "int32") - 1
    multiple = ops.take(ops.stack(multiples), row, axis=0)
    borders = ops.take(ops.convert_to_tensor(_BORDERS, cosines.dtype), row, axis=0)
    passed = ops.cast(ops.sum(ops.cast(cosines[:, None] <= borders, "int32"), axis=1), cosines.dtype)
    return ops.where(passed % 2 == 0, multiple, -multiple) - 2 * passed


def build(config: Config, num_classes: int, kernel_initializer: Any) -> _MultiplicativeMargin:
    """The head of a run. Margin and annealing come with each step."""
    kind = SphereFace if config.loss.head.name == "sphereface" else LSoftmax
    return kind(num_classes, kernel_initializer=kernel_initializer, name="head")
