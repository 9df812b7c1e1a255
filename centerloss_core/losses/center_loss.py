"""The center loss of Wen et al. (ECCV 2016) as a Keras layer that owns its centers.

Nothing here knows about MNIST, λ, the network or the optimizer, so the layer serves any Keras 3 model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

import keras
from keras import ops

from centerloss_core.config import Config
from centerloss_core.losses.base import CENTERS_START, ClassPoints, Term
from centerloss_core.losses.inputs import check_features, checked, checked_count
from centerloss_core.losses.labels import check_shapes

Reduction = Literal["sum", "mean", "none"]
CenterUpdate = Literal["eq4", "gradient", "ema"]

_ON_JAX = keras.backend.backend() == "jax"
_FEW_CLASSES = 128  # so many sums over a batch cost no more than sorting it


@keras.saving.register_keras_serializable(package="centerloss")
class CenterLoss(Term):
    """Pulls every feature towards the center of its class, and the centers after the features.

    In a batch of m features x_i with labels y_i and centers c_j, `layer(features, labels)` returns

        L_c = ½ Σ_i ‖x_i − c_{y_i}‖²        reduction "sum": Eq. 2 of the paper, and the post
        L_c = ½ Σ_i ‖x_i − c_{y_i}‖² / m    reduction "mean": the paper's own code
        ½ ‖x_i − c_{y_i}‖² of each sample   reduction "none": an output of a model, which Keras averages

    and with `training=True` also takes one step of Eq. 4, from this batch's features and the centers before it:

        Δc_j = Σ_i δ(y_i = j) (c_j − x_i) / (1 + Σ_i δ(y_i = j)),    c_j ← c_j − α Δc_j

    A class that is absent from the batch keeps its center, and the 1 in the denominator keeps a class of one
    sample from jumping. Two other rules are in use, here in forms that are stable for any batch and any α up to 1,
    with n_j samples of class j in the batch:

        center_update "gradient":   c_j ← c_j − α/m Σ_i δ(y_i = j) (c_j − x_i)
        center_update "ema":        c_j ← d^{n_j} c_j + (1 − d^{n_j}) · mean of the class in the batch,  d = 1 − α

    The first is a gradient step on the batch mean of L_c; ports hand it to an optimizer and divide by λ. The second
    is an exponential moving average with decay d; facenet's, sample by sample from the centers before the batch,
    diverges where a class has more than 2/α of them.

    By each rule the step depends on neither λ nor the optimizer, and no gradient flows into the centers.
    With `training=False` (the default) the centers do not move.

    Multiply the returned loss by λ yourself. Sum and mean differ by a factor m, and so does the meaning of λ.

    On several replicas of `tf.distribute` (a layer that was made in the strategy's scope) the centers move by the sums
    and counts of the whole batch and stay equal. The returned loss is that of the replica's own samples.

    Args:
        num_classes: number of classes k; labels are integers in [0, k).
        alpha: rate α of the centers, 0 ≤ α ≤ 1.
        reduction: "sum" or "mean" over the batch, or "none".
        center_update: "eq4", "gradient" or "ema".
        centers_initializer: where the k centers start; a Keras initializer or its name.
        **kwargs: passed to `keras.layers.Layer`. `dtype` is "float32" unless given, under mixed precision too:
            squared distances and slowly moving averages are what half precision is worst at.

    Call arguments:
        features: floating (m, d); cast to the layer's dtype.
        labels: integer (m,) or (m, 1), each in [0, k). A compiled step does not look for others, which would cost
            its time: what they give there differs between backends.
        training: whether to move the centers.
        alpha: a rate for this call in place of the layer's own, which a compiled function would hold as a constant.

    Returns:
        A scalar of the layer's dtype; (m,) without a reduction.

    Raises:
        ValueError: on settings out of range; inputs of other shapes, such as one-hot labels (m, k); and, in a call
            that is not compiled, labels out of range.
    """

    scalars: ClassVar[tuple[str, ...]] = ("alpha",)

    def __init__(
        self,
        num_classes: int,
        alpha: float = 0.5,
        reduction: Reduction = "sum",
        centers_initializer: Any = "zeros",
        center_update: CenterUpdate = "eq4",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes = checked_count(num_classes)
        if not 0.0 <= alpha <= 1.0:
            raise ValueError(f"alpha must lie between 0 and 1, received {alpha!r}.")
        if reduction not in get_args(Reduction):
            raise ValueError(f"reduction must be one of {get_args(Reduction)}, received {reduction!r}.")
        self.alpha = float(alpha)
        if center_update not in get_args(CenterUpdate):
            raise ValueError(
                f"center_update must be one of {get_args(CenterUpdate)}, received {center_update!r}."
            )
        self.reduction = reduction
        self.center_update = center_update
        self.centers_initializer = keras.initializers.get(centers_initializer)

    def build(self, features_shape: tuple[int | None, ...], labels_shape: Any = None) -> None:
        """Create the centers, (num_classes, d), once the feature dimension d is known."""
        check_features(features_shape)
        self.centers = self.add_weight(
            shape=(self.num_classes, features_shape[1]),
            initializer=self.centers_initializer,
            trainable=False,
            autocast=False,  # a center that went through half precision and back would not be the same center
            name="centers",
        )

    def call(self, features: Any, labels: Any, training: bool = False, alpha: Any = None) -> Any:
        """Return L_c; with `training`, move the centers. See the class for shapes."""
        features, labels = checked(features, labels, self.num_classes, self.variable_dtype)
        centers, _ = self._follow(features, labels, training, alpha)
        return self._loss(features - centers)

    def points(self) -> ClassPoints:
        """The centers."""
        return ClassPoints(self.centers, "center")

    def measure(self, features: Any, labels: Any, scalars: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """L_c, having moved the centers; and two figures, whatever the reduction, so that runs compare.

        center_loss: mean over the batch of ½‖x − c‖².
        center_shift: ‖Δc‖, how far this step moved the centers, all taken as one vector.
        """
        centers, shift = self._follow(features, labels, True, scalars["alpha"])
        loss = self._loss(features - centers)
        return loss, {"center_loss": self._per_image(loss, labels), "center_shift": shift}

    def _per_image(self, loss: Any, labels: Any) -> Any:
        return loss if self.reduction == "mean" else loss / ops.cast(ops.shape(labels)[0], loss.dtype)

    def _follow(self, features: Any, labels: Any, training: bool, alpha: Any) -> tuple[Any, Any]:
        """The center of each sample's class (m, d); and, having moved them if `training`, ‖Δc‖."""
        # Read once: the loss and the update must see the same centers, those before the step.
        centers = ops.stop_gradient(self._read(labels))
        if not training:
            return centers, None
        batch = centers, ops.stop_gradient(features - centers), labels
        if _has_copies(self.centers.value):
            from centerloss_core.losses.replicas import gather

            batch = gather(batch)
        return centers, self._move(*batch, ops.cast(self.alpha if alpha is None else alpha, centers.dtype))

    def _loss(self, offsets: Any) -> Any:
        loss = 0.5 * ops.sum(ops.square(offsets), axis=1 if self.reduction == "none" else None)
        if self.reduction == "mean":  # of no sample, as a replica may get at the end of an epoch: 0
            loss = loss / ops.maximum(ops.cast(ops.shape(offsets)[0], loss.dtype), 1)
        return ops.cast(loss, self.compute_dtype)

    def _move(self, centers: Any, offsets: Any, labels: Any, alpha: Any) -> Any:
        """Take the step of the centers; returns ‖Δc‖.

        A batch of m samples has at most m classes, so m sums are enough, however many classes there are: each class
        that is present adds up in the row of its last sample. Time and memory are those of a few (m, d) arrays and
        one (k,) array of integers; a product with the one-hot labels would need (m, k) and k·m·d multiplications.
        """
        if _ON_JAX and self.num_classes <= _FEW_CLASSES:
            return self._move_all(offsets, labels, alpha)
        size = ops.shape(labels)[0]
        samples = ops.arange(size, dtype="int32")
        rows = ops.take(ops.segment_max(samples, labels, num_segments=self.num_classes), labels)
        # Additions in float32, sample by sample in the order of the batch. GPUs keep to one order when told to:
        # TensorFlow by its op determinism, XLA by --xla_gpu_exclude_nondeterministic_ops.
        sums = ops.segment_sum(offsets, rows, num_segments=size)
        counts = ops.segment_sum(ops.ones_like(rows), rows, num_segments=size)
        steps = self._steps(sums, counts, size, alpha)
        moved = centers + ops.take(steps, rows, axis=0)  # samples of one class get equal rows
        self._write(labels, moved)
        last = ops.equal(rows, samples)[:, None]  # each class once
        return ops.norm(ops.where(last, moved - centers, ops.zeros_like(moved)))

    def _move_all(self, offsets: Any, labels: Any, alpha: Any) -> Any:
        """As `_move`, with a sum over the batch for each class.

        To add up where labels point, in one order, XLA sorts on a GPU; that costs a tenth of a step.
        """
        before = ops.convert_to_tensor(self.centers)
        own = ops.equal(ops.arange(self.num_classes, dtype="int32")[:, None], labels)  # (k, m)
        sums = ops.sum(ops.where(own[:, :, None], offsets, 0.0), axis=1)
        counts = ops.sum(ops.cast(own, "int32"), axis=1)
        moved = before + self._steps(sums, counts, ops.shape(labels)[0], alpha)
        self.centers.assign(moved)
        return ops.norm(moved - before)

    def _steps(self, sums: Any, counts: Any, size: Any, alpha: Any) -> Any:
        """How far centers move, −αΔc, (n, d), by the sums of x − c of their samples, (n, d), and their number, (n,)."""
        if self.center_update == "eq4":
            return alpha * (sums / ops.cast(1 + counts, sums.dtype)[:, None])
        if self.center_update == "gradient":
            return alpha * (sums / ops.cast(size, sums.dtype))
        counts = ops.cast(ops.maximum(counts, 1), sums.dtype)
        shares = -ops.expm1(counts * ops.log1p(-alpha))  # 1 − d^n without its cancellation
        return sums * (shares / counts)[:, None]

    # Only rows of classes in the batch are read and written. A variable of TensorFlow has methods for that; assigning
    # it a new value would copy all centers every step: 205 MB for 100,000 classes of 512 dimensions, 30 times the
    # time of the rest. Where variables are plain arrays, as under JAX, the compiler updates them in place.

    def _read(self, labels: Any) -> Any:
        """The center of every sample's class, (m, d)."""
        centers = self.centers.value
        return centers.sparse_read(labels) if _is_in_place(centers) else ops.take(centers, labels, axis=0)

    def _write(self, labels: Any, moved: Any) -> None:
        """Replace these centers. Samples of one class bring equal rows, so their order does not matter."""
        centers, indices = self.centers.value, labels[:, None]
        if _has_copies(centers):
            from centerloss_core.losses.replicas import write_rows

            write_rows(centers, labels, moved)
        elif _is_in_place(centers):
            centers.scatter_nd_update(indices, moved)
        else:
            self.centers.assign(ops.scatter_update(centers, indices, moved))

    def compute_output_shape(
        self, features_shape: tuple[int | None, ...], labels_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Those of a scalar, or (m,) without a reduction."""
        check_shapes(features_shape, labels_shape)
        return features_shape[:1] if self.reduction == "none" else ()

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, for Keras' own saving."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "alpha": self.alpha,
            "reduction": self.reduction,
            "center_update": self.center_update,
            "centers_initializer": keras.initializers.serialize(self.centers_initializer),
        }


def _has_copies(value: Any) -> bool:
    """Whether this value of a Keras variable is a variable of a `tf.distribute` strategy, a copy for each replica."""
    return hasattr(value, "distribute_strategy")


def _is_in_place(value: Any) -> bool:
    """Whether it is a single `tf.Variable`. Both ask without importing TensorFlow."""
    return hasattr(value, "scatter_nd_update") and hasattr(value, "sparse_read") and not _has_copies(value)


def settings_of(config: Config) -> dict[str, Any]:
    """What a run says of centers, as arguments of `CenterLoss` and of what derives from it."""
    return {
        "alpha": config.loss.alpha,
        "reduction": config.loss.reduction,
        "center_update": config.loss.center_update,
        "centers_initializer": CENTERS_START[config.loss.centers_start],
    }


def build(config: Config, num_classes: int) -> CenterLoss:
    """The term of a run."""
    return CenterLoss(num_classes, **settings_of(config), name="center_loss")
