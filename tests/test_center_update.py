"""The three rules by which centers follow their class, against their formulas in NumPy."""

import keras
import numpy as np
import pytest
from formulas import check_half_precision, make_batch

from centerloss_core.losses import CenterLoss

RULES = ("eq4", "gradient", "ema")
each_rule = pytest.mark.parametrize("rule", RULES)


def moved_by(
    rule: str, features: np.ndarray, labels: np.ndarray, centers: np.ndarray, alpha: float
) -> np.ndarray:
    moved = centers.astype(np.float64)
    for label in range(len(centers)):
        members = features[labels == label].astype(np.float64)
        count = len(members)
        if rule == "eq4":
            moved[label] -= alpha * (centers[label] - members).sum(axis=0) / (1 + count)
        elif rule == "gradient":  # of the mean over the whole batch
            moved[label] -= alpha * (centers[label] - members).sum(axis=0) / len(features)
        elif count:
            kept = (1 - alpha) ** count
            moved[label] = kept * centers[label] + (1 - kept) * members.mean(axis=0)
    return moved


def make_layer(rule: str, alpha: float = 0.5, dimensions: int = 2) -> CenterLoss:
    layer = CenterLoss(5, alpha=alpha, center_update=rule)
    layer.build((None, dimensions))
    layer.centers.assign(np.random.default_rng(9).normal(size=(5, dimensions)))
    return layer


@each_rule
@pytest.mark.parametrize("alpha", [0.0, 1e-4, 0.5, 1.0])
@pytest.mark.parametrize("dimensions", [2, 64])
def test_the_centers_move_by_the_formula_and_absent_ones_stay(
    rule: str, alpha: float, dimensions: int
) -> None:
    features, labels = make_batch(12, 4, dimensions)  # of 5 classes one is absent
    layer = make_layer(rule, alpha, dimensions)
    before = np.array(layer.centers)
    expected = moved_by(rule, features, labels, before, alpha)
    loss = layer(features, labels, training=True)
    assert float(loss) == pytest.approx(0.5 * ((features - before[labels]) ** 2).sum(), rel=1e-5)
    change = np.array(layer.centers, np.float64) - before
    np.testing.assert_allclose(change, expected - before, rtol=1e-4, atol=1e-6)
    assert np.array_equal(np.array(layer.centers)[4], before[4])


@each_rule
def test_a_rate_for_a_call_and_figures(rule: str) -> None:
    features, labels = make_batch(12, 4)
    layer, other = make_layer(rule), make_layer(rule)
    before = np.array(layer.centers)
    layer(features, labels, training=True, alpha=0.2)
    np.testing.assert_allclose(layer.centers, moved_by(rule, features, labels, before, 0.2), rtol=1e-5)
    _, figures = other.measure(features, labels, {"alpha": np.float32(0.2)})
    assert float(figures["center_shift"]) == pytest.approx(np.linalg.norm(np.array(layer.centers) - before))


@each_rule
@pytest.mark.parametrize("count", [1, 4, 10_000])
def test_batches_of_one_class_stay_stable_at_the_largest_rate(rule: str, count: int) -> None:
    layer = make_layer(rule, 1.0)
    features = np.random.default_rng(0).normal(1e3, 1.0, (count, 2)).astype(np.float32)
    labels = np.full(count, 2, np.int32)
    for _ in range(20):
        layer(features, labels, training=True)
    np.testing.assert_allclose(np.array(layer.centers)[2], features.mean(axis=0), rtol=1e-4)


@each_rule
def test_features_on_their_centers_and_an_empty_batch_move_nothing(rule: str) -> None:
    layer, labels = make_layer(rule), np.array([0, 3, 3], np.int32)
    before = np.array(layer.centers)
    assert float(layer(before[labels], labels, training=True)) == 0
    assert float(layer(before[:0], labels[:0], training=True)) == 0
    np.testing.assert_array_equal(layer.centers, before)


@each_rule
def test_under_mixed_precision_it_computes_in_float32(rule: str) -> None:
    check_half_precision(lambda: make_layer(rule), *make_batch(8))


def test_the_rule_is_saved_and_another_is_refused() -> None:
    layer = CenterLoss(3, center_update="ema")
    assert keras.layers.deserialize(keras.layers.serialize(layer)).center_update == "ema"
    with pytest.raises(ValueError, match="center_update must be one of"):
        CenterLoss(3, center_update="sgd")
