"""The contrastive loss of pairs against its formula in NumPy."""

from itertools import combinations

import keras
import numpy as np
import pytest
from formulas import check, check_finite, check_half_precision, make_batch

from centerloss_core.losses import ContrastiveLoss


def formula(features: np.ndarray, labels: np.ndarray, margin: float) -> float:
    costs = []
    for i, j in combinations(range(len(labels)), 2):
        distance = np.linalg.norm(features[i] - features[j])
        costs.append(0.5 * (distance if labels[i] == labels[j] else max(0.0, margin - distance)) ** 2)
    return float(np.mean(costs))


@pytest.mark.parametrize("dimensions", [2, 64])
@pytest.mark.parametrize("margin", [1.0, 10.0])
def test_value_and_gradient_are_those_of_the_formula(dimensions: int, margin: float) -> None:
    features, labels = make_batch(10, 4, dimensions)
    check(ContrastiveLoss(margin), lambda x: formula(x, labels, margin), features, labels)
    far = features + np.float32(50)  # from the origin
    check(ContrastiveLoss(margin), lambda x: formula(x, labels, margin), far, labels)


def test_one_class_no_two_of_a_class_one_image_and_none() -> None:
    features = make_batch(5)[0]
    for labels in (np.full(5, 3, np.int32), np.arange(5, dtype=np.int32)):
        check(ContrastiveLoss(3.0), lambda x, y=labels: formula(x, y, 3.0), features, labels)
    for size in (0, 1):
        assert check_finite(ContrastiveLoss(), features[:size], np.zeros(size, np.int32)) == 0


def test_features_in_one_point_have_no_slope_and_are_exactly_so_far_apart() -> None:
    features, labels = np.tile([[3.1, -400.7]], (6, 1)).astype(np.float32), np.arange(6, dtype=np.int32) // 2
    assert check_finite(ContrastiveLoss(2.0), features, labels) == pytest.approx(2.0 * 12 / 15)


def test_the_margin_of_a_call_saving_and_half_precision() -> None:
    features, labels = make_batch(8)
    loss, figures = ContrastiveLoss(name="contrastive_loss").measure(
        features, labels, {"distance_margin": 4.0}
    )
    assert float(loss) == float(figures["contrastive_loss"])
    assert float(loss) == pytest.approx(formula(features, labels, 4.0), rel=1e-5)
    assert keras.layers.deserialize(keras.layers.serialize(ContrastiveLoss(2.5))).margin == 2.5
    with pytest.raises(ValueError, match="above 0"):
        ContrastiveLoss(0.0)
    check_half_precision(ContrastiveLoss, features, labels)
