"""The supervised contrastive loss against its formula in NumPy."""

import keras
import numpy as np
import pytest
from formulas import check, check_finite, check_half_precision, make_batch

from centerloss_core.losses import SupConLoss


def formula(features: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    costs = []
    for i in range(len(labels)):
        others = [j for j in range(len(labels)) if j != i]
        total = np.log(sum(np.exp(units[i] @ units[j] / temperature) for j in others))
        positives = [j for j in others if labels[j] == labels[i]]
        if positives:
            costs.append(np.mean([total - units[i] @ units[j] / temperature for j in positives]))
    return float(np.mean(costs)) if costs else 0.0


@pytest.mark.parametrize("dimensions", [2, 64])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_value_and_gradient_are_those_of_the_formula(dimensions: int, temperature: float) -> None:
    features, labels = make_batch(10, 4, dimensions)
    check(SupConLoss(temperature), lambda x: formula(x, labels, temperature), features, labels)


def test_one_class_no_two_of_a_class_one_image_and_none() -> None:
    features = make_batch(5)[0]
    for labels in (
        np.full(5, 3, np.int32),
        np.arange(5, dtype=np.int32),
        np.array([0, 0, 1, 2, 3], np.int32),
    ):
        check(SupConLoss(), lambda x, y=labels: formula(x, y, 0.1), features, labels)
    for size in (0, 1):
        assert check_finite(SupConLoss(), features[:size], np.zeros(size, np.int32)) == 0


def test_features_in_one_point_or_at_the_origin_are_no_trouble() -> None:
    labels = np.arange(6, dtype=np.int32) // 2
    for point in ([[3.1, -400.7]], [[0.0, 0.0]]):
        features = np.tile(point, (6, 1)).astype(np.float32)
        assert check_finite(SupConLoss(), features, labels) == pytest.approx(np.log(5), rel=1e-5)


def test_the_temperature_of_a_call_saving_and_half_precision() -> None:
    features, labels = make_batch(8)
    loss, figures = SupConLoss(name="supcon_loss").measure(features, labels, {"pair_temperature": 0.5})
    assert float(loss) == float(figures["supcon_loss"])
    assert float(loss) == pytest.approx(formula(features, labels, 0.5), rel=1e-5)
    assert keras.layers.deserialize(keras.layers.serialize(SupConLoss(0.07))).temperature == 0.07
    with pytest.raises(ValueError, match="above 0"):
        SupConLoss(0.0)
    check_half_precision(SupConLoss, features, labels)
