"""The softmax head against its formula in NumPy, and the circle that its classes may begin on."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from centerloss_core.losses.softmax import SoftmaxHead
from centerloss_core.networks.initializers import Circle

FEATURES = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
LABELS = np.array([0, 3, 1, 1, 2, 0], np.int32)


def make_head(**settings: Any) -> SoftmaxHead:
    keras.utils.set_random_seed(0)
    head = SoftmaxHead(4, **settings)
    head(FEATURES)
    if head.use_bias:
        head.bias.assign(np.arange(4) / 10)
    return head


@pytest.mark.parametrize("use_bias", [True, False])
def test_logits_are_a_dense_layer_of_the_features_whatever_the_labels(use_bias: bool) -> None:
    head = make_head(use_bias=use_bias)
    kernel, *bias = map(np.asarray, head.get_weights())
    logits = FEATURES.astype(np.float64) @ kernel + (bias[0] if use_bias else 0)
    assert len(bias) == use_bias
    np.testing.assert_allclose(head(FEATURES), logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(head(FEATURES, LABELS, training=True), head(FEATURES))


def test_its_figures_are_mean_cross_entropy_and_accuracy() -> None:
    head = make_head()
    logits = np.asarray(head(FEATURES), np.float64)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    own = exponentials[np.arange(6), LABELS] / exponentials.sum(axis=1)
    loss, figures = head.measure(FEATURES, LABELS, {})
    assert float(loss) == float(figures["softmax_loss"]) == pytest.approx(-np.log(own).mean(), rel=1e-5)
    assert float(figures["accuracy"]) == pytest.approx((logits.argmax(axis=1) == LABELS).mean())
    assert head.points() is None


def test_under_mixed_precision_logits_stay_float32() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        head = make_head()
        assert head(FEATURES).dtype == "float32"
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("initializer", ["glorot_uniform", Circle([0, 2, 1, 3])])
def test_a_model_with_a_head_is_saved_and_loaded_by_keras(initializer: Any, tmp_path: Path) -> None:
    features = keras.Input((2,))
    model = keras.Model(features, SoftmaxHead(4, kernel_initializer=initializer)(features))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(FEATURES[:, :2]), model(FEATURES[:, :2]))


def test_classes_begin_around_a_circle_in_the_order_given() -> None:
    order = [0, 2, 6, 4, 9, 7, 1, 8, 3, 5]
    kernel = np.asarray(Circle(order)((2, 10)))
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), 1, rtol=1e-6)
    angles = np.degrees(np.arctan2(kernel[1], kernel[0]))[order]
    np.testing.assert_allclose(np.diff(angles, append=angles[0]) % 360, 36, rtol=1e-4)
    with pytest.raises(ValueError, match="in the plane"):
        Circle(order)((3, 10))
