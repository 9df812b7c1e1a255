"""Class anchors against their formula in NumPy. True on every backend."""

import math

import keras
import numpy as np
import pytest
from loss_checks import agrees, loss_and_gradients, make_batch, weights_of

from centerloss_core.config import ConfigError, load_config
from centerloss_core.losses import AnchorHead

BATCHES = {
    "all classes": [0, 3, 1, 2, 0, 3],
    "one class": [2, 2, 2, 2],
    "absent classes": [0, 1, 1, 0],
    "one image": [3],
}
SCALARS = {"head_pull": np.float32(0.2)}


def formula(features: np.ndarray, labels: np.ndarray, weights: dict[str, np.ndarray]) -> float:
    """As the paper writes it: log(1 + Σ e^(own − other)) + pull · own."""
    total = 0.0
    for feature, label in zip(features, labels, strict=True):
        distances = [math.dist(feature, anchor) for anchor in weights["anchors"]]
        others = [math.exp(distances[label] - other) for j, other in enumerate(distances) if j != label]
        total += math.log1p(sum(others)) + 0.2 * distances[label]
    return total / len(labels)


def make_head(classes: int, dimensions: int) -> AnchorHead:
    head = AnchorHead(classes, radius=3)
    head.build((None, dimensions))
    return head


@pytest.mark.parametrize(("classes", "dimensions"), [(4, 2), (4, 4), (64, 64)])
@pytest.mark.parametrize("batch", BATCHES)
def test_loss_and_gradients_are_those_of_the_paper(classes: int, dimensions: int, batch: str) -> None:
    features, labels = make_batch(dimensions, BATCHES[batch][:3] if classes == 64 else BATCHES[batch])
    agrees(make_head(classes, dimensions), formula, features, labels, SCALARS)


def test_features_on_their_anchors_and_at_the_origin() -> None:
    """On an anchor the distance has no slope, and its own part of the gradient is 0."""
    head = make_head(4, 4)
    features = np.concatenate([3 * np.eye(4), np.zeros((4, 4))]).astype(np.float32)
    labels = np.tile(np.arange(4, dtype=np.int32), 2)
    loss, gradients = loss_and_gradients(head, features, labels, SCALARS)
    assert loss == pytest.approx(formula(features.astype(np.float64), labels, weights_of(head)), rel=1e-5)
    assert gradients.keys() == {"features"}
    assert np.isfinite(gradients["features"]).all()
    assert np.abs(gradients["features"]).max() < 1


def test_anchors_lie_on_the_axes_or_on_a_circle_and_are_fixed() -> None:
    np.testing.assert_array_equal(make_head(4, 4).points().values, 3 * np.eye(4))
    circle = np.asarray(make_head(10, 2).points().values)
    np.testing.assert_allclose(np.linalg.norm(circle, axis=1), 3, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(circle - np.roll(circle, 1, axis=0), axis=1), 1.854, rtol=1e-3)
    assert make_head(10, 2).points().kind == "anchor"
    assert not make_head(4, 4).trainable_variables
    with pytest.raises(ValueError, match="4 dimensions or 2"):
        make_head(4, 3)


def test_a_config_with_other_dimensions_is_refused() -> None:
    assert (
        load_config("mnist", settings=["loss.head=anchors", "model.feature_dim=10"]).loss.head.name
        == "anchors"
    )
    with pytest.raises(ConfigError, match=r"feature_dim must be 10 or 2; it is 16"):
        load_config("mnist", settings=["loss.head=anchors", "model.feature_dim=16"])


def test_a_model_that_is_built_while_it_is_traced_has_its_anchors() -> None:
    """As in a subclass of `keras.Model` under `fit`: no tensor has a value there."""
    head = AnchorHead(4, radius=3)
    keras.layers.Lambda(head)(keras.Input((2,)))
    np.testing.assert_allclose(np.linalg.norm(np.asarray(head.points().values), axis=1), 3, rtol=1e-6)
