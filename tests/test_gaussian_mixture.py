"""The Gaussian mixture loss against its formula in NumPy. True on every backend."""

import keras
import numpy as np
import pytest
from loss_checks import BATCHES, CLASSES, agrees, agrees_on_its_points, cross_entropy, make_batch, weights_of
from test_prototypes import squared_distances

from centerloss_core.losses import GaussianMixtureHead

SCALARS = {"head_margin": np.float32(0.7), "head_pull": np.float32(0.2)}


def formula(features: np.ndarray, labels: np.ndarray, weights: dict[str, np.ndarray]) -> float:
    logits = -0.5 * squared_distances(features, weights["prototypes"])
    likelihood = 0.0
    for i, label in enumerate(labels):
        likelihood -= logits[i, label] / len(labels)
        logits[i, label] *= 1 + 0.7
    return cross_entropy(logits, labels) + 0.2 * likelihood


def make_head(dimensions: int) -> GaussianMixtureHead:
    keras.utils.set_random_seed(1)
    head = GaussianMixtureHead(CLASSES, margin=0.7)
    head.build((None, dimensions))
    return head


@pytest.mark.parametrize("dimensions", [2, 64])
@pytest.mark.parametrize("batch", BATCHES)
def test_loss_and_gradients_are_those_of_the_paper(dimensions: int, batch: str) -> None:
    features, labels = make_batch(dimensions, BATCHES[batch])
    agrees(make_head(dimensions), formula, features, labels, SCALARS)


def test_features_on_their_means_and_at_the_origin() -> None:
    agrees_on_its_points(make_head(2), formula, SCALARS)


def test_the_margin_is_there_in_training_alone_and_accuracy_knows_none() -> None:
    features, labels = make_batch(2, BATCHES["all classes"])
    head = make_head(2)
    plain = -0.5 * squared_distances(features, weights_of(head)["prototypes"])
    np.testing.assert_allclose(head(features), plain, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(head(features, labels), head(features))
    is_own = np.eye(CLASSES, dtype=bool)[labels]
    trained = np.asarray(head(features, labels, training=True))
    np.testing.assert_allclose(trained, np.where(is_own, 1.7 * plain, plain), rtol=1e-4, atol=1e-4)
    _, figures = head.measure(features, labels, {**SCALARS, "head_margin": np.float32(9)})
    assert float(figures["accuracy"]) == pytest.approx((plain.argmax(axis=1) == labels).mean())
