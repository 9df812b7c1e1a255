"""The ring loss against its formula in NumPy, and its radius from the first batch on."""

from pathlib import Path

import keras
import numpy as np
import pytest
from formulas import check, check_finite, check_half_precision, gradient_of, make_batch, value_and_gradients

from centerloss_core.losses import RingLoss


def formula(features: np.ndarray, radius: np.ndarray) -> float:
    return float(((np.sqrt((features**2).sum(axis=1)) - radius) ** 2).sum() / (2 * len(features)))


def started(radius: float, dimensions: int = 2) -> RingLoss:
    layer = RingLoss()
    layer.build((None, dimensions))
    layer.radius.assign(radius)
    return layer


@pytest.mark.parametrize("dimensions", [1, 2, 64])
@pytest.mark.parametrize("radius", [0.0, 1.5, 30.0])
def test_value_and_gradients_are_those_of_the_formula(dimensions: int, radius: float) -> None:
    features, labels = make_batch(9, dimensions=dimensions)
    check(started(radius, dimensions), formula, features, labels)


def test_the_radius_starts_at_the_mean_length_of_the_first_batch() -> None:
    features, labels = make_batch(20)
    mean = np.linalg.norm(features.astype(np.float64), axis=1).mean()
    layer = RingLoss()
    assert float(layer(features)) == pytest.approx(formula(features, mean))  # evaluation starts nothing
    assert float(layer.radius) < 0
    loss, (by_features, by_radius) = value_and_gradients(layer, features, labels)
    assert float(layer.radius) == pytest.approx(mean)
    assert loss == pytest.approx(formula(features, mean))
    expected = gradient_of(lambda x: formula(x, mean), features)  # the mean itself has no gradient
    np.testing.assert_allclose(by_features, expected, rtol=1e-4, atol=1e-6)
    assert by_radius == 0
    layer(3 * features, labels, training=True)
    assert float(layer.radius) == pytest.approx(mean)  # only the first


def test_features_at_the_origin_have_no_slope() -> None:
    features, labels = make_batch(6)
    features[2] = 0
    _, (gradient, _) = value_and_gradients(started(1.0), features, labels)
    assert np.isfinite(gradient).all()
    assert not gradient[2].any()
    assert check_finite(RingLoss(), np.zeros_like(features), labels) == 0
    assert check_finite(started(2.0), features[:0], labels[:0]) == 0


def test_its_figures_are_the_loss_and_the_radius() -> None:
    features, labels = make_batch(8)
    loss, figures = started(1.5).measure(features, labels, {})
    assert figures.keys() == {"ring_loss", "ring_radius"}
    assert float(figures["ring_loss"]) == float(loss) == pytest.approx(formula(features, np.array(1.5)))
    assert float(figures["ring_radius"]) == 1.5


def test_under_mixed_precision_it_computes_in_float32() -> None:
    check_half_precision(RingLoss, *make_batch(8))


def test_it_is_saved_and_loaded_by_keras(tmp_path: Path) -> None:
    images, labels = keras.Input((2,)), keras.Input((), dtype="int32")
    model = keras.Model([images, labels], RingLoss(name="ring")(images, labels))
    model.get_layer("ring").radius.assign(1.25)
    model.save(tmp_path / "model.keras")
    assert float(keras.saving.load_model(tmp_path / "model.keras").get_layer("ring").radius) == 1.25
