"""What a config says that its loss can reach at best, held against the layers themselves."""

import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from centerloss_core.config import load_config
from centerloss_core.losses import build_head, build_term
from centerloss_core.losses.base import Part
from centerloss_core.training.schedules import scalars_of_step

Here = Callable[..., tuple[int, str, str]]
CLASSES = 10
NAMES = np.arange(CLASSES, dtype=np.int32)
SUPCON = "loss.term={name: supcon, temperature: 0.3}"


def allowed(*settings: str) -> list[str]:
    return load_config("mnist", settings=["loss.term=none", "loss.ramp=null", *settings]).allows()


def lowest(line: str) -> float:
    return float(re.search(r"cannot fall below ([0-9.e-]+)", line).group(1))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            ("loss.head=arcface",),
            "ArcFace s 16, m 0.3 rad in 2 dimensions: classes can be 36° apart (margin < 0.628); "
            "the loss cannot fall below 0.18, nor the probabilities of all classes exceed 0.914",
        ),
        (
            ("loss.head={name: cosface, scale: 10}",),
            "CosFace s 10, m 0.1 in 2 dimensions: classes can be 36° apart (margin < 0.191); "
            "the loss cannot fall below 0.59, nor the probabilities of all classes exceed 0.77",
        ),
        (
            ("loss.head={name: normface, scale: 4}", "model.feature_dim=9"),
            "NormFace s 4 in 9 dimensions: classes can be 96.4° apart; "
            "the loss cannot fall below 0.1, nor the probabilities of all classes exceed 0.904",
        ),
        (
            ("loss.head={name: arcface, margin: 1.6}", "model.feature_dim=5"),
            "ArcFace s 16, m 1.6 rad in 5 dimensions: classes can be at most 96.4° apart (margin < 1.68 at most); ",
        ),
        (
            ("loss.head={name: cosface, scale: 64, margin: 0.35, beyond_bound: true}",),
            "(margin < 0.191); features on their weights do not win, and have a loss of 11",
        ),
        (
            ("loss.head={name: cosface, scale: 1e6, margin: 2, beyond_bound: true}", "model.feature_dim=1"),
            "CosFace s 1000000, m 2 in 1 dimension: classes can be 0° apart (margin < 0); ",
        ),
    ],
)
def test_a_line_names_settings_room_and_what_is_out_of_reach(settings: tuple[str, ...], line: str) -> None:
    (found,) = allowed(*settings)
    assert line in found


@pytest.mark.parametrize("head", ["softmax", "sphereface", "l_softmax", "prototypes", "gaussian_mixture"])
def test_losses_that_fall_to_0_as_features_grow_have_no_bound(head: str) -> None:
    assert allowed(f"loss.head={head}") == []


def test_pairs_and_triplets() -> None:
    def of(*settings: str) -> list[str]:
        words = ["loss.head=none", "loss.ramp=null", "loss.lambda=1", *settings]
        return load_config("mnist", settings=words).allows()

    (line,) = of("loss.term=triplet")
    assert line.endswith("classes can be 36° apart (squared distance 0.382); its loss can reach 0")
    (line,) = of("loss.term={name: triplet, margin: 0.5}")
    assert line.endswith("its margin is more, so its loss stays above 0")
    assert of("loss.term={name: triplet, margin: softplus}") == []
    assert of(SUPCON) == []  # how many images of a class a batch has is left to chance
    (line,) = of(SUPCON, "train.batch_size=60", "train.sampler={classes: 10, images: 6}")
    assert line.startswith(
        "SupCon τ 0.3 in 2 dimensions: classes can be 36° apart; with 6 images of each class "
    )
    assert lowest(line) > np.log(6 - 1)


def circle() -> np.ndarray:
    angles = 2 * np.pi * np.arange(CLASSES) / CLASSES
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def simplex() -> np.ndarray:
    corners = np.eye(CLASSES) - 1 / CLASSES
    points = corners @ np.linalg.svd(corners)[2][: CLASSES - 1].T
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def descent(
    part: Part, shape: tuple[int, ...], labels: np.ndarray, scalars: dict[str, Any], rate: float
) -> Callable[[np.ndarray], float]:
    """A function from features to the lowest loss on the way down from them; compiled once for all."""
    features = tf.Variable(tf.zeros(shape))
    variables = [features, *(each.value for each in part.trainable_variables)]

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = part.measure(features.value(), labels, scalars)[0]
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(rate * gradient)
        return loss

    def lowest_from(start: np.ndarray) -> float:
        features.assign(start)
        return min(float(step()) for _ in range(60))

    return lowest_from


@pytest.mark.parametrize("places", [circle, simplex])
@pytest.mark.parametrize(
    "head",
    ["{name: normface, scale: 4}", "{name: cosface, scale: 10}", "{name: arcface, scale: 4, margin: 0.4}"],
)
def test_no_features_and_weights_beat_those_as_far_apart_as_can_be(
    places: Callable[[], np.ndarray], head: str
) -> None:
    settings = [f"loss.head={head}", f"model.feature_dim={places().shape[1]}", "loss.term=none"]
    config = load_config("mnist", settings=settings)
    bound = lowest(config.allows()[0])
    layer = build_head(config, CLASSES, "glorot_uniform")
    assert layer is not None
    layer.build(places().shape)
    layer.kernel.assign(places().T)
    scalars = scalars_of_step(config, 0, 1)
    best = float(layer.measure(places(), NAMES, scalars)[0])
    assert best == pytest.approx(bound, rel=0.06)  # it is written with two digits
    lowest_from = descent(layer, places().shape, NAMES, scalars, rate=2.0)
    random = np.random.default_rng(0)
    for noise in (0.01, 0.3, 3.0):
        layer.kernel.assign(places().T + random.normal(scale=noise, size=places().T.shape))
        features = places() + random.normal(scale=noise, size=places().shape)
        assert lowest_from(features) >= best - 1e-4


@pytest.mark.parametrize("places", [circle, simplex])
def test_no_features_beat_classes_that_are_points_in_the_eyes_of_supcon(
    places: Callable[[], np.ndarray],
) -> None:
    settings = ["loss.head=none", "loss.ramp=null", SUPCON, f"model.feature_dim={places().shape[1]}"]
    settings += ["train.batch_size=30", "train.sampler={classes: 10, images: 3}"]
    config = load_config("mnist", settings=settings)
    term = build_term(config, CLASSES)
    assert term is not None
    labels, scalars = np.repeat(NAMES, 3), scalars_of_step(config, 0, 1)
    best = float(term.measure(places()[labels], labels, scalars)[0])
    assert best == pytest.approx(lowest(config.allows()[0]), rel=5e-3)
    points = places()[labels]
    lowest_from = descent(term, points.shape, labels, scalars, rate=2.0)
    random = np.random.default_rng(0)
    for noise in (0.01, 0.3, 3.0):
        assert lowest_from(points + random.normal(scale=noise, size=points.shape)) >= best - 1e-4


@pytest.mark.parametrize("dimensions", [2, CLASSES])
def test_no_features_beat_those_on_their_anchors(dimensions: int) -> None:
    settings = ["loss.head={name: anchors, radius: 2}", f"model.feature_dim={dimensions}", "loss.term=none"]
    config = load_config("mnist", settings=settings)
    head = build_head(config, CLASSES, "glorot_uniform")
    assert head is not None
    head.build((None, dimensions))
    anchors = np.asarray(keras.ops.convert_to_numpy(head.anchors))
    scalars = scalars_of_step(config, 0, 1)
    best = float(head.measure(anchors, NAMES, scalars)[0])
    assert best == pytest.approx(lowest(config.allows()[0]), rel=0.06)
    noise = np.random.default_rng(0).normal(size=anchors.shape)
    assert descent(head, anchors.shape, NAMES, scalars, rate=0.5)(anchors + noise) >= best - 1e-4


def test_a_dry_run_and_the_start_of_a_run_say_it(here: Here) -> None:
    settings = ("data.name=digits8", "loss.head=arcface", "loss.term=none", "train.epochs=null")
    settings += ("train.iterations=1", "model.channels=[4,4,8]")
    line = "ArcFace s 16, m 0.3 rad in 2 dimensions: classes can be 36° apart (margin < 0.628); the loss "
    code, out, _ = here("train", "quickstart", *settings, "--dry-run")
    assert code == 0
    assert f"\nallows: {line}" in out
    code, out, _ = here("train", "quickstart", *settings, "--run-dir", "run")
    assert code == 0
    assert out.splitlines()[0].startswith("arcface, seed 0 → ")
    assert out.splitlines()[1].startswith(line)
