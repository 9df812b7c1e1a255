"""NormFace, CosFace and ArcFace against their formulas in NumPy. True on every backend."""

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

from centerloss_core.losses import ArcFace, CosFace, NormFace

SCALE, MARGIN = 16.0, 0.3


def cosines(features: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    cosine: np.ndarray = features @ kernel / (lengths * np.linalg.norm(kernel, axis=0))
    return cosine.clip(-1, 1)


def own_cosine(name: str, cosine: float, margin: float) -> float:
    """By the angle itself, as the papers write it."""
    if name == "cosface":
        return cosine - margin
    if name == "normface" or (name == "easy arcface" and cosine <= 0):
        return cosine
    angle = math.acos(cosine)
    return math.cos(angle + margin) if angle + margin <= math.pi else cosine - margin * math.sin(margin)


def formula(name: str, scale: float = SCALE, margin: float = MARGIN) -> Formula:
    def loss(features: np.ndarray, labels: np.ndarray, weights: dict[str, np.ndarray]) -> float:
        logits = cosines(features, weights["kernel"])
        for i, label in enumerate(labels):
            logits[i, label] = own_cosine(name, logits[i, label], margin)
        return cross_entropy(scale * logits, labels)

    return loss


def make_head(name: str, dimensions: int, **settings: Any) -> NormFace:
    keras.utils.set_random_seed(1)
    kind = {"normface": NormFace, "cosface": CosFace}.get(name, ArcFace)
    if name == "easy arcface":
        settings["easy_margin"] = True
    head: NormFace = kind(CLASSES, **settings)
    head.build((None, dimensions))
    return head


def scalars(**changed: float) -> dict[str, Any]:
    numbers = {"scale": np.float32(SCALE), "margin": np.float32(MARGIN), **changed}
    return {f"head_{name}": number for name, number in numbers.items()}


NAMES = ("normface", "cosface", "arcface", "easy arcface")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dimensions", [2, 64])
@pytest.mark.parametrize("batch", BATCHES)
def test_loss_and_gradients_are_those_of_the_paper(name: str, dimensions: int, batch: str) -> None:
    features, labels = make_batch(dimensions, BATCHES[batch])
    agrees(make_head(name, dimensions), formula(name), features, labels, scalars())


@pytest.mark.parametrize("name", NAMES)
def test_every_angle_to_the_own_weights(name: str) -> None:
    """Beyond θ + m = π too, where a cosine would rise again."""
    head = make_head(name, 2)
    angles = np.radians([3, 40, 89, 91, 130, 170, 178])
    kernel = weights_of(head)["kernel"]
    start = math.atan2(kernel[1, 2], kernel[0, 2])
    features = 3 * np.stack([np.cos(start + angles), np.sin(start + angles)], axis=1).astype(np.float32)
    labels = np.full(len(angles), 2, np.int32)
    agrees(head, formula(name, 4.0, 0.5), features, labels, scalars(scale=4.0, margin=0.5))


@pytest.mark.parametrize("name", NAMES)
def test_features_on_and_opposite_their_weights_and_at_the_origin(name: str) -> None:
    """There ArcFace has an infinite slope, and a direction does not exist."""
    head = make_head(name, 2)
    kernel = weights_of(head)["kernel"].T.astype(np.float32)
    features = np.concatenate([kernel, -7 * kernel, np.zeros((CLASSES, 2), np.float32)])
    labels = np.tile(np.arange(CLASSES, dtype=np.int32), 3)
    loss, gradients = loss_and_gradients(head, features, labels, scalars())
    on_or_opposite = formula(name)(features[:10].astype(np.float64), labels[:10], weights_of(head))
    at_origin = [own_cosine(name, 0.0, MARGIN) * SCALE * np.eye(CLASSES)[label] for label in labels[10:]]
    expected = (10 * on_or_opposite + 5 * cross_entropy(np.array(at_origin), labels[10:])) / 15
    assert loss == pytest.approx(expected, rel=1e-3)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())
    assert np.abs(gradients["features"]).max() < 100
    np.testing.assert_array_equal(gradients["features"][10:], 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_margin_is_there_in_training_alone_and_accuracy_knows_none(name: str) -> None:
    features, labels = make_batch(2, [0, 3, 1, 4, 2, 0, 3])
    head = make_head(name, 2)
    plain = SCALE * cosines(features.astype(np.float64), weights_of(head)["kernel"])
    np.testing.assert_allclose(head(features), plain, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(head(features, labels), head(features))
    trained = np.asarray(head(features, labels[:, None], training=True)) - np.asarray(head(features))
    is_own = np.eye(CLASSES, dtype=bool)[labels]
    assert (trained[~is_own] == 0).all()
    assert (trained[is_own] < 0).any() == (name != "normface")
    _, figures = head.measure(features, labels, scalars(margin=1.0))
    assert float(figures["accuracy"]) == pytest.approx((plain.argmax(axis=1) == labels).mean())


def test_without_a_margin_cosface_and_arcface_are_normface() -> None:
    features, labels = make_batch(2, [0, 3, 1, 4])
    plain = make_head("normface", 2).measure(features, labels, scalars())[0]
    for name in ("cosface", "arcface"):
        assert float(make_head(name, 2).measure(features, labels, scalars(margin=0.0))[0]) == float(plain)


def test_settings_of_a_layer_are_those_of_its_calls_unless_given() -> None:
    features, labels = make_batch(2, [0, 3, 1, 4])
    own = ArcFace(num_classes=CLASSES, scale=8, margin=0.2)(features, labels, training=True)
    keras.utils.set_random_seed(1)
    head = make_head("arcface", 2, scale=8, margin=0.2)
    assert own.shape == (4, CLASSES)
    given = make_head("arcface", 2)(features, labels, training=True, scale=8.0, margin=0.2)
    np.testing.assert_array_equal(head(features, labels, training=True), given)
    for wrong in ({"scale": 0}, {"scale": math.inf}, {"margin": -0.1}, {"margin": 28.6}):
        with pytest.raises(ValueError, match=r"scale|margin"):
            ArcFace(CLASSES, **wrong)
    with pytest.raises(ValueError, match="one-hot"):
        head(features, np.eye(CLASSES)[labels], training=True)
    with pytest.raises(ValueError, match="from 0 to 4"):
        head(features, labels + 1, training=True)
