"""The contrastive-center loss against its formula in NumPy."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from formulas import check, check_finite, check_half_precision, make_batch

from centerloss_core.losses import ContrastiveCenterLoss


def formula(features: np.ndarray, centers: np.ndarray, labels: np.ndarray, delta: float = 1.0) -> float:
    total = 0.0
    for feature, label in zip(features, labels, strict=True):
        squares = ((feature - centers) ** 2).sum(axis=1)
        total += 0.5 * squares[label] / (np.delete(squares, label).sum() + delta)
    return total


def make_layer(classes: int = 4, dimensions: int = 2, **settings: Any) -> ContrastiveCenterLoss:
    layer = ContrastiveCenterLoss(classes, **settings)
    layer.build((None, dimensions))
    layer.centers.assign(np.random.default_rng(9).normal(size=(classes, dimensions)))
    return layer


@pytest.mark.parametrize(("classes", "dimensions"), [(4, 2), (2, 2), (5, 64)])
@pytest.mark.parametrize("delta", [1.0, 1e-3])
def test_value_and_gradients_are_those_of_the_formula(classes: int, dimensions: int, delta: float) -> None:
    features, labels = make_batch(9, classes, dimensions)
    for reduction, divisor in (("sum", 1), ("mean", 9)):
        layer = make_layer(classes, dimensions, delta=delta, reduction=reduction)
        check(layer, lambda x, c, n=divisor: formula(x, c, labels, delta) / n, features, labels)


@pytest.mark.parametrize("label", [0, 3])
def test_a_batch_of_one_class_repels_from_all_other_centers(label: int) -> None:
    features, labels = make_batch(5)[0], np.full(5, label, np.int32)
    check(make_layer(), lambda x, c: formula(x, c, labels), features, labels)


def test_features_on_a_center_and_a_single_class_are_no_trouble() -> None:
    layer = make_layer()
    centers = np.array(layer.centers)
    for other in range(4):  # on the own center, and on another
        labels = np.array([0], np.int32)
        check(layer, lambda x, c, y=labels: formula(x, c, y), centers[other : other + 1], labels)
    features, labels = make_batch(6)
    assert (
        check_finite(ContrastiveCenterLoss(4), np.zeros_like(features), labels) == 0
    )  # centers at 0 as well
    check(make_layer(1), lambda x, c: formula(x, c, 0 * labels), features, 0 * labels)
    assert check_finite(make_layer(reduction="mean"), features[:0], labels[:0]) == 0


def test_far_from_the_origin_what_is_near_keeps_its_digits() -> None:
    layer = make_layer(2)
    layer.centers.assign([[300.0, 400.0], [300.5, 400.0]])
    features = np.array([[300.0, 400.25]], np.float32)
    assert float(layer(features, np.zeros(1, np.int32))) == pytest.approx(
        0.5 * 0.0625 / (0.3125 + 1), rel=1e-6
    )


def test_its_default_is_one_half_delta_one_and_build_alone_makes_the_centers() -> None:
    layer = ContrastiveCenterLoss(num_classes=10, name="contrastive_center_loss")
    layer.build((None, 2))
    assert (layer.centers.shape, layer.delta) == ((10, 2), 1.0)
    assert layer.points() == (layer.centers, "center")
    features, labels = make_batch(8, 10)
    assert float(layer(features, labels)) == pytest.approx(formula(features, np.zeros((10, 2)), labels))
    given = float(layer(features, labels[:, None], training=True, delta=0.5))
    assert given == pytest.approx(formula(features, np.zeros((10, 2)), labels, 0.5))
    loss, figures = layer.measure(features, labels, {"delta": 1.0})
    assert float(figures["contrastive_center_loss"]) == float(loss)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_classes": 0}, "positive integer"),
        ({"delta": 0.0}, "above 0"),
        ({"reduction": "none"}, "one of"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ContrastiveCenterLoss(**{"num_classes": 3, **settings})


def test_one_hot_labels_are_refused() -> None:
    features, labels = make_batch(4)
    with pytest.raises(ValueError, match="class numbers"):
        make_layer()(features, np.eye(4)[labels])


def test_under_mixed_precision_it_computes_in_float32() -> None:
    check_half_precision(make_layer, *make_batch(8))


def test_it_is_saved_and_loaded_by_keras(tmp_path: Path) -> None:
    images, labels = keras.Input((2,)), keras.Input((), dtype="int32")
    model = keras.Model([images, labels], ContrastiveCenterLoss(4, delta=0.5, name="term")(images, labels))
    features, numbers = make_batch(6)
    model.get_layer("term").centers.assign(np.ones((4, 2)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("term").get_config() == model.get_layer("term").get_config()
    np.testing.assert_array_equal(loaded([features, numbers]), model([features, numbers]))
