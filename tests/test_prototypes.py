"""The prototypes against their formula in NumPy. True on every backend."""

from typing import Any

import keras
import numpy as np
import pytest
from loss_checks import (
    BATCHES,
    CLASSES,
    Formula,
    agrees,
    agrees_on_its_points,
    cross_entropy,
    loss_and_gradients,
    make_batch,
    weights_of,
)

from centerloss_core.losses import PrototypeHead

SCALARS = {"head_temperature": np.float32(1.5), "head_pull": np.float32(0.3)}


def squared_distances(features: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.array([[((feature - point) ** 2).sum() for point in points] for feature in features])


def loss(features: np.ndarray, labels: np.ndarray, weights: dict[str, np.ndarray]) -> float:
    squared = squared_distances(features, weights["prototypes"])
    pull = 0.5 * np.mean([squared[i, label] for i, label in enumerate(labels)])
    return cross_entropy(-squared / 1.5, labels) + 0.3 * float(pull)


FORMULA: Formula = loss


def make_head(dimensions: int, **settings: Any) -> PrototypeHead:
    keras.utils.set_random_seed(1)
    head = PrototypeHead(CLASSES, **settings)
    head.build((None, dimensions))
    return head


@pytest.mark.parametrize("dimensions", [2, 64])
@pytest.mark.parametrize("batch", BATCHES)
def test_loss_and_gradients_are_those_of_the_paper(dimensions: int, batch: str) -> None:
    features, labels = make_batch(dimensions, BATCHES[batch])
    agrees(make_head(dimensions), FORMULA, features, labels, SCALARS)


def test_features_on_their_prototypes_and_at_the_origin() -> None:
    agrees_on_its_points(make_head(2), FORMULA, SCALARS)


def test_the_nearest_prototype_decides_and_labels_change_nothing() -> None:
    features, labels = make_batch(2, BATCHES["all classes"])
    head = make_head(2, temperature=0.5)
    squared = squared_distances(features, weights_of(head)["prototypes"])
    np.testing.assert_allclose(head(features), -2 * squared, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(head(features, labels, training=True), head(features))
    own = 0.5 * squared[np.arange(len(labels)), labels].mean()
    assert float(head.prototype_loss(features, labels)) == pytest.approx(own, rel=1e-5)
    points = head.points()
    assert (points.kind, points.values.shape) == ("prototype", (CLASSES, 2))


def test_figures_are_the_two_losses_and_the_accuracy() -> None:
    features, labels = make_batch(2, BATCHES["all classes"])
    head = make_head(2)
    _, figures = head.measure(features, labels, SCALARS)
    total, gradients = loss_and_gradients(head, features, labels, SCALARS)
    assert gradients.keys() == {"features", "prototypes"}
    assert total == pytest.approx(
        float(figures["softmax_loss"]) + 0.3 * float(figures["prototype_loss"]), rel=1e-6
    )
    nearest = squared_distances(features, weights_of(head)["prototypes"]).argmin(axis=1)
    assert float(figures["accuracy"]) == pytest.approx((nearest == labels).mean())
