"""SphereFace and L-Softmax against their formulas in NumPy. True on every backend."""

import math
from typing import Any

import keras
import numpy as np
import pytest
from loss_checks import (
    BATCHES,
    CLASSES,
    Formula,
    agrees,
    cross_entropy,
    loss_and_gradients,
    make_batch,
    weights_of,
)

from centerloss_core.losses import LSoftmax, SphereFace

LAYERS = {"sphereface": SphereFace, "l_softmax": LSoftmax}
each_layer = pytest.mark.parametrize("name", LAYERS)


def psi(angle: float, margin: int) -> float:
    """By the angle itself, as the papers write it."""
    piece = min(int(angle * margin / math.pi), margin - 1)
    return (-1) ** piece * math.cos(margin * angle) - 2 * piece


def formula(name: str, margin: int = 4, annealing: float = 0.5) -> Formula:
    def loss(features: np.ndarray, labels: np.ndarray, weights: dict[str, np.ndarray]) -> float:
        kernel = weights["kernel"]
        if name == "sphereface":
            kernel = kernel / np.linalg.norm(kernel, axis=0)
        logits = features @ kernel
        for i, label in enumerate(labels):
            length = np.linalg.norm(features[i]) * np.linalg.norm(kernel[:, label])
            cosine = logits[i, label] / length if length else 0.0
            margined = length * psi(math.acos(np.clip(cosine, -1, 1)), margin)
            logits[i, label] = (annealing * logits[i, label] + margined) / (1 + annealing)
        return cross_entropy(logits, labels)

    return loss


def make_head(name: str, dimensions: int, **settings: Any) -> Any:
    keras.utils.set_random_seed(1)
    head = LAYERS[name](CLASSES, **settings)
    head.build((None, dimensions))
    head.kernel.assign(head.kernel * 1.7)  # not of length 1
    return head


def scalars(margin: int = 4, annealing: float = 0.5) -> dict[str, Any]:
    return {"head_margin": np.float32(margin), "head_annealing": np.float32(annealing)}


@each_layer
@pytest.mark.parametrize("dimensions", [2, 64])
@pytest.mark.parametrize("batch", BATCHES)
def test_loss_and_gradients_are_those_of_the_paper(name: str, dimensions: int, batch: str) -> None:
    features, labels = make_batch(dimensions, BATCHES[batch])
    agrees(make_head(name, dimensions), formula(name), features, labels, scalars())


@each_layer
@pytest.mark.parametrize("margin", [1, 2, 3, 4])
def test_every_angle_to_the_own_weights(name: str, margin: int) -> None:
    """In each of the pieces of ψ."""
    head = make_head(name, 2)
    angles = np.radians([3, 40, 50, 65, 85, 95, 115, 130, 140, 177])
    kernel = weights_of(head)["kernel"]
    start = math.atan2(kernel[1, 2], kernel[0, 2])
    features = 0.5 * np.stack([np.cos(start + angles), np.sin(start + angles)], axis=1).astype(np.float32)
    labels = np.full(len(angles), 2, np.int32)
    agrees(head, formula(name, margin, 0.0), features, labels, scalars(margin, 0.0))


@each_layer
def test_features_on_and_opposite_their_weights_and_at_the_origin(name: str) -> None:
    head = make_head(name, 2)
    kernel = weights_of(head)["kernel"].T.astype(np.float32)
    features = np.concatenate([kernel, -kernel, np.zeros((CLASSES, 2), np.float32)])
    labels = np.tile(np.arange(CLASSES, dtype=np.int32), 3)
    loss, gradients = loss_and_gradients(head, features, labels, scalars())
    expected = formula(name)(features.astype(np.float64), labels, weights_of(head))
    assert loss == pytest.approx(expected, rel=1e-4)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())
    # At the origin there is no angle; the plain logits have their slope.
    _, plain = loss_and_gradients(head, features, labels, scalars(margin=1))
    np.testing.assert_allclose(gradients["features"][10:], plain["features"][10:], rtol=1e-5)
    assert np.abs(gradients["features"][10:]).max() > 0.01


@each_layer
def test_the_margin_is_there_in_training_alone_and_accuracy_knows_none(name: str) -> None:
    features, labels = make_batch(2, BATCHES["all classes"])
    head = make_head(name, 2, margin=3)
    kernel = weights_of(head)["kernel"]
    plain = features @ (kernel / np.linalg.norm(kernel, axis=0) if name == "sphereface" else kernel)
    np.testing.assert_allclose(head(features), plain, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(head(features, labels), head(features))
    taken_off = np.asarray(head(features)) - np.asarray(head(features, labels[:, None], training=True))
    is_own = np.eye(CLASSES, dtype=bool)[labels]
    assert (taken_off[~is_own] == 0).all()
    assert (taken_off[is_own] > 0).all()
    _, figures = head.measure(features, labels, scalars())
    assert float(figures["accuracy"]) == pytest.approx((plain.argmax(axis=1) == labels).mean())


@each_layer
def test_features_on_their_weights_win_at_any_margin_and_cost_nothing_as_they_grow(name: str) -> None:
    """In the plane with ten classes too: these margins have no bound."""
    angles = 2 * np.pi * np.arange(10) / 10
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    head = LAYERS[name](10, margin=4, annealing=0.0)
    head.build((None, 2))
    head.kernel.assign(circle.T)
    labels = np.arange(10, dtype=np.int32)
    losses = [
        float(head.measure(length * circle, labels, scalars(annealing=0.0))[0]) for length in (1, 10, 100)
    ]
    assert losses[0] > losses[1] > losses[2]
    assert losses[2] < 1e-6


def test_settings_of_a_layer_are_those_of_its_calls_unless_given() -> None:
    features, labels = make_batch(2, [0, 3, 1, 4])
    head = make_head("sphereface", 2, margin=2, annealing=1.0)
    given = make_head("sphereface", 2)(features, labels, training=True, margin=2, annealing=1.0)
    np.testing.assert_array_equal(head(features, labels, training=True), given)
    for wrong in ({"margin": 0}, {"margin": 5}, {"margin": 1.5}, {"annealing": -1}, {"annealing": math.inf}):
        with pytest.raises(ValueError, match=r"margin|annealing"):
            SphereFace(CLASSES, **wrong)
    with pytest.raises(ValueError, match="one-hot"):
        head(features, np.eye(CLASSES)[labels], training=True)
    with pytest.raises(ValueError, match="from 0 to 4"):
        head(features, labels + 1, training=True)
