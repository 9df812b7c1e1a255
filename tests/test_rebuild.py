"""A network made anew from Keras' own layers gives what ours does; NumPy computes it once more from its description."""

import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from comparing import config
from plain_numpy import forward

from centerloss_core.inference.description import graph_of
from centerloss_core.inference.formats import FormatError
from centerloss_core.inference.plain_layers import PLAIN
from centerloss_core.inference.rebuild import ExportError, rebuild
from centerloss_core.losses import build_head
from centerloss_core.networks import build_body

NETWORKS = {
    "lenets_plus_plus": ([2, 3, 4], 9),
    "resnet18": ([2, 2, 3, 4], 9),
    "face_resnet": ([2, 3, 3, 4, 5], 48),
}
HEADS = {
    "softmax": ("softmax", "model.head_bias=false"),
    "normface": ("{name: normface, scale: 7.0}",),
    "cosface": ("cosface",),
    "arcface": ("{name: arcface, scale: 20.0}",),
    "sphereface": ("sphereface",),
    "l_softmax": ("l_softmax",),
    "prototypes": ("{name: prototypes, temperature: 3.0}",),
    "gaussian_mixture": ("gaussian_mixture",),
    "anchors": ("anchors", "model.feature_dim=10"),
}


def scatter(network: keras.Model) -> None:
    """Give the weights that begin at 0 or 1 values that training could have given them."""
    drawn = np.random.default_rng(0)
    for variable in network.variables:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(drawn.uniform(0.5, 2, variable.shape))
        elif variable.name not in ("kernel", "anchors"):
            variable.assign(drawn.normal(0, 0.5, variable.shape))


def joined(inputs: Any, features: Any, head: Any) -> keras.Model:
    return keras.Model(inputs, (features, head(features)))


def compare(network: keras.Model, images: Any) -> None:
    scatter(network)
    rebuilt = rebuild(network)
    expected = keras.tree.flatten(network(images))
    found = rebuilt(images.astype(np.float32))
    arrays = {each.path: np.asarray(each.value) for each in rebuilt.weights}
    computed = forward(graph_of(rebuilt), arrays, images)
    assert list(found) == list(computed) == ["features", "logits"][: len(expected)]
    for name, each in zip(found, expected, strict=True):
        largest = np.abs(each).max()
        assert largest > 0
        np.testing.assert_allclose(found[name] / largest, each / largest, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(computed[name] / largest, each / largest, atol=1e-5, err_msg=name)
    for layer in rebuilt.layers:
        assert type(layer).__module__.startswith("keras.")
        assert layer.dtype_policy.name == "float32"


def images_of(side: int, channels: int) -> Any:
    return np.random.default_rng(1).integers(0, 256, (3, side, side + 1, channels), np.uint8)


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str, batch_norm: bool) -> None:
    """Without batch norm with other choices too, so that each is taken once."""
    channels, side = NETWORKS[name]
    random.seed(0)  # what initializers draw their seeds from
    model = config(
        "model.feature_dim=8",  # so many that ReLU leaves some
        f"model.name={name}",
        f"model.channels={channels}",
        f"model.batch_norm={batch_norm}".lower(),
        f"model.input_scaling={'unit' if batch_norm else 'symmetric'}",
        f"model.feature_activation={ {'resnet18': 'none', 'face_resnet': 'relu'}.get(name, 'prelu') }",
    ).model
    images = images_of(side, 3 if batch_norm else 1)
    compare(build_body(model, images.shape[1:]), images)


@pytest.mark.parametrize("name", HEADS)
def test_heads(name: str) -> None:
    head, *others = HEADS[name]
    made = config(f"loss.head={head}", "model.head_start=random", *others)
    images = images_of(2, 1)
    inputs = keras.Input(images.shape[1:], dtype="uint8")
    pixels = keras.layers.Rescaling(1 / 255)(inputs)
    features = keras.layers.Dense(made.model.feature_dim, name="features")(keras.layers.Flatten()(pixels))
    compare(joined(inputs, features, build_head(made, 10, "glorot_uniform")), images)


def test_a_feature_without_a_direction_has_the_cosine_0() -> None:
    inputs = keras.Input((1, 1, 1), dtype="uint8")
    features = keras.layers.Dense(2)(keras.layers.Flatten()(inputs))
    head = build_head(config("loss.head=arcface", "model.head_start=random"), 10, "glorot_uniform")
    rebuilt = rebuild(joined(inputs, features, head))
    assert not np.asarray(rebuilt(np.zeros((1, 1, 1, 1), np.float32))["logits"]).any()


def test_every_layer_of_ours_is_known_in_keras_own() -> None:
    from centerloss_core import losses
    from centerloss_core.losses.base import Head
    from centerloss_core.networks import layers

    heads = [each for name in losses.__all__ if isinstance(each := getattr(losses, name), type)]
    ours = [
        each
        for each in vars(layers).values()
        if isinstance(each, type) and each.__module__ == layers.__name__
    ]
    assert PLAIN.keys() == {*ours, *(each for each in heads if issubclass(each, Head))}


# ---- Networks of the caller ---------------------------------------------------------------------------------


def twice(x: Any) -> Any:
    return x * 2


class Mine(keras.layers.Layer):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return x


def network_with(*made: Any) -> keras.Model:
    images = x = keras.Input((4, 5, 1))
    for layer in made:
        x = layer(x)
    return keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(x)))


def test_a_network_of_keras_own_layers_is_rebuilt_under_any_policy() -> None:
    inner = keras.Sequential(
        [keras.layers.Dense(3, "gelu", kernel_regularizer="l2"), keras.layers.Dropout(0.5)]
    )
    layers = [keras.layers.Dense(3, dtype="mixed_bfloat16"), inner, keras.ops.square]
    network = network_with(*layers)
    rebuilt = rebuild(network)
    images = images_of(4, 1)
    expected, found = network(images.astype(np.float32)), rebuilt(images)["features"]
    assert np.abs(expected - found).max() < 0.05 * np.abs(expected).max()
    assert {layer.compute_dtype for layer in rebuilt.layers} == {"float32"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Mine(name="mine"), "the layer mine has the class Mine, which another program does not know"),
        (lambda: keras.layers.Lambda(twice, name="code"), "the layer code has the class Lambda"),
        (lambda: keras.layers.Dense(2, twice, name="dense"), "the layer dense has the function twice"),
    ],
)
def test_what_another_program_does_not_know_is_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ExportError, match=words):
        rebuild(network_with(make()))


def test_a_layer_that_is_called_twice_is_copied_once_and_no_list_of_layers_tells_it() -> None:
    images = keras.Input((1, 1, 2))
    shared = keras.layers.Dense(2)
    network = keras.Model(images, shared(shared(keras.layers.Flatten()(images))))
    rebuilt = rebuild(network)
    pixels = np.ones((1, 1, 1, 2), np.float32)
    np.testing.assert_allclose(rebuilt(pixels)["features"], network(pixels))
    with pytest.raises(FormatError, match="is called more than once, which npz cannot tell"):
        graph_of(rebuilt)
