"""What is true of every head: as a layer of anybody's model, and in a run."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from comparing import config, one_layer

from centerloss_core import losses
from centerloss_core.datasets import load_dataset
from centerloss_core.plotting.head import read_head
from centerloss_core.run_directory.reader import read_run
from centerloss_core.training import reuse, train

HEADS: dict[str, dict[str, Any]] = {  # by the name in a config, with settings that make sense in the plane
    "softmax": {},
    "normface": {"scale": 8},
    "cosface": {"margin": 0.15},
    "arcface": {"margin": 0.2, "easy_margin": True},
    "sphereface": {"margin": 3, "annealing": {"end": 1, "over": 0.5}},
    "l_softmax": {"margin": 2},
    "prototypes": {"pull": 0.01},
    "gaussian_mixture": {"margin": 0.5},
    "anchors": {"radius": 5},
}
LAYERS = {
    "softmax": "SoftmaxHead",
    "normface": "NormFace",
    "cosface": "CosFace",
    "arcface": "ArcFace",
    "sphereface": "SphereFace",
    "l_softmax": "LSoftmax",
    "prototypes": "PrototypeHead",
    "gaussian_mixture": "GaussianMixtureHead",
    "anchors": "AnchorHead",
}
DECIDES_BY_DISTANCE = {"prototypes": "prototype", "gaussian_mixture": "mean", "anchors": "anchor"}
FEATURES = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
LABELS = np.array([0, 3, 1, 1, 2, 0], np.int32)


def make_layer(name: str) -> Any:
    keras.utils.set_random_seed(0)
    settings = {key: value for key, value in HEADS[name].items() if key != "annealing"}  # of a run
    return getattr(losses, LAYERS[name])(10, **settings)


@pytest.mark.parametrize("name", HEADS)
def test_a_model_with_a_head_is_saved_and_loaded_by_keras(name: str, tmp_path: Path) -> None:
    features = keras.Input((2,))
    head = make_layer(name)
    model = keras.Model(features, head(features))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(FEATURES), model(FEATURES))
    again = loaded.layers[-1]
    np.testing.assert_array_equal(
        again(FEATURES, LABELS, training=True), head(FEATURES, LABELS, training=True)
    )
    # A kept program draws its weights anew by them.
    assert all(hasattr(head, f"{weight.name}_initializer") for weight in head.weights)


@pytest.mark.parametrize("name", HEADS)
def test_under_mixed_precision_logits_are_float32(name: str) -> None:
    expected = make_layer(name)(FEATURES, LABELS, training=True)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        logits = make_layer(name)(FEATURES, LABELS, training=True)
    finally:
        keras.config.set_dtype_policy("float32")
    assert logits.dtype == "float32"
    np.testing.assert_array_equal(logits, expected)


@pytest.mark.parametrize(  # softmax is in every other test, and two are arcface but for a formula
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ("normface", "cosface") else name
        for name in [*HEADS][1:]
    ],
)
def test_a_run_of_three_steps(name: str, tmp_path: Path) -> None:
    settings = (
        f"loss.head={json.dumps({'name': name, **HEADS[name]})}",
        "loss.term=none",
        "train.iterations=3",
        "train.log_every=1",
        "data.validation=0",
    )
    run = read_run(train(config(*settings), tmp_path / "run", network=one_layer).path)
    rows = run.history().steps
    assert len(rows) == 3
    assert all(np.isfinite(row["softmax_loss"]) for row in rows)
    dump = run.dump("test-final")
    assert dump.features.shape == (360, 2)
    # Figures decide without a framework; `read_head` refuses what predicts otherwise than the run did.
    assert read_head(run, dump, 10).kernel.shape == (2, 10)
    assert dump.centers_kind == run.manifest["class_points"]
    if name in DECIDES_BY_DISTANCE:
        assert dump.centers_kind == DECIDES_BY_DISTANCE[name]
        metrics = run.manifest["metrics"]["test"]
        assert metrics["nearest_center_accuracy"] == pytest.approx(metrics["accuracy"])


def logits_by_hand(head: dict[str, Any], features: Any, kernel: Any) -> Any:
    """In NumPy, of an angular head or of prototypes."""
    x, w = np.asarray(features, np.float64), np.asarray(kernel, np.float64)
    if head["name"] == "prototypes":
        return -np.square(x[:, None] - w).sum(axis=2) / head["temperature"]
    return head["scale"] * (x @ w) / np.linalg.norm(x, axis=1, keepdims=True) / np.linalg.norm(w, axis=0)


@pytest.mark.parametrize("name", ["arcface", "prototypes"])
def test_logits_outside_a_step_are_those_of_the_run(name: str) -> None:
    """Also where the step is kept for a next run: probabilities are made of these logits."""
    number = "scale" if name == "arcface" else "temperature"
    images = load_dataset("digits8").test.images[:5]
    kept = []
    with reuse.programs_are_kept():
        for value in (30.0, 4.0):
            head = {"name": name, number: value}
            asked = config(f"loss.head={json.dumps(head)}", "data.validation=0")
            kept.append(reuse.train_step_for(asked, reuse.dataset_for(asked)))
            network = kept[-1].network
            for features, logits in (network(images), network.predict_on_batch(images)):
                expected = logits_by_hand(head, features, network.get_layer("head").weights[0])
                np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    assert kept[0] is kept[1]


@pytest.mark.parametrize("name", HEADS)
def test_a_head_of_a_run_has_its_numbers(name: str) -> None:
    asked = config(f"loss.head={json.dumps({'name': name, **HEADS[name]})}")
    numbers = asked.loss.head.scalars(asked.loss)
    head = losses.build_head(asked, 10, "glorot_uniform")
    own = {number: numbers[number] for number in head.scalars}
    assert {number: getattr(head, number) for number in head.scalars} == own
    np.testing.assert_array_equal(head(FEATURES), head(FEATURES, **own))
