"""Images changed at random in the compiled step, held against NumPy; and that nothing but (seed, step) decides it."""

import itertools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from comparing import config, outcome, stopped_run
from numpy.typing import NDArray
from test_train_step import IMAGES, batch, make_step, random_split, scalars, state_of

from centerloss_core.config.train import Augment
from centerloss_core.training import resume, train
from centerloss_core.training.augmentation import augmented
from centerloss_core.training.evaluation import extract
from centerloss_core.training.schedules import augment_words

SHAPE = (9, 12)
ALL = {"shift": 2, "mirror": True, "rotate": 20, "cutout": 4}


def some_images(count: int, channels: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(1, 256, (count, *SHAPE, channels)).astype(np.uint8)


def changed(images: NDArray[np.uint8], seed: int = 0, step: int = 0, **settings: Any) -> NDArray[np.uint8]:
    words = augment_words(seed, step)
    low_and_high = words["augment_high"], words["augment_low"]
    return np.asarray(augmented(keras.ops.convert_to_tensor(images), Augment(**settings), low_and_high))


# ---- The same in NumPy ----------------------------------------------------------------------------------------


def mixed(x: NDArray[np.uint32]) -> NDArray[np.uint32]:
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def draws(count: int, seed: int, step: int) -> NDArray[np.float64]:
    high, low = (np.array([word], np.uint32) for word in augment_words(seed, step).values())
    key = mixed(mixed(high) ^ low)
    bits = mixed(np.arange(6 * count, dtype=np.uint32) * np.uint32(0x9E3779B9) + key)
    return ((bits >> np.uint32(9)) * 2.0**-23).reshape(6, count)


def pixel(image: NDArray[np.uint8], y: float, x: float) -> NDArray[np.float64]:
    """Between four pixels; those outside are 0."""
    found = np.zeros(image.shape[-1])
    for row, column in itertools.product(
        (int(np.floor(y)), int(np.floor(y)) + 1), (int(np.floor(x)), int(np.floor(x)) + 1)
    ):
        if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
            found += (1 - abs(y - row)) * (1 - abs(x - column)) * image[row, column]
    return found


def by_hand(images: NDArray[np.uint8], seed: int, step: int, augment: Augment) -> NDArray[np.float64]:
    """Each image mirrored, turned, shifted and cut, one after the other."""
    result = np.zeros(images.shape)
    for image, place, (mirror, down, right, turn, row, column) in zip(
        images, result, draws(len(images), seed, step).T, strict=True
    ):
        height, width = image.shape[:2]
        if augment.mirror and mirror < 0.5:
            image = image[:, ::-1]  # noqa: PLW2901
        angle = np.deg2rad(augment.rotate) * (2 * turn - 1)
        dy, dx = (int(draw * (2 * augment.shift + 1)) - augment.shift for draw in (down, right))
        top, left = (
            int(draw * size) - augment.cutout // 2 for draw, size in ((row, height), (column, width))
        )
        for i, j in np.ndindex(height, width):
            if augment.cutout and top <= i < top + augment.cutout and left <= j < left + augment.cutout:
                continue
            y, x = i - dy - (height - 1) / 2, j - dx - (width - 1) / 2
            y, x = np.cos(angle) * y - np.sin(angle) * x, np.sin(angle) * y + np.cos(angle) * x
            place[i, j] = pixel(image, y + (height - 1) / 2, x + (width - 1) / 2)
    return result


@pytest.mark.parametrize("settings", [{key: value} for key, value in ALL.items()] + [ALL], ids=str)
def test_images_are_changed_as_the_words_say(settings: dict[str, Any]) -> None:
    images = some_images(12, channels=2)
    for seed, step in ((0, 0), (7, 31)):
        found = changed(images, seed, step, **settings)
        assert (found.shape, found.dtype) == (images.shape, np.uint8)
        expected = by_hand(images, seed, step, Augment(**settings))
        # Between pixels float32 may round to the neighbour.
        np.testing.assert_allclose(found, expected, atol=0.51 if "rotate" in settings else 0)


def test_seed_and_step_decide_and_nothing_else() -> None:
    images = some_images(20)
    found = changed(images, 3, 5, **ALL)
    assert (found == changed(images, 3, 5, **ALL)).all()
    assert (found[:10] != changed(images, 3, 6, **ALL)[:10]).any()
    assert (found[:10] != changed(images, 4, 5, **ALL)[:10]).any()
    words = {tuple(augment_words(seed, step).values()) for seed in (0, 1, 2**32 - 1) for step in range(300)}
    assert len(words) == 900
    assert all(np.float32(word) == word for pair in words for word in pair)


def test_all_changes_come_as_often_as_they_should() -> None:
    count = 4000
    edge = np.zeros((count, *SHAPE, 1), np.uint8)
    edge[:, 4, 5] = 200
    places = np.argwhere(changed(edge, shift=2))[:, 1:3] - [4, 5]
    _, times = np.unique(places, axis=0, return_counts=True)
    assert (len(times), set(map(tuple, places.tolist()))) == (
        25,
        set(itertools.product(range(-2, 3), repeat=2)),
    )
    assert 110 < times.min() < times.max() < 220  # 160 each
    assert 0.47 < (changed(edge, mirror=True)[:, 4, 6] == 200).mean() < 0.53
    assert changed(edge, cutout=3)[:, 4, 5].mean() == pytest.approx(200 * (1 - 9 / 108), rel=0.02)


def test_augmentation_that_is_off_changes_no_bit_of_the_step() -> None:
    states = []
    for augment in (None, Augment()):
        step = make_step(random_split(), augment=augment)
        step(batch(0), scalars())
        states.append(state_of(step))
    assert states[0] == states[1]


def test_the_step_learns_from_changed_images_and_evaluation_sees_them_as_they_are() -> None:
    split, words = random_split(), augment_words(0, 4)
    step, own = make_step(split, augment=ALL), make_step(None)
    step(batch(4), scalars(**words))
    images = augmented(
        keras.ops.convert_to_tensor(split.images[batch(4)]), Augment(**ALL), tuple(words.values())
    )
    own((np.asarray(images), split.labels[batch(4)].astype(np.int32)), scalars())
    for found, expected in zip(step.network.weights, own.network.weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=found.path)
    features, _ = step.network(split.images, training=False)
    np.testing.assert_allclose(
        extract(step.network, step.points, split, 0).features, features, rtol=1e-4, atol=1e-5
    )
    assert len(features) == IMAGES


AUGMENT = "train.augment={shift: 1, mirror: true, rotate: 15, cutout: 2}"


@pytest.mark.usefixtures("kept_programs")
def test_a_run_that_is_stopped_and_resumed_ends_in_the_same_bits(
    tmp_path: Path, straight: dict[str, Any]
) -> None:
    train(config(AUGMENT), tmp_path / "straight")
    stopped_run(tmp_path / "stopped", 13, AUGMENT)
    resume(tmp_path / "stopped")
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "straight") != straight
