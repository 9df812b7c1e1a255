"""Lengths and distances whose slopes stay finite where two points are one. float32 in, float32 out."""

from __future__ import annotations

from typing import Any

from keras import ops

_LOST = 1e-6  # of squared distances, some ten times the rounding of float32


def lengths(vectors: Any) -> Any:
    """‖x‖ (m,) of vectors (m, d). The slope at 0 is 0: the root alone has an infinite one there."""
    return root(ops.sum(ops.square(vectors), axis=-1))


def root(squares: Any) -> Any:
    """√ of numbers ≥ 0, with slope 0 at 0."""
    positive = squares > 0
    # The inner choice keeps the infinite slope out of the gradient, where infinity · 0 would be NaN.
    inside = ops.where(positive, squares, ops.ones_like(squares))
    return ops.where(positive, ops.sqrt(inside), ops.zeros_like(squares))


def squared_distances(points: Any, others: Any) -> Any:
    """‖p − q‖² (m, n) of points (m, d) and others (n, d); exactly 0 where they are one.

    From differences (m, n, d): the product ‖p‖² + ‖q‖² − 2p·q is cheaper and loses what is near.
    """
    return ops.sum(ops.square(points[:, None, :] - others[None, :, :]), axis=-1)


def units(vectors: Any) -> Any:
    """x̂ = x/‖x‖ of vectors (m, d); 0 where x is 0, with a finite slope."""
    found = lengths(vectors)[:, None]
    return vectors / ops.where(found > 0, found, ops.ones_like(found))


def pairwise_squares(points: Any) -> Any:
    """‖p_i − p_l‖² (m, m) of points (m, d), in memory of that order; exactly 0 on the diagonal and where it is lost.

    From products, which lose what is nearer than a thousandth of the distance to the mean of all points.
    """
    points = points - ops.stop_gradient(ops.mean(points, axis=0, keepdims=True))
    squares = ops.sum(ops.square(points), axis=1)
    scales = squares[:, None] + squares[None, :]
    found = scales - 2 * ops.matmul(points, ops.transpose(points))
    return ops.where(found > _LOST * scales, found, ops.zeros_like(found))


def same_class(labels: Any) -> tuple[Any, Any]:
    """Of labels (m,): which pairs (m, m) are two images of one class, and which are of two classes."""
    same = ops.equal(labels[:, None], labels[None, :])
    places = ops.arange(ops.shape(labels)[0])
    return ops.logical_and(same, ops.not_equal(places[:, None], places[None, :])), ops.logical_not(same)


def mean_where(values: Any, mask: Any) -> Any:
    """The mean of the values where the mask is true; 0 of none."""
    weights = ops.cast(mask, values.dtype)
    return ops.sum(ops.where(mask, values, ops.zeros_like(values))) / ops.maximum(ops.sum(weights), 1)


def reduced(each: Any, reduction: str) -> Any:
    """The losses of each image (m,), their "sum", or their "mean", which is 0 of no image."""
    if reduction == "none":
        return each
    total = ops.sum(each)
    return total if reduction == "sum" else total / ops.maximum(ops.cast(ops.shape(each)[0], each.dtype), 1)
