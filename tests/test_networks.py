"""LeNets++ as the paper's Table 1 has it, and each option in which its users differ."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from centerloss_core.config import Model
from centerloss_core.networks.lenets_plus_plus import lenets_plus_plus


@pytest.fixture(autouse=True)
def default_precision() -> Iterator[None]:
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")


def build(**settings: object) -> keras.Model:
    return lenets_plus_plus(Model(**settings), num_classes=10)


def parameters_by_hand(*, feature_dim: int = 2, batch_norm: bool, head_bias: bool) -> int:
    """Counted from the paper's table, not from Keras."""
    total, incoming = 0, 1
    for channels in (32, 32, 64, 64, 128, 128):
        total += 5 * 5 * incoming * channels
        total += 2 * channels if batch_norm else channels  # scale and offset, or a bias
        total += channels  # a PReLU slope per channel
        incoming = channels
    total += (3 * 3 * 128 + 1) * feature_dim + feature_dim
    return total + feature_dim * 10 + 10 * head_bias


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("head_bias", [True, False])
@pytest.mark.parametrize("feature_dim", [2, 3, 64])
def test_it_has_the_papers_parameters(batch_norm: bool, head_bias: bool, feature_dim: int) -> None:
    network = build(batch_norm=batch_norm, head_bias=head_bias, feature_dim=feature_dim)
    trainable = sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
    assert trainable == parameters_by_hand(
        feature_dim=feature_dim, batch_norm=batch_norm, head_bias=head_bias
    )


def test_it_pools_28_to_14_to_7_to_3() -> None:
    network = build()
    shapes = [network.get_layer(f"pool{block}").output.shape[1:] for block in (1, 2, 3)]
    assert shapes == [(14, 14, 32), (7, 7, 64), (3, 3, 128)]


def test_images_become_features_and_logits() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28)).astype(np.uint8)
    network = build()
    features, logits = (np.asarray(each) for each in network(images))
    assert (features.shape, logits.shape) == ((5, 2), (5, 10))
    kernel, bias = (np.asarray(each) for each in network.get_layer("head").get_weights())
    np.testing.assert_allclose(logits, features @ kernel + bias, rtol=1e-5, atol=1e-6)


def test_under_bfloat16_the_convolutions_are_low_and_features_and_logits_are_float32() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    network = build()
    features, logits = network(np.zeros((2, 28, 28), np.uint8))
    assert (features.dtype, logits.dtype) == ("float32", "float32")
    assert network.get_layer("conv3_2").compute_dtype == "bfloat16"
    assert {variable.dtype for variable in network.variables if "seed" not in variable.path} == {"float32"}


@pytest.mark.parametrize(
    ("scaling", "expected"), [("unit", [0.0, 1.0]), ("symmetric", [-127.5 / 128, 127.5 / 128])]
)
def test_input_scaling(scaling: str, expected: list[float]) -> None:
    layer = build(input_scaling=scaling).get_layer("input_scaling")
    np.testing.assert_allclose(
        layer(np.array([[[[0], [255]]]], np.uint8)).numpy().ravel(), expected, rtol=1e-6
    )


@pytest.mark.parametrize("start", [0.0, 0.25])
def test_prelu_starts_where_it_is_told_everywhere(start: float) -> None:
    slopes = [
        layer.get_weights()[0]
        for layer in build(prelu_start=start).layers
        if isinstance(layer, keras.layers.PReLU)
    ]
    assert len(slopes) == 7
    assert all((slope == np.float32(start)).all() for slope in slopes)
    assert slopes[-2].shape == (1, 1, 128)  # one per channel, not per pixel


def test_features_are_the_prelu_of_the_feature_layer() -> None:
    network = build(prelu_start=0.25)
    inner = keras.Model(network.inputs[0], network.get_layer("feature_layer").output)
    images = np.random.default_rng(0).integers(0, 256, (50, 28, 28)).astype(np.uint8)
    before, (features, _) = np.asarray(inner(images)), network(images)
    assert (before < 0).any()
    np.testing.assert_allclose(features, np.where(before > 0, before, 0.25 * before), rtol=1e-5)


@pytest.mark.parametrize(
    ("initializer", "deviation"),
    [
        ("he_normal", np.sqrt(2 / (25 * 64))),
        ("xavier", np.sqrt(2 / (25 * 64 + 25 * 128))),
        ("truncated_normal", 0.1 * 0.88),  # cut at two standard deviations, which narrows it
    ],
)
def test_the_initializers_have_their_spread(initializer: str, deviation: float) -> None:
    kernel = build(initializer=initializer).get_layer("conv3_1").get_weights()[0]
    assert kernel.std() == pytest.approx(deviation, rel=0.03)


def test_no_two_layers_start_alike() -> None:
    network = build()
    second, first = (network.get_layer(name).get_weights()[0] for name in ("conv2_2", "conv1_2"))
    assert not np.allclose(second[:, :, :32, :32].ravel()[:100], first.ravel()[:100])


@pytest.mark.parametrize("class_order", [None, range(10)])
def test_a_network_is_saved_and_loaded_by_keras(class_order: range | None, tmp_path: Path) -> None:
    network = lenets_plus_plus(Model(), num_classes=10, class_order=class_order)
    network.save(tmp_path / "network.keras")
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    for copy in (keras.saving.load_model(tmp_path / "network.keras"), keras.models.clone_model(network)):
        copy.set_weights(network.get_weights())
        for found, expected in zip(copy(images), network(images), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_circle_needs_a_plane() -> None:
    with pytest.raises(ValueError, match="in the plane"):
        lenets_plus_plus(Model(feature_dim=3), num_classes=10, class_order=range(10))


def test_classes_begin_around_a_circle_in_the_order_given() -> None:
    order = [0, 2, 6, 4, 9, 7, 1, 8, 3, 5]
    kernel, _ = lenets_plus_plus(Model(), num_classes=10, class_order=order).get_layer("head").get_weights()
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), 1, rtol=1e-6)
    angles = np.degrees(np.arctan2(kernel[1], kernel[0]))[order]
    np.testing.assert_allclose(np.diff(angles, append=angles[0]) % 360, 36, rtol=1e-4)
