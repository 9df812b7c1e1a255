"""The circle of classes in which neighbours look alike, against trying every circle."""

import itertools

import numpy as np
import pytest

from centerloss_core.networks.class_order import order_by_likeness


def length(means: np.ndarray, order: list[int]) -> float:
    return float(
        sum(np.linalg.norm(means[a] - means[b]) for a, b in zip(order, order[1:] + order[:1], strict=True))
    )


@pytest.mark.parametrize("seed", range(5))
def test_no_other_circle_is_shorter(seed: int) -> None:
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (70, 4, 3)).astype(np.uint8)
    labels = np.concatenate([np.arange(7), generator.integers(0, 7, 63)]).astype(np.uint8)
    means = np.stack([images[labels == label].mean(axis=0).ravel() for label in range(7)])
    order = order_by_likeness(images, labels, 7)
    assert order[0] == 0
    assert sorted(order) == list(range(7))
    shortest = min(length(means, [0, *rest]) for rest in itertools.permutations(range(1, 7)))
    assert length(means, order) == pytest.approx(shortest)


def test_shades_of_grey_come_in_order() -> None:
    """Up one way and down the other: on a line every circle that turns round only once is shortest."""
    shades = np.array([0, 200, 50, 150, 100], np.uint8)
    order = order_by_likeness(np.repeat(shades, 4).reshape(5, 2, 2), np.arange(5, dtype=np.uint8), 5)
    heights = [int(shades[label]) for label in order]
    top = heights.index(200)
    assert heights[: top + 1] == sorted(heights[: top + 1])
    assert heights[top:] == sorted(heights[top:], reverse=True)


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_few_classes(classes: int) -> None:
    images = np.zeros((classes, 2, 2), np.uint8)
    assert sorted(order_by_likeness(images, np.arange(classes, dtype=np.uint8), classes)) == list(
        range(classes)
    )


def test_a_class_without_images_is_in_the_circle_too() -> None:
    images = np.full((3, 2, 2), 9, np.uint8)
    assert sorted(order_by_likeness(images, np.array([0, 2, 3], np.uint8), 5)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("classes", [13, 100])
def test_with_many_classes_the_circle_is_short_and_always_the_same(classes: int) -> None:
    images = np.random.default_rng(classes).integers(0, 256, (classes, 3, 3, 1)).astype(np.uint8)
    labels = np.arange(classes)
    order = order_by_likeness(images, labels, classes)
    assert order[0] == 0
    assert sorted(order) == list(range(classes))
    assert order == order_by_likeness(images, labels, classes)
    means = images.reshape(classes, -1).astype(float)
    nearest, left = [0], set(range(1, classes))
    while left:
        nearest.append(min(left, key=lambda each: float(np.linalg.norm(means[each] - means[nearest[-1]]))))
        left.remove(nearest[-1])
    assert length(means, order) < length(means, nearest)


def test_many_shades_of_grey_come_in_order() -> None:
    """On a line the shortest circle is known: up one way, down the other; its length is twice the range."""
    shades = np.random.default_rng(0).permutation(40).astype(np.uint8) * 6
    images = np.repeat(shades, 4).reshape(40, 2, 2, 1)
    order = order_by_likeness(images, np.arange(40), 40)
    assert length(images.reshape(40, 4).astype(float), order) == pytest.approx(2 * 2 * 39 * 6)


def test_too_many_classes_stay_in_the_order_of_their_labels() -> None:
    images = np.random.default_rng(0).integers(0, 256, (1000, 32, 32, 1)).astype(np.uint8)
    assert order_by_likeness(images, np.arange(1000), 1000) == list(range(1000))
