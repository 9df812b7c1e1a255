"""`train(config, path, network=function)`: a network that a Python program brings along."""

import hashlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from comparing import QUICKSTART, config, stop_at

from centerloss_core import load_config, read_run, resume, train
from centerloss_core.config import Model
from centerloss_core.datasets import load_dataset
from centerloss_core.inference.model import InferenceError, open_model
from centerloss_core.interrupts import InterruptedRunError
from centerloss_core.networks import NetworkError, build_body
from centerloss_core.run_directory.checkpoints import CheckpointError
from centerloss_core.run_directory.resume_check import ChangedError
from centerloss_core.training import reuse

SHORT = ("train.iterations=4", "train.batch_size=50")
STATE = "checkpoints/step-00000004/state.npz"


def nameless(image_shape: tuple[int, int, int], model: Model) -> Any:
    """Layers without names, among them one that draws at random; its features are a tensor."""
    images = keras.Input(image_shape)
    x = keras.layers.Dropout(0.3)(keras.layers.Flatten()(images))
    return keras.layers.Dense(model.feature_dim)(x)


def another(image_shape: tuple[int, int, int], model: Model) -> Any:
    return nameless(image_shape, model)


def interrupted(path: Path, network: Any) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        stop_at(2, patch)
        with pytest.raises(InterruptedRunError) as caught:
            train(config(*SHORT), path, network=network)
    assert caught.value.__notes__ == [f"resume it: centerloss_core.resume('{path}', network=nameless)"]
    return path


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the network `nameless`, stopped after step 2 of 4; not to be changed."""
    return interrupted(tmp_path_factory.mktemp("own") / "run", nameless)


def test_a_run_trains_the_function_and_is_resumed_to_the_same_bits(tmp_path: Path) -> None:
    train(config(*SHORT), tmp_path / "straight", network=nameless)
    resume(interrupted(tmp_path / "run", nameless), network=nameless)
    assert (tmp_path / "run" / STATE).read_bytes() == (tmp_path / "straight" / STATE).read_bytes()
    manifest = json.loads((tmp_path / "straight" / "run.json").read_text())
    source = hashlib.sha256(inspect.getsource(nameless).encode()).hexdigest()
    assert manifest["network"] == {"name": "nameless", "sha256": source}
    assert (
        manifest["repeat"]
        == f"train(load_config('{tmp_path}/straight/config.yaml'), DIRECTORY, network=nameless)"
    )
    with np.load(tmp_path / "straight" / STATE) as arrays:
        assert arrays["network/head/kernel"].shape == (2, 10)  # where figures look for it
        assert {arrays[name].shape for name in arrays if name.startswith("network/own/")} >= {(64, 2), (2,)}
    model = open_model(read_run(tmp_path / "straight"), network=nameless)
    features, _ = model.apply(np.asarray(load_dataset(config().data).test.images))
    dump = read_run(tmp_path / "straight").dump("test-final")
    assert features.tobytes() == dump.features.tobytes()
    assert resume(tmp_path / "straight").metrics == manifest["metrics"]  # there is nothing left to train


def test_only_the_same_function_goes_on(stopped: Path, tmp_path: Path, here: Callable[..., Any]) -> None:
    with pytest.raises(ChangedError, match=r"was begun with the network nameless \(.*go on with another \("):
        resume(stopped, network=another)
    with pytest.raises(ChangedError, match="the function nameless of a Python program: resume it there"):
        resume(stopped)
    code, _, errors = here("train", "--resume", stopped)
    assert code == 2
    assert f"centerloss_core.resume('{stopped}', network=nameless)" in errors
    with pytest.raises(
        InferenceError, match=r"the function nameless of a Python program: use it there.*=nameless\)"
    ):
        read_run(stopped).embed(np.zeros((1, 8, 8), np.uint8))
    with pytest.raises(CheckpointError, match=r"network: nameless \(.*\) there, null here"):
        train(config(*SHORT), tmp_path / "new", init=stopped)
    train(config(*SHORT), tmp_path / "new", init=stopped, network=nameless)


def test_a_run_with_the_network_of_its_config_takes_no_function(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_at(2, patch)
        with pytest.raises(InterruptedRunError):
            train(config(*SHORT), tmp_path / "run")
    with pytest.raises(
        ChangedError, match="begun with the network of its config: resume it without `network`"
    ):
        resume(tmp_path / "run", network=nameless)


def test_a_process_that_keeps_programs_does_not_mix_networks(tmp_path: Path) -> None:
    """The configs of the two are equal."""
    short = load_config(QUICKSTART, settings=["data.name=digits8", "model.channels=[2, 2, 2]", *SHORT])
    with reuse.programs_are_kept():
        for name, network in (("first", None), ("own", nameless), ("last", None)):
            train(short, tmp_path / name, network=network)
    states = {name: (tmp_path / name / STATE).read_bytes() for name in ("first", "last", "own")}
    assert states["first"] == states["last"] != states["own"]


# ---- What a function may make ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda _: None, "returned NoneType: it must return a Keras model with inputs and outputs, or the features"),
        (lambda _: keras.Sequential([keras.layers.Dense(2)]), "returned Sequential: it must return"),
        (lambda shape: [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(5)], r"returns \(None, 5\)"),
        (lambda _: [keras.Input((4, 4, 1)), keras.layers.Flatten()], r"takes \(None, 4, 4, 1\), and the images are"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_named(made: Callable[[Any], Any], words: str) -> None:
    def mine(image_shape: tuple[int, int, int], model: Model) -> Any:
        layers = made(image_shape)
        return keras.Sequential(layers) if isinstance(layers, list) else layers

    with pytest.raises(NetworkError, match=words) as caught:
        build_body(Model(), (8, 8, 1), mine)
    assert "mine" in str(caught.value)


def test_features_are_float32_under_bfloat16() -> None:
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        body = build_body(Model(), (8, 8, 1), nameless)
    finally:
        keras.config.set_dtype_policy("float32")
    assert body(np.zeros((3, 8, 8, 1), np.uint8)).dtype == "float32"


def test_something_that_is_no_function_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="network must be a function"):
        train(config(*SHORT), tmp_path / "run", network=keras.Sequential())
    assert not (tmp_path / "run").exists()
