"""Git loss against its formula in NumPy."""

import keras
import numpy as np
import pytest
from formulas import check, check_finite, check_half_precision, make_batch
from test_center_update import moved_by

from centerloss_core.losses import GitLoss


def formula(features: np.ndarray, centers: np.ndarray, labels: np.ndarray, weight: float) -> float:
    """Of the reduction "mean"."""
    pull, push = 0.0, []
    for feature, label in zip(features, labels, strict=True):
        pull += 0.5 * ((feature - centers[label]) ** 2).sum()
        push += [1 / (1 + ((feature - centers[each]) ** 2).sum()) for each in labels if each != label]
    return float(pull / len(labels) + (weight * np.mean(push) if push else 0.0))


def make_layer(dimensions: int = 2, **settings: object) -> GitLoss:
    layer = GitLoss(5, **settings)
    layer.build((None, dimensions))
    layer.centers.assign(np.random.default_rng(9).normal(size=(5, dimensions)))
    return layer


@pytest.mark.parametrize("dimensions", [2, 64])
@pytest.mark.parametrize("weight", [0.0, 1.0, 30.0])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_value_and_gradient_are_those_of_the_formula(dimensions: int, weight: float, reduction: str) -> None:
    features, labels = make_batch(9, 4, dimensions)
    layer = make_layer(dimensions, repulsion=weight, reduction=reduction)
    centers, size = np.array(layer.centers, np.float64), 9 if reduction == "sum" else 1
    check(layer, lambda x: size * formula(x, centers, labels, weight), features, labels)
    np.testing.assert_allclose(  # the centers follow Eq. 4, whatever repels the features
        layer.centers, moved_by("eq4", features, labels, centers, 0.5), rtol=1e-4, atol=1e-6
    )


def test_one_class_and_features_on_centers_are_no_trouble() -> None:
    features, labels = make_batch(6)[0], np.full(6, 2, np.int32)
    layer = make_layer(reduction="mean")
    centers = np.array(layer.centers, np.float64)
    check(layer, lambda x: formula(x, centers, labels, 1.0), features, labels)
    labels = np.array([0, 1, 1, 3], np.int32)
    for on in (labels, labels[::-1]):  # on the own center, and on another
        layer = make_layer(reduction="mean")
        centers = np.array(layer.centers)
        check(layer, lambda x, c=centers: formula(x, c, labels, 1.0), centers[on], labels)
    assert check_finite(GitLoss(5), np.zeros((4, 2), np.float32), labels) == pytest.approx(4)
    assert check_finite(make_layer(), features[:0], labels[:0]) == 0


def test_its_figures_are_both_parts_and_the_shift() -> None:
    features, labels = make_batch(9, 4)
    layer, other = make_layer(), make_layer()
    centers = np.array(layer.centers, np.float64)
    loss, figures = layer.measure(features, labels, {"alpha": np.float32(0.2), "repulsion": np.float32(3.0)})
    pull = formula(features, centers, labels, 0.0)
    assert float(loss) == pytest.approx(9 * formula(features, centers, labels, 3.0), rel=1e-5)
    assert float(loss) == pytest.approx(
        float(other(features, labels, training=True, alpha=0.2, repulsion=3.0))
    )
    assert float(figures["center_loss"]) == pytest.approx(pull, rel=1e-5)
    assert float(figures["git_loss"]) == pytest.approx(
        formula(features, centers, labels, 1.0) - pull, rel=1e-4
    )
    assert float(figures["center_shift"]) == pytest.approx(np.linalg.norm(np.array(layer.centers) - centers))
    assert layer.points() == (layer.centers, "center")


def test_settings_are_checked_and_saved_and_half_precision_is_not_used() -> None:
    for settings in ({"reduction": "none"}, {"repulsion": -1.0}):
        with pytest.raises(ValueError, match="must be"):
            GitLoss(3, **settings)
    copy = keras.layers.deserialize(keras.layers.serialize(GitLoss(3, repulsion=2.0, center_update="ema")))
    assert (copy.repulsion, copy.center_update, copy.num_classes) == (2.0, "ema", 3)
    check_half_precision(make_layer, *make_batch(8))
