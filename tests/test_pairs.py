"""Verification of pairs in folds, against a computation that tries every threshold by loops."""

import itertools
import math
import statistics

import numpy as np
import pytest

from centerloss_core.metrics.pairs import Pairs, best_threshold, figures_as_json, verify

RNG = np.random.default_rng(0)


def make_pairs(images: int = 60, per_fold: int = 12, folds: int = 10, d: int = 3) -> tuple[np.ndarray, Pairs]:
    """Images of six classes in clusters that overlap, and pairs of them in folds."""
    labels = np.arange(images) % 6
    features = RNG.normal(size=(6, d))[labels] * 1.5 + RNG.normal(size=(images, d)) + 4
    left, right = RNG.integers(0, images, (2, folds * per_fold))
    return features.astype(np.float32), Pairs(
        left, right, labels[left] == labels[right], np.arange(folds * per_fold) // per_fold
    )


def cosine_distance(x: list[float], y: list[float]) -> float:
    cosine = sum(a * b for a, b in zip(x, y, strict=True)) / math.hypot(*x) / math.hypot(*y)
    return math.sqrt(max(0.0, 2 - 2 * cosine))


def by_loops(
    features: np.ndarray, pairs: Pairs, by: str, *, subtract_mean: bool
) -> tuple[list[float], list[float]]:
    """The accuracy of each fold, and its threshold."""
    measure = {"cosine": cosine_distance, "euclidean": math.dist}[by]
    rows = list(
        zip(*(each.tolist() for each in (pairs.left, pairs.right, pairs.same, pairs.fold)), strict=True)
    )
    accuracies, thresholds = [], []
    for fold in range(10):
        others = [row for row in rows if row[3] != fold]
        mean = [0.0] * features.shape[1]
        if subtract_mean:
            seen = [features[place].tolist() for left, right, _, _ in others for place in (left, right)]
            mean = [statistics.fmean(column) for column in zip(*seen, strict=True)]
        moved = [[x - m for x, m in zip(row, mean, strict=True)] for row in features.tolist()]
        known = [(measure(moved[left], moved[right]), same) for left, right, same, _ in others]
        values = sorted({distance for distance, _ in known})
        candidates = [values[0], *((a + b) / 2 for a, b in itertools.pairwise(values)), values[-1] + 1]
        threshold = max(candidates, key=lambda t: sum((d < t) == same for d, same in known))
        own = [
            (measure(moved[left], moved[right]) < threshold) == same
            for left, right, same, where in rows
            if where == fold
        ]
        accuracies.append(sum(own) / len(own))
        thresholds.append(threshold)
    return accuracies, thresholds


@pytest.mark.parametrize("subtract_mean", [False, True])
@pytest.mark.parametrize("by", ["cosine", "euclidean"])
def test_folds_against_loops(by: str, subtract_mean: bool) -> None:
    features, pairs = make_pairs()
    found = verify(features, pairs, by, subtract_mean=subtract_mean)
    accuracies, thresholds = by_loops(features, pairs, by, subtract_mean=subtract_mean)
    np.testing.assert_allclose(found.accuracies, accuracies)
    np.testing.assert_allclose(found.thresholds, thresholds, rtol=1e-6)
    assert found.accuracy == pytest.approx(statistics.fmean(accuracies))
    assert found.standard_error == pytest.approx(statistics.stdev(accuracies) / math.sqrt(10))


def test_the_mean_of_the_other_folds_changes_angles_and_no_distance() -> None:
    features, pairs = make_pairs()
    plain, moved = (verify(features, pairs, "euclidean", subtract_mean=each) for each in (False, True))
    np.testing.assert_allclose(plain.distances, moved.distances, rtol=1e-6)
    labels = np.arange(60) % 2
    features = np.stack(
        [5.0 + labels, RNG.normal(scale=0.01, size=60)], axis=1
    )  # in one direction from the origin
    pairs = Pairs(pairs.left, pairs.right, labels[pairs.left] == labels[pairs.right], pairs.fold)
    plain, moved = (verify(features, pairs, "cosine", subtract_mean=each) for each in (False, True))
    assert plain.accuracy < 0.8
    assert moved.accuracy == 1


def test_the_threshold_of_a_fold_has_not_seen_it() -> None:
    """Labels of one fold that are turned round change what it reaches, and not its threshold."""
    features, pairs = make_pairs()
    turned = Pairs(pairs.left, pairs.right, pairs.same ^ (pairs.fold == 4), pairs.fold)
    plain, other = (verify(features, each, "euclidean") for each in (pairs, turned))
    assert other.thresholds[4] == plain.thresholds[4]
    assert other.accuracies[4] == pytest.approx(1 - plain.accuracies[4])


@pytest.mark.parametrize(
    ("distances", "same", "threshold"),
    [
        ([1, 2, 3, 4], [True, True, False, False], 2.5),
        ([1, 2, 3, 4], [False, False, True, True], 1.0),  # none is accepted: two are right, as with all
        ([1, 2, 2, 2], [True, True, False, True], np.nextafter(2.0, 3)),  # equal distances go together
        ([2, 2], [False, False], 2.0),
        ([1, np.nextafter(1.0, 2)], [True, False], np.nextafter(1.0, 2)),  # nothing lies between
        ([1, 3, 5, 7], [True, False, True, False], 2.0),  # three are right with 2 and with 6
    ],
)
def test_the_best_threshold(distances: list[float], same: list[bool], threshold: float) -> None:
    assert best_threshold(np.array(distances, np.float64), np.array(same)) == threshold


def test_clusters_that_keep_apart_are_verified_without_an_error() -> None:
    _, pairs = make_pairs()
    labels = np.arange(60) % 6
    found = verify(np.eye(6)[labels], pairs, "cosine")
    assert (found.accuracy, found.standard_error, found.figures["auc"]) == (1.0, 0.0, 1.0)
    assert (found.decided == pairs.same).all()
    kept = figures_as_json(found, "cosine")
    assert kept["cosines"] == pytest.approx([0.75] * 10)  # midway between distances 0 and √2
