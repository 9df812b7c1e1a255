"""Figures by the angle at the origin, against loops and scikit-learn; and losses without logits or class points."""

import itertools
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from test_measures import DIMENSIONS, dump_of, make_dump, points

from centerloss_core.metrics.evaluate import evaluate_split
from centerloss_core.metrics.neighbors import mean_direction_accuracy
from centerloss_core.metrics.sample import balanced_sample
from centerloss_core.metrics.separation import separation
from centerloss_core.metrics.verification import verification
from centerloss_core.run_directory.feature_dumps import FeatureDump

Rows = list[tuple[list[float], int]]


def cosine(x: list[float], y: list[float]) -> float:
    """−2, below all others, where there is none."""
    lengths = math.hypot(*x) * math.hypot(*y)
    return math.fsum(a * b for a, b in zip(x, y, strict=True)) / lengths if lengths else -2.0


def mean_directions_of(rows: Rows) -> dict[int, list[float]]:
    found = {}
    for label in sorted({y for _, y in rows}):
        units = [[each / math.hypot(*x) for each in x] for x, y in rows if y == label and any(x)]
        found[label] = [math.fsum(each) / len(units) for each in zip(*units, strict=True)] if units else [0.0]
    return found


def is_right(x: list[float], label: int, targets: dict[int, list[float]]) -> bool:
    known = {name: target for name, target in targets.items() if any(target)}
    return any(x) and bool(known) and label == max(known, key=lambda name: cosine(x, known[name]))


@pytest.mark.parametrize("d", DIMENSIONS)
def test_nearest_center_and_mean_against_loops(d: int) -> None:
    dump = make_dump(d=d, spread=0.5)
    rows, measured = points(dump), separation(dump)
    centers = {label: [float(each) for each in center] for label, center in enumerate(dump.centers)}
    right = [is_right(x, y, centers) for x, y in rows]
    assert measured.nearest_center_accuracy_cosine == np.mean(right)
    right = [is_right(x, y, mean_directions_of(rows)) for x, y in rows]
    assert measured.nearest_mean_accuracy_cosine == np.mean(right)
    if d < 64:
        assert measured.nearest_center_accuracy_cosine != measured.nearest_center_accuracy


def test_nearest_center_against_scikit_learn() -> None:
    dump = make_dump(n=3000, d=3, k=10, spread=1)
    model = KNeighborsClassifier(n_neighbors=1, metric="cosine").fit(dump.centers, np.arange(10))
    expected = model.score(dump.features, dump.labels)
    assert separation(dump).nearest_center_accuracy_cosine == expected < 0.95


@pytest.mark.parametrize("d", DIMENSIONS)
def test_nearest_mean_of_the_training_features_against_loops(d: int) -> None:
    train, test = make_dump(d=d, seed=1, n=60, spread=0.5), make_dump(d=d, seed=2, n=80, spread=0.5)
    rows = points(train)
    right = [is_right(x, y, mean_directions_of(rows)) for x, y in points(test)]
    assert mean_direction_accuracy(train, test) == np.mean(right)
    right = []
    for index, (x, y) in enumerate(rows):  # each training image by all others
        right.append(is_right(x, y, mean_directions_of(rows[:index] + rows[index + 1 :])))
    assert mean_direction_accuracy(train, None) == np.mean(right)


def test_images_without_a_direction_are_counted_and_are_wrong_by_the_angle() -> None:
    """Twenty images of two classes on two axes, four of them at the origin."""
    x = np.repeat([[3.0, 0.0], [0.0, 2.0]], 10, axis=0)
    x[[0, 1, 10, 11]] = 0
    dump = replace(dump_of(x, np.repeat([0, 1], 10)), centers=np.eye(2, dtype=np.float32))
    measured = evaluate_split(dump, None).figures
    assert measured["zero_length_images"] == 4
    for by in ("center", "mean", "train_mean"):
        assert measured[f"nearest_{by}_accuracy_cosine"] == 16 / 20, by
    assert measured["nearest_center_accuracy"] == 18 / 20  # of equally near ones the lowest class
    # They are in no pair of directions: what is left is two points.
    assert measured["alignment"] == pytest.approx(0)
    apart = 64 / (16 * 15 / 2)
    assert measured["uniformity"] == pytest.approx(math.log(1 - apart + apart * math.exp(-4)))
    assert evaluate_split(dump_of(np.zeros((4, 2)), [0, 1, 0, 1]), None).figures["zero_length_images"] == 4


def test_directions_that_cancel_one_another_are_no_mean() -> None:
    """Without the third image, class 0 points both ways along a slanted line: what rounding leaves is no direction."""
    x = [[0.1, 0.3], [-0.1, -0.3], [0.7, 0.1], [5.0, 1.0]]
    dump = dump_of(x, [0, 0, 0, 1])
    rows = points(dump)
    right = []
    for index, (each, label) in enumerate(rows):
        means = mean_directions_of(rows[:index] + rows[index + 1 :])
        if index == 2:
            means[0] = [0.0]
        right.append(is_right(each, label, means))
    assert mean_direction_accuracy(dump, None) == np.mean(right)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_alignment_and_uniformity_against_all_pairs(d: int) -> None:
    dump = make_dump(n=50, d=d, spread=1)
    together, everyone = [], []
    for (x, y), (z, label) in itertools.combinations(points(dump), 2):
        squared = math.fsum((a / math.hypot(*x) - b / math.hypot(*z)) ** 2 for a, b in zip(x, z, strict=True))
        everyone.append(math.exp(-2 * squared))
        if y == label:
            together.append(squared)
    measured = evaluate_split(dump, None).figures
    assert measured["alignment"] == pytest.approx(np.mean(together), rel=1e-12)
    assert measured["uniformity"] == pytest.approx(math.log(np.mean(everyone)), rel=1e-12)


def test_alignment_and_uniformity_of_a_fixed_sample() -> None:
    dump = make_dump(n=400, k=4)
    chosen = balanced_sample(dump.labels, 40)
    whole = verification(dump.features[chosen], dump.labels[chosen])
    sample = verification(dump.features, dump.labels, images=40)
    assert [sample[name] for name in ("alignment", "uniformity")] == [whole["alignment"], whole["uniformity"]]


def test_a_full_circle_is_as_uniform_as_the_plane_allows() -> None:
    """The mean of exp(−2 (2 − 2 cos)) over the circle is e⁻⁴ I₀(4)."""
    angles = np.arange(1000) * 2 * np.pi / 1000
    measured = verification(np.stack([np.cos(angles), np.sin(angles)], 1), np.arange(1000) // 100)
    assert measured["uniformity"] == pytest.approx(math.log(math.exp(-4) * np.i0(4)), abs=0.01)
    assert 0 < float(measured["alignment"] or 0) < 0.1


# ---- Without logits, without class points ---------------------------------------------------------------------------


def without(dump: FeatureDump, *names: str) -> FeatureDump:
    return replace(dump, **dict.fromkeys(names))


@pytest.mark.parametrize(
    "missing", [("predictions",), ("centers", "centers_kind"), ("predictions", "centers", "centers_kind")]
)
def test_what_a_loss_does_not_have_is_none_and_the_rest_is_as_before(missing: tuple[str, ...]) -> None:
    test, train = make_dump(n=80, seed=1), make_dump(seed=2)
    expected: dict[str, Any] = evaluate_split(test, train).as_dict()
    measured: dict[str, Any] = evaluate_split(without(test, *missing), without(train, *missing)).as_dict()
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured
    gone = {"accuracy"} if "predictions" in missing else set()
    if "centers" in missing:
        gone |= {"nearest_center_accuracy", "nearest_center_accuracy_cosine", "centers_kind"}
    for name, value in measured.items():
        if name in ("per_class", "confusion"):
            continue
        assert value == (None if name in gone else expected[name]), name
    for row, whole in zip(measured["per_class"], expected["per_class"], strict=True):
        assert row == whole | dict.fromkeys(gone - {"centers_kind"})
    left = {"softmax", "nearest_center"} - ({"softmax"} if "accuracy" in gone else set())
    left -= {"nearest_center"} if "centers" in missing else set()
    assert measured["confusion"].keys() == (left or {"nearest_mean"})


def test_the_distance_to_a_weight_means_nothing() -> None:
    dump = replace(make_dump(), centers_kind="weight")
    measured = evaluate_split(dump, None)
    assert measured.centers_kind == "weight"
    assert measured.figures["nearest_center_accuracy"] is None
    expected = evaluate_split(make_dump(), None).figures["nearest_center_accuracy_cosine"]
    assert measured.figures["nearest_center_accuracy_cosine"] == expected
    assert measured.confusion.keys() == {"softmax"}
