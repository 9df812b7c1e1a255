"""Island loss against its formula in NumPy, and the step of its centers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from formulas import check, check_finite, check_half_precision, gradient_of, make_batch
from test_center_update import moved_by

from centerloss_core.losses import IslandLoss


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    scale = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / scale) if scale else 0.0


def island(centers: np.ndarray) -> float:
    pairs = [(j, k) for j in range(len(centers)) for k in range(len(centers)) if j != k]
    return sum(cosine(centers[j], centers[k]) + 1 for j, k in pairs)


def formula(features: np.ndarray, centers: np.ndarray, labels: np.ndarray, weight: float) -> float:
    return float(0.5 * ((features - centers[labels]) ** 2).sum()) + weight * island(centers)


def moved(
    features: np.ndarray, labels: np.ndarray, centers: np.ndarray, alpha: float, weight: float
) -> np.ndarray:
    """The step of the paper; the slopes of the cosines by finite differences."""
    after = moved_by("eq4", features, labels, centers, alpha)
    for j, center in enumerate(centers):
        others = np.delete(centers, j, axis=0)
        turn = gradient_of(lambda c, rest=others: sum(cosine(c, other) for other in rest), center)
        after[j] -= alpha * weight / (len(centers) - 1) * turn
    return after


def make_layer(dimensions: int = 2, scale: float = 4.0, **settings: object) -> IslandLoss:
    layer = IslandLoss(5, **settings)
    layer.build((None, dimensions))
    layer.centers.assign(np.random.default_rng(9).normal(scale=scale, size=(5, dimensions)))
    return layer


@pytest.mark.parametrize("dimensions", [2, 64])
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_value_gradient_and_the_step_are_those_of_the_formula(dimensions: int, weight: float) -> None:
    features, labels = make_batch(9, 4, dimensions)  # of 5 classes one is absent: it turns all the same
    layer = make_layer(dimensions, repulsion=weight)
    centers = np.array(layer.centers, np.float64)
    assert (np.linalg.norm(centers, axis=1) ** 2 > 0.5 * weight).all()  # where the step is the paper's
    check(layer, lambda x: formula(x, centers, labels, weight), features, labels)
    expected = moved(features, labels, centers, 0.5, weight)
    np.testing.assert_allclose(layer.centers, expected, rtol=1e-4, atol=1e-5)
    mean = make_layer(dimensions, repulsion=weight, reduction="mean")
    pull = 0.5 * ((features - centers[labels]) ** 2).sum(axis=1).mean()
    assert float(mean(features, labels)) == pytest.approx(pull + weight * island(centers), rel=1e-5)


def test_centers_turn_away_from_one_another() -> None:
    layer, labels = IslandLoss(3, alpha=0.5, repulsion=10.0), np.array([0, 1, 2], np.int32)
    layer.build((None, 2))
    layer.centers.assign([[10.0, 0.0], [10.0, 1.0], [10.0, -2.0]])
    start = island(np.array(layer.centers))
    step = tf.function(lambda: layer(layer.centers.value, labels, training=True))
    for _ in range(200):
        step()  # the features follow the centers
    found = np.array(layer.centers, np.float64)
    assert start > 5
    assert island(found) == pytest.approx(3.0, abs=1e-2)  # cosines of −½: 120° apart
    assert (np.linalg.norm(found, axis=1) < 40).all()


def test_next_to_the_origin_a_step_is_no_longer_than_the_center() -> None:
    layer = make_layer(scale=1e-4)
    before, (features, labels) = np.array(layer.centers, np.float64), make_batch(1)
    assert check_finite(layer, features[:0], labels[:0]) > 0
    change = np.linalg.norm(np.array(layer.centers) - before, axis=1)
    assert (change <= np.linalg.norm(before, axis=1) * 1.0001).all()
    assert (change > 0).all()
    layer = IslandLoss(5)
    assert check_finite(layer, features, labels) == pytest.approx(
        formula(features, np.zeros((5, 2)), labels, 10.0)
    )
    np.testing.assert_allclose(layer.centers, moved_by("eq4", features, labels, np.zeros((5, 2)), 0.5))


def test_one_class_and_features_on_centers_are_no_trouble() -> None:
    layer, labels = make_layer(), np.full(4, 3, np.int32)
    centers = np.array(layer.centers)
    check(layer, lambda x: formula(x, centers, labels, 10.0), centers[labels], labels)
    alone, features = IslandLoss(1), make_batch(6)[0]
    check(
        alone, lambda x: formula(x, np.zeros((1, 2)), np.zeros(6, int), 10.0), features, np.zeros(6, np.int32)
    )


def test_its_figures_are_both_parts_and_the_shift_of_all_centers() -> None:
    features, labels = make_batch(9, 4)
    layer, other = make_layer(), make_layer()
    centers = np.array(layer.centers, np.float64)
    loss, figures = layer.measure(features, labels, {"alpha": np.float32(0.2), "repulsion": np.float32(3.0)})
    assert float(loss) == pytest.approx(formula(features, centers, labels, 3.0), rel=1e-5)
    assert float(loss) == pytest.approx(
        float(other(features, labels, training=True, alpha=0.2, repulsion=3.0))
    )
    np.testing.assert_array_equal(layer.centers, other.centers)
    assert float(figures["island_loss"]) == pytest.approx(island(centers), rel=1e-5)
    assert float(figures["center_loss"]) == pytest.approx(
        formula(features, centers, labels, 0.0) / 9, rel=1e-5
    )
    assert float(figures["center_shift"]) == pytest.approx(np.linalg.norm(np.array(layer.centers) - centers))


def test_settings_are_checked_and_saved_and_half_precision_is_not_used() -> None:
    for settings in ({"reduction": "none"}, {"repulsion": -1.0}):
        with pytest.raises(ValueError, match="must be"):
            IslandLoss(3, **settings)
    copy = keras.layers.deserialize(keras.layers.serialize(IslandLoss(3, repulsion=2.0, center_update="ema")))
    assert (copy.repulsion, copy.center_update, copy.num_classes) == (2.0, "ema", 3)
    check_half_precision(make_layer, *make_batch(8))
