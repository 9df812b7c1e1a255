"""LeNets++ as the paper's Table 1 has it, up to the features, and each option in which its users differ."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from centerloss_core.config import Model
from centerloss_core.networks.image_shape import ImageShapeError, refuse_too_small
from centerloss_core.networks.lenets_plus_plus import lenets_plus_plus


@pytest.fixture(autouse=True)
def default_precision() -> Iterator[None]:
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")


def build(**settings: object) -> keras.Model:
    return lenets_plus_plus(Model(**settings))


def parameters_by_hand(*, feature_dim: int = 2, batch_norm: bool) -> int:
    """Counted from the paper's table, not from Keras."""
    total, incoming = 0, 1
    for channels in (32, 32, 64, 64, 128, 128):
        total += 5 * 5 * incoming * channels
        total += 2 * channels if batch_norm else channels  # scale and offset, or a bias
        total += channels  # a PReLU slope per channel
        incoming = channels
    return total + (3 * 3 * 128 + 1) * feature_dim + feature_dim


@pytest.mark.parametrize(("batch_norm", "feature_dim"), [(True, 2), (False, 64)])
def test_it_has_the_papers_parameters(batch_norm: bool, feature_dim: int) -> None:
    network = build(batch_norm=batch_norm, feature_dim=feature_dim)
    trainable = sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
    assert trainable == parameters_by_hand(feature_dim=feature_dim, batch_norm=batch_norm)


def test_it_pools_28_to_14_to_7_to_3() -> None:
    network = build()
    shapes = [network.get_layer(f"pool{block}").output.shape[1:] for block in (1, 2, 3)]
    assert shapes == [(14, 14, 32), (7, 7, 64), (3, 3, 128)]


@pytest.mark.parametrize("image_shape", [(8, 8, 1), (9, 30, 3), (28, 28, 1)])
def test_images_of_any_shape_become_features(image_shape: tuple[int, int, int]) -> None:
    network = lenets_plus_plus(Model(channels=(2, 3, 4), feature_dim=5), image_shape)
    images = np.random.default_rng(0).integers(0, 256, (6, *image_shape)).astype(np.uint8)
    assert network(images).shape == (6, 5)
    assert [network.get_layer(f"conv{block}_2").filters for block in (1, 2, 3)] == [2, 3, 4]
    refuse_too_small(image_shape, "MNIST")


@pytest.mark.parametrize("image_shape", [(7, 28, 1), (28, 7, 3)])
def test_images_that_do_not_survive_three_poolings_are_refused(image_shape: tuple[int, int, int]) -> None:
    height, width, _ = image_shape
    with pytest.raises(ImageShapeError, match=f"images of MNIST are {height}×{width} pixels.*at least 8×8"):
        refuse_too_small(image_shape, "MNIST")


def test_under_bfloat16_the_convolutions_are_low_and_features_and_logits_are_float32() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    network = build()
    assert network(np.zeros((2, 28, 28, 1), np.uint8)).dtype == "float32"
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
        np.asarray(weight.value)
        for weight in build(prelu_start=start).trainable_variables
        if weight.name == "alpha"
    ]
    assert len(slopes) == 7
    assert all((slope == np.float32(start)).all() for slope in slopes)
    assert slopes[-2].shape == (1, 1, 128)  # one per channel, not per pixel


def test_features_are_the_prelu_of_the_feature_layer() -> None:
    network = build(prelu_start=0.25)
    inner = keras.Model(network.inputs[0], network.get_layer("feature_layer").output)
    images = np.random.default_rng(0).integers(0, 256, (50, 28, 28)).astype(np.uint8)
    before, features = np.asarray(inner(images)), network(images)
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


def test_a_network_is_saved_and_loaded_by_keras(tmp_path: Path) -> None:
    network = build(channels=(2, 3, 4))
    network.save(tmp_path / "network.keras")
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1)).astype(np.uint8)
    for copy in (keras.saving.load_model(tmp_path / "network.keras"), keras.models.clone_model(network)):
        copy.set_weights(network.get_weights())
        np.testing.assert_array_equal(copy(images), network(images))
