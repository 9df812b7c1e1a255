"""The networks up to their features, and each option in which their users differ."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from centerloss_core.config import Config, Model
from centerloss_core.config.model import NETWORKS
from centerloss_core.networks import build_body
from centerloss_core.networks.image_shape import ImageShapeError, refuse_unfit_images

Shape = tuple[int, int, int]
NARROW = {"lenets_plus_plus": (2, 3, 4), "resnet18": (2, 2, 3, 4), "face_resnet": (2, 3, 3, 4, 5)}
SMALLEST = {name: network.smallest_side for name, network in NETWORKS.items()}
each_network = pytest.mark.parametrize("name", NETWORKS)


@pytest.fixture(autouse=True)
def default_precision() -> Iterator[None]:
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")


def build(image_shape: Shape = (28, 28, 1), **settings: object) -> keras.Model:
    return build_body(Model(**settings), image_shape)


def narrow(name: str, image_shape: Shape | None = None, **settings: object) -> keras.Model:
    side = SMALLEST[name]
    return build(image_shape or (side, side, 3), name=name, channels=NARROW[name], **settings)


def some_images(count: int, shape: Shape) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(np.uint8)


def refuse(name: str, image_shape: Shape, **augment: object) -> None:
    train = {"epochs": 1, "augment": augment}
    config = {"data": {"name": "mnist5k"}, "model": {"name": name}, "train": train}
    refuse_unfit_images(Config.model_validate(config), image_shape, "Faces")


# ---- How many parameters: counted from the papers' tables, not from Keras -------------------------------------


def parameters(model: Model, shape: Shape) -> int:
    """Those that are trained, up to the features."""
    trunk, flat = {
        "lenets_plus_plus": _lenets_plus_plus,
        "resnet18": _resnet18,
        "face_resnet": _face_resnet,
    }[model.name](model, shape)
    slopes = model.feature_dim if model.feature_activation == "prelu" else 0
    return trunk + (flat + 1) * model.feature_dim + slopes


def _convolution(model: Model, size: int, inputs: int, outputs: int, *, bias: bool = True) -> int:
    """Weights, and scale and offset of batch norm, or a bias."""
    return size * size * inputs * outputs + (2 if model.batch_norm else int(bias)) * outputs


def _lenets_plus_plus(model: Model, shape: Shape) -> tuple[int, int]:
    height, width, inputs = shape
    total = 0
    for channels in model.channels:
        for _ in range(2):
            total += _convolution(model, 5, inputs, channels) + channels  # and a PReLU slope per channel
            inputs = channels
    return total, (height // 8) * (width // 8) * inputs


def _resnet18(model: Model, shape: Shape) -> tuple[int, int]:
    inputs = model.channels[0]
    total = _convolution(model, 3, shape[2], inputs)
    for stage, channels in enumerate(model.channels):
        total += _convolution(model, 3, inputs, channels) + 3 * _convolution(model, 3, channels, channels)
        if stage:
            total += _convolution(model, 1, inputs, channels)
        inputs = channels
    return total, inputs


def _face_resnet(model: Model, shape: Shape) -> tuple[int, int]:
    height, width, inputs = shape
    total = 0
    for channels, pairs in zip(model.channels, (0, 1, 2, 5, 3), strict=True):
        total += _convolution(model, 3, inputs, channels) + channels
        total += 2 * pairs * (_convolution(model, 3, channels, channels, bias=False) + channels)
        inputs = channels
    height, width = height - 2, width - 2  # by a convolution that is not padded
    for _ in range(4):
        height, width = (height - 2) // 2, (width - 2) // 2
    return total, height * width * inputs


@each_network
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("feature_activation", ["prelu", "none"])
def test_a_network_has_the_parameters_of_its_paper(
    name: str, batch_norm: bool, feature_activation: str
) -> None:
    shape = (SMALLEST[name] + 9, SMALLEST[name], 3)
    settings = {"batch_norm": batch_norm, "feature_activation": feature_activation, "feature_dim": 5}
    network = narrow(name, shape, **settings)
    trainable = sum(math.prod(variable.shape) for variable in network.trainable_variables)
    assert trainable == parameters(Model(name=name, channels=NARROW[name], **settings), shape)


def test_the_table_of_the_docs_has_the_counts_of_the_derivation() -> None:
    text = (Path(__file__).parent.parent / "docs" / "networks.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\d+)×(\d+)×(\d+) \| (\d+) \| ([\d,]+) \|$", text, flags=re.MULTILINE)
    assert {row[0] for row in rows} == NETWORKS.keys()
    for name, *numbers, count in rows:
        *shape, feature_dim = map(int, numbers)
        found = parameters(Model(name=name, feature_dim=feature_dim), (shape[0], shape[1], shape[2]))
        assert f"{found:,}" == count, name


def test_resnet18_has_the_published_number_of_parameters() -> None:
    """11,173,962 with ten classes on CIFAR: a linear layer from 512 to 10 in place of feature layer and head."""
    model = Model(name="resnet18")
    assert _resnet18(model, (32, 32, 3))[0] + 512 * 10 + 10 == 11_173_962


# ---- Images and features --------------------------------------------------------------------------------------


def test_lenets_plus_plus_pools_28_to_14_to_7_to_3() -> None:
    network = build()
    shapes = [network.get_layer(f"pool{stage}").output.shape[1:] for stage in (1, 2, 3)]
    assert shapes == [(14, 14, 32), (7, 7, 64), (3, 3, 128)]


def test_face_resnet_makes_10240_numbers_of_a_face_by_27_convolutions() -> None:
    network = build((112, 96, 3), name="face_resnet", channels=(2, 2, 2, 2, 512))
    assert network.get_layer("flatten").output.shape == (None, 10_240)
    assert sum(isinstance(layer, keras.layers.Conv2D) for layer in network.layers) == 27


@each_network
@pytest.mark.parametrize(("more", "channels"), [((0, 0), 1), ((1, 22), 3)])
def test_images_of_any_shape_become_features(name: str, more: tuple[int, int], channels: int) -> None:
    shape = (SMALLEST[name] + more[0], SMALLEST[name] + more[1], channels)
    assert narrow(name, shape, feature_dim=5)(some_images(6, shape)).shape == (6, 5)
    refuse(name, shape)


@each_network
@pytest.mark.parametrize("less", [(1, 0), (0, 1)])
def test_images_that_do_not_survive_the_network_are_refused(name: str, less: tuple[int, int]) -> None:
    height, width = SMALLEST[name] - less[0], SMALLEST[name] - less[1]
    smallest = f"{name} .*at least {SMALLEST[name]}×{SMALLEST[name]}"
    with pytest.raises(
        ImageShapeError, match=f"images of Faces are {height}×{width} pixels.*{smallest}"
    ) as caught:
        refuse(name, (height, width, 1))
    assert ("model.name: lenets_plus_plus or resnet18" in str(caught.value)) == (name == "face_resnet")


@pytest.mark.parametrize("key", ["shift", "cutout"])
def test_changes_that_may_leave_nothing_of_an_image_are_refused(key: str) -> None:
    refuse("resnet18", (9, 20, 1), **{key: 8})
    with pytest.raises(ImageShapeError, match=rf"Faces: train.augment.{key} is 9 pixels.* less than 9"):
        refuse("resnet18", (9, 20, 1), **{key: 9})


@each_network
def test_under_bfloat16_the_convolutions_are_low_and_features_are_float32(name: str) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    network = narrow(name)
    assert network(some_images(2, network.input_shape[1:])).dtype == "float32"
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert {layer.compute_dtype for layer in convolutions} == {"bfloat16"}
    assert {variable.dtype for variable in network.variables} == {"float32"}


@each_network
def test_a_network_is_saved_and_loaded_by_keras(name: str, tmp_path: Path) -> None:
    network = narrow(name)
    network.save(tmp_path / "network.keras")
    images = some_images(3, network.input_shape[1:])
    for copy in (keras.saving.load_model(tmp_path / "network.keras"), keras.models.clone_model(network)):
        copy.set_weights(network.get_weights())
        np.testing.assert_array_equal(copy(images), network(images))


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


@each_network
@pytest.mark.parametrize("activation", ["prelu", "relu", "none"])
def test_features_are_the_feature_layer_behind_its_activation(name: str, activation: str) -> None:
    network = narrow(name, feature_activation=activation, feature_dim=8, prelu_start=0.25)
    inner = keras.Model(network.inputs[0], network.get_layer("feature_layer").output)
    images = some_images(50, network.input_shape[1:])
    before, features = np.asarray(inner(images)), network(images)
    assert (before < 0).any()
    below = {"prelu": 0.25 * before, "relu": 0, "none": before}[activation]
    np.testing.assert_allclose(features, np.where(before > 0, before, below), rtol=1e-5, atol=1e-7)


# ---- Weights at the start -------------------------------------------------------------------------------------


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


def test_the_residual_pairs_of_face_resnet_are_nearly_the_identity_at_first() -> None:
    network = build((48, 48, 3), name="face_resnet", channels=(4, 32, 4, 4, 4))
    for index in (1, 2):
        (kernel,) = network.get_layer(f"pair1_1_conv{index}").get_weights()
        assert kernel.std() == pytest.approx(0.01, rel=0.03)
        assert np.abs(kernel).max() > 0.025  # not cut
    before = keras.Model(network.inputs[0], network.get_layer("pool1").output)
    after = keras.Model(network.inputs[0], network.get_layer("pair1_1_add").output)
    images = some_images(2, (48, 48, 3))
    assert np.abs(after(images) - before(images)).max() < 0.1 * np.abs(before(images)).max()


def test_no_two_layers_start_alike() -> None:
    network = build()
    second, first = (network.get_layer(name).get_weights()[0] for name in ("conv2_2", "conv1_2"))
    assert not np.allclose(second[:, :, :32, :32].ravel()[:100], first.ravel()[:100])
