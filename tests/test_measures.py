"""What `cl evaluate` measures, each figure against loops that know only its definition; and the command itself."""

import csv
import itertools
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from shell import BY_A_SHELL
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from typer.testing import CliRunner

from centerloss_core.errors import ExpectedError
from centerloss_core.metrics.clusters import davies_bouldin, silhouette
from centerloss_core.metrics.directory import EvaluationError, Step, evaluate_directory
from centerloss_core.metrics.evaluate import STEPS, evaluate_split
from centerloss_core.metrics.neighbors import mean_accuracy, neighbor_accuracy
from centerloss_core.metrics.per_class import confusion, per_class
from centerloss_core.metrics.recognition import ACCURACIES, decisions
from centerloss_core.metrics.sample import balanced_sample
from centerloss_core.metrics.verification import pair_figures, verification
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.feature_dumps import FeatureDump, FeatureFileError, write_features
from centerloss_core.run_directory.lock import DirectoryLock, InUseError
from centerloss_core.run_directory.manifest import read_json
from centerloss_core.run_directory.reader import read_run
from centerloss_core.run_directory.thresholds import parse_thresholds
from cli.app import app

ROOT = Path(__file__).parent.parent
DIMENSIONS = [1, 2, 64]


def make_dump(n: int = 120, d: int = 2, k: int = 4, seed: int = 0, spread: float = 2.0) -> FeatureDump:
    """Overlapping clusters, so that every figure is somewhere in the middle of its range."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    labels[:k] = np.arange(k)
    middles = np.random.default_rng(99).normal(scale=spread, size=(k, d)) + 1
    return FeatureDump(
        features=(middles[labels] + rng.normal(size=(n, d))).astype(np.float32),
        labels=labels,
        predictions=np.where(rng.random(n) < 0.9, labels, rng.integers(0, k, n)),
        centers=(middles + rng.normal(scale=0.3, size=(k, d))).astype(np.float32),
    )


def dump_of(features: Any, labels: Any, k: int | None = None) -> FeatureDump:
    """A dump of nothing but features and labels; everything predicted as it is, centers at the origin."""
    x, y = np.array(features, np.float32), np.array(labels, np.int64)
    classes = int(y.max()) + 1 if k is None else k
    return FeatureDump(x, y, y.copy(), np.zeros((classes, x.shape[1]), np.float32))


def points(dump: FeatureDump) -> list[tuple[list[float], int]]:
    """What the loops work on: lists of numbers."""
    return [
        ([float(number) for number in x], int(label))
        for x, label in zip(dump.features, dump.labels, strict=True)
    ]


def average(vectors: list[list[float]]) -> list[float]:
    return [math.fsum(numbers) / len(vectors) for numbers in zip(*vectors, strict=True)]


def means_of(rows: list[tuple[list[float], int]]) -> dict[int, list[float]]:
    return {label: average([x for x, y in rows if y == label]) for label in sorted({y for _, y in rows})}


# ---- Which images -------------------------------------------------------------------------------------------


def test_sample_has_as_many_of_each_class() -> None:
    labels = np.random.default_rng(0).integers(0, 10, 5000)
    chosen = balanced_sample(labels, 2000)
    assert len(set(chosen)) == 2000
    assert (np.diff(chosen) > 0).all()
    assert set(Counter(labels[chosen].tolist()).values()) == {200}


def test_others_make_up_for_a_small_class() -> None:
    labels = np.array([0] * 3 + [1] * 50 + [2] * 500)
    counts = Counter(labels[balanced_sample(labels, 100)].tolist())
    assert counts[0] == 3
    assert counts[1] + counts[2] == 97
    assert abs(counts[1] - counts[2]) == 1
    assert Counter(labels[balanced_sample(labels, 200)].tolist()) == {0: 3, 1: 50, 2: 147}


@pytest.mark.parametrize("size", [7, 8, 100])
def test_all_images_where_they_are_few(size: int) -> None:
    assert balanced_sample(np.array([3, 3, 1, 0, 2, 1, 1]), size).tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_sample_is_fixed_and_not_the_first_images() -> None:
    labels = np.arange(1000, dtype=np.uint8) % 10
    first, second = balanced_sample(labels, 100), balanced_sample(labels.astype(np.int64), 100)
    assert first.tolist() == second.tolist()
    assert 300 < first.mean() < 700


# ---- Nearest neighbors and means ----------------------------------------------------------------------------


def neighbors_by_loops(
    train: list[tuple[list[float], int]], test: list[tuple[list[float], int]] | None, k: int
) -> float:
    right = 0
    for index, (x, y) in enumerate(train if test is None else test):
        voters = [each for other, each in enumerate(train) if test is not None or other != index]
        votes = Counter(label for _, label in sorted(voters, key=lambda each: math.dist(x, each[0]))[:k])
        right += y == min(label for label, count in votes.items() if count == max(votes.values()))
    return right / len(train if test is None else test)


@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("k", [1, 4])
def test_neighbors_against_loops(d: int, k: int) -> None:
    train, test = make_dump(d=d, seed=1, spread=0.3), make_dump(d=d, seed=2, n=80, spread=0.3)
    assert neighbor_accuracy(train, test, k) == (neighbors_by_loops(points(train), points(test), k), k)
    assert neighbor_accuracy(train, None, k) == (neighbors_by_loops(points(train), None, k), k)


def test_neighbors_against_scikit_learns_classifier() -> None:
    train, test = make_dump(n=3000, seed=1, k=10), make_dump(n=1000, seed=2, k=10)
    model = KNeighborsClassifier(n_neighbors=5).fit(train.features, train.labels)
    assert neighbor_accuracy(train, test)[0] == model.score(test.features, test.labels)


def test_fewer_images_than_neighbors() -> None:
    train = dump_of([[0], [1], [2]], [0, 0, 1])
    assert neighbor_accuracy(train, dump_of([[9], [0]], [0, 1])) == (0.5, 3)  # all three vote: 0 wins
    # Images 0 and 1 see a draw of the two classes, which the lower wins; image 2 sees the other class alone.
    assert neighbor_accuracy(train, None) == (pytest.approx(2 / 3), 2)
    assert neighbor_accuracy(dump_of([[1]], [0]), None) == (None, 0)


def test_equal_votes_go_to_the_lowest_class() -> None:
    train = dump_of([[0], [1]], [1, 0])
    assert neighbor_accuracy(train, dump_of([[-1]], [0], k=2), 2) == (1, 2)


def test_an_image_has_no_vote_on_itself_even_among_duplicates() -> None:
    """Pairs at one place with two labels: whoever counts itself is right, whoever does not is wrong."""
    places = np.repeat(np.arange(20.0), 2)[:, None]
    assert neighbor_accuracy(dump_of(places, np.arange(40) % 2), None, 1) == (0, 1)
    assert neighbor_accuracy(dump_of(places, np.repeat(np.arange(20) % 2, 2)), None, 1) == (1, 1)


def test_neighbors_far_from_the_origin_in_many_dimensions() -> None:
    """Squares of 10⁶ leave an expanded distance too few digits for differences of 1."""
    near = np.round(make_dump(d=128, spread=0.3).features * 4) / 4
    labels = make_dump().labels
    assert neighbor_accuracy(dump_of(near + 2**20, labels), None) == neighbor_accuracy(
        dump_of(near, labels), None
    )


@pytest.mark.parametrize("d", DIMENSIONS)
def test_nearest_means_against_loops(d: int) -> None:
    train, test = make_dump(d=d, seed=1, spread=0.5), make_dump(d=d, seed=2, n=80, spread=0.5)
    means = means_of(points(train))
    right = [y == min(means, key=lambda c: math.dist(x, means[c])) for x, y in points(test)]
    assert mean_accuracy(train, test) == np.mean(right)
    model = NearestCentroid().fit(train.features.astype(np.float64), train.labels)
    assert mean_accuracy(train, test) == np.mean(model.predict(test.features) == test.labels)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_nearest_means_without_the_image_itself(d: int) -> None:
    rows = points(make_dump(n=40, d=d, spread=0.3))
    right = []
    for index, (x, y) in enumerate(rows):
        means = means_of(rows[:index] + rows[index + 1 :])
        right.append(y == min(means, key=lambda c: math.dist(x, means[c])))
    assert mean_accuracy(dump_of(*zip(*rows, strict=True)), None) == np.mean(right)


def test_the_only_image_of_its_class_is_lost_without_itself() -> None:
    assert mean_accuracy(dump_of([[0], [1], [9]], [0, 0, 1]), None) == pytest.approx(2 / 3)
    assert mean_accuracy(dump_of([[0], [9]], [0, 1]), None) == 0
    assert mean_accuracy(dump_of([[0]], [0]), None) is None


def test_a_class_that_training_has_not_seen_is_lost() -> None:
    train, test = dump_of([[0], [1], [5]], [0, 0, 2]), dump_of([[0], [3], [5]], [0, 1, 2])
    assert mean_accuracy(train, test) == pytest.approx(2 / 3)
    assert neighbor_accuracy(train, test, 1)[0] == pytest.approx(2 / 3)


def test_test_images_are_judged_by_training_images_and_these_by_each_other() -> None:
    train, test = make_dump(seed=1, spread=0.5), make_dump(seed=2, n=80, spread=0.5)
    for figures, asked in (
        (evaluate_split(test, train).figures, test),
        (evaluate_split(train, None).figures, None),
    ):
        assert figures["nearest_train_mean_accuracy"] == mean_accuracy(train, asked)
        assert (figures["knn_accuracy"], figures["knn_neighbors"]) == neighbor_accuracy(train, asked)
    others = evaluate_split(test, None).figures
    assert others["knn_accuracy"] != neighbor_accuracy(train, test)[0]
    assert others["nearest_train_mean_accuracy"] != mean_accuracy(train, test)


# ---- Clusters -----------------------------------------------------------------------------------------------


def silhouette_by_loops(rows: list[tuple[list[float], int]]) -> float:
    scores = []
    for index, (x, y) in enumerate(rows):
        distances: dict[int, list[float]] = {}
        for other, (z, label) in enumerate(rows):
            if other != index:
                distances.setdefault(label, []).append(math.dist(x, z))
        if y not in distances:
            scores.append(0.0)
            continue
        a = sum(distances[y]) / len(distances[y])
        b = min(sum(each) / len(each) for label, each in distances.items() if label != y)
        scores.append((b - a) / max(a, b))
    return sum(scores) / len(scores)


def davies_bouldin_by_loops(rows: list[tuple[list[float], int]]) -> float:
    means = means_of(rows)
    radius = {c: np.mean([math.dist(x, mean) for x, y in rows if y == c]) for c, mean in means.items()}
    worst = [
        max((radius[i] + radius[j]) / math.dist(means[i], means[j]) for j in means if j != i) for i in means
    ]
    return float(np.mean(worst))


@pytest.mark.parametrize("d", DIMENSIONS)
def test_silhouette_against_loops(d: int) -> None:
    dump = make_dump(n=60, d=d)
    measured, images = silhouette(dump.features.astype(np.float64), dump.labels)
    assert measured == pytest.approx(silhouette_by_loops(points(dump)), rel=1e-7)
    assert images == 60


@pytest.mark.parametrize("d", DIMENSIONS)
def test_davies_bouldin_against_loops(d: int) -> None:
    dump = make_dump(n=60, d=d)
    measured = davies_bouldin(dump.features.astype(np.float64), dump.labels)
    assert measured == pytest.approx(davies_bouldin_by_loops(points(dump)), rel=1e-7)


def test_clusters_by_hand() -> None:
    """Two classes 10 apart, two images 1 apart in each."""
    x, y = np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([0, 0, 1, 1])
    assert davies_bouldin(x, y) == pytest.approx((0.5 + 0.5) / 10)
    assert silhouette(x, y)[0] == pytest.approx(((10.5 - 1) / 10.5 + (9.5 - 1) / 9.5) / 2)


def test_the_only_image_of_its_class_counts_as_nothing_in_the_silhouette() -> None:
    rows = [*points(make_dump(n=30)), ([50.0, 50.0], 9)]
    x, y = (np.array(each) for each in zip(*rows, strict=True))
    assert silhouette(x, y)[0] == pytest.approx(silhouette_by_loops(rows), rel=1e-7)


def test_silhouette_of_a_sample() -> None:
    dump = make_dump(n=500)
    x = dump.features.astype(np.float64)
    chosen = balanced_sample(dump.labels, 60)
    expected = silhouette_by_loops([row for i, row in enumerate(points(dump)) if i in set(chosen.tolist())])
    measured, images = silhouette(x, dump.labels, images=60)
    assert measured == pytest.approx(expected, rel=1e-7)
    assert images == 60


@pytest.mark.parametrize("move", [0.0, 2.0**40])
@pytest.mark.parametrize("factor", [2.0**-60, 2.0**60])
def test_clusters_do_not_depend_on_scikit_learns_tolerances(factor: float, move: float) -> None:
    dump = make_dump()
    x = np.round(dump.features.astype(np.float64) * 64) / 64
    assert silhouette((x + move) * factor, dump.labels)[0] == pytest.approx(
        silhouette(x, dump.labels)[0], rel=1e-9
    )
    assert davies_bouldin((x + move) * factor, dump.labels) == pytest.approx(
        davies_bouldin(x, dump.labels), rel=1e-9
    )


def test_class_means_that_coincide_are_infinitely_bad() -> None:
    """A ring around a point, and a third class far off: scikit-learn would skip the pair and find all well."""
    x = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1], [0.5, 0], [-0.5, 0], [90, 0], [91, 0]])
    assert davies_bouldin(x, np.array([0, 0, 0, 0, 1, 1, 2, 2])) is None
    # … and as clear a case, one that scikit-learn calls 0, the best there is.
    assert davies_bouldin(x[:6], np.array([0, 0, 0, 0, 1, 1])) is None


def test_points_without_width_are_the_best_clusters() -> None:
    x, y = np.array([[0.1, 0.3], [0.1, 0.3], [4, 5], [4, 5]]), np.array([0, 0, 1, 1])
    assert davies_bouldin(x, y) == 0
    assert silhouette(x, y)[0] == pytest.approx(1, abs=1e-6)


# ---- Verification -------------------------------------------------------------------------------------------


class PairFigures(NamedTuple):
    auc: float | None
    eer: float | None
    tar_at_far_1e2: float | None
    tar_at_far_1e3: float | None

    @classmethod
    def of(cls, distance: str, figures: dict[str, Any]) -> "PairFigures":
        return cls(*(figures[f"{distance}_{name}"] for name in cls._fields))


class Verification(NamedTuple):
    images: int
    same_pairs: int
    different_pairs: int
    cosine: PairFigures
    euclidean: PairFigures


def cosine_distance(x: list[float], y: list[float]) -> float:
    lengths = math.hypot(*x) * math.hypot(*y)
    return 1 - math.fsum(a * b for a, b in zip(x, y, strict=True)) / lengths if lengths else 1.0


def pairs_by_loops(
    rows: list[tuple[list[float], int]], distance: Callable[[list[float], list[float]], float]
) -> tuple[list[float], list[float]]:
    same, others = [], []
    for index, (x, y) in enumerate(rows):
        for z, label in rows[:index]:
            (same if label == y else others).append(distance(x, z))
    return same, others


def figures_by_counting(same: list[float], others: list[float]) -> PairFigures:
    """Try every threshold there is, and count."""
    wins = sum((a < b) + (a == b) / 2 for a in same for b in others)
    curve = [(0.0, 0.0)]
    for threshold in sorted({*same, *others}):
        far = sum(each <= threshold for each in others) / len(others)
        tar = sum(each <= threshold for each in same) / len(same)
        curve.append((far, tar))
    # The corner of the curve's polygon that the line TAR = 1 − FAR cuts: a walk in small steps along each edge.
    crossing = math.nan
    for (far, tar), (next_far, next_tar) in itertools.pairwise(curve):
        if far + tar < 1 <= next_far + next_tar:
            low, high = 0.0, 1.0
            for _ in range(60):
                share = (low + high) / 2
                total = far + tar + share * (next_far - far + next_tar - tar)
                low, high = (share, high) if total < 1 else (low, share)
            crossing = far + low * (next_far - far)
    return PairFigures(
        auc=wins / len(same) / len(others),
        eer=crossing,
        tar_at_far_1e2=max(tar for far, tar in curve if far <= 1e-2) if len(others) >= 100 else None,
        tar_at_far_1e3=max(tar for far, tar in curve if far <= 1e-3) if len(others) >= 1000 else None,
    )


def verified(dump: FeatureDump, **settings: int) -> Verification:
    figures: dict[str, Any] = verification(dump.features.astype(np.float64), dump.labels, **settings)
    counts = [figures[f"verification_{name}"] for name in ("images", "same_pairs", "different_pairs")]
    return Verification(*counts, *(PairFigures.of(distance, figures) for distance in ("cosine", "euclidean")))


def agree(measured: PairFigures, expected: PairFigures) -> None:
    for name in ("auc", "eer", "tar_at_far_1e2", "tar_at_far_1e3"):
        value = getattr(expected, name)
        assert getattr(measured, name) == (None if value is None else pytest.approx(value, abs=1e-12)), name


@pytest.mark.parametrize(("d", "n"), [(2, 60), (3, 12), (64, 12)])
def test_verification_against_counting(d: int, n: int) -> None:
    dump = make_dump(n=n, d=d, spread=0.5)
    measured = verified(dump)
    same, others = pairs_by_loops(points(dump), math.dist)
    assert (measured.images, measured.same_pairs, measured.different_pairs) == (n, len(same), len(others))
    assert len(same) + len(others) == n * (n - 1) // 2
    agree(measured.euclidean, figures_by_counting(same, others))
    agree(measured.cosine, figures_by_counting(*pairs_by_loops(points(dump), cosine_distance)))
    assert (measured.euclidean.tar_at_far_1e3 is None) == (n == 12)


def test_verification_with_many_equal_distances() -> None:
    """On a grid, and on a line, where the cosine is 1 or −1: thresholds that accept many pairs at once."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 50)
    for x in (
        rng.integers(0, 3, (50, 2)) + labels[:, None] + 1,
        rng.integers(-3, 3, (50, 1)) + labels[:, None],
    ):
        dump = dump_of(x, labels)
        measured = verified(dump)
        agree(measured.euclidean, figures_by_counting(*pairs_by_loops(points(dump), math.dist)))
        # Rounded, so that equal angles are equal in the loops too.
        rounded = pairs_by_loops(points(dump), lambda a, b: round(cosine_distance(a, b), 12))
        assert measured.cosine.auc == pytest.approx(figures_by_counting(*rounded).auc, abs=2e-3)
        if x.shape[1] == 1:
            agree(measured.cosine, figures_by_counting(*rounded))


def test_verification_against_scikit_learns_auc() -> None:
    dump = make_dump(n=300, spread=1)
    x = dump.features.astype(np.float64)
    first, second = np.triu_indices(300, 1)
    same = dump.labels[first] == dump.labels[second]
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    measured = verified(dump)
    assert measured.cosine.auc == pytest.approx(roc_auc_score(same, (unit @ unit.T)[first, second]), abs=1e-9)
    nearness = -np.linalg.norm(x[first] - x[second], axis=1)
    assert measured.euclidean.auc == pytest.approx(roc_auc_score(same, nearness), abs=1e-12)


def test_clusters_that_keep_apart_are_verified_without_error() -> None:
    angles = np.repeat(np.arange(10) * 2 * np.pi / 10, 20)
    x = 100 * np.stack([np.cos(angles), np.sin(angles)], 1) + np.random.default_rng(0).normal(size=(200, 2))
    measured = verified(dump_of(x, np.repeat(np.arange(10), 20)))
    assert measured.cosine == measured.euclidean == PairFigures(1, 0, 1, 1)


def test_rays_are_verified_by_angle_and_not_by_distance() -> None:
    """What softmax alone makes of the plane, and why the paper compares angles."""
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 10
    angles = labels * 2 * np.pi / 10 + rng.normal(scale=0.02, size=300)
    x = rng.uniform(1, 100, 300)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    measured = verified(dump_of(x, labels))
    assert measured.cosine.eer == 0
    assert measured.euclidean.eer is not None
    assert measured.euclidean.eer > 0.1


def test_labels_that_mean_nothing_are_verified_by_chance() -> None:
    rng = np.random.default_rng(0)
    measured = verified(dump_of(rng.normal(size=(1000, 2)), rng.integers(0, 10, 1000)))
    for figures in (measured.cosine, measured.euclidean):
        assert figures.auc == pytest.approx(0.5, abs=0.01)
        assert figures.eer == pytest.approx(0.5, abs=0.01)
        assert figures.tar_at_far_1e2 == pytest.approx(0.01, abs=0.004)
        assert figures.tar_at_far_1e3 == pytest.approx(0.001, abs=0.001)


def test_features_that_are_all_equal_are_verified_by_chance() -> None:
    for value in (0.0, 0.1):
        measured = verified(dump_of(np.full((60, 2), value), np.arange(60) % 2))
        assert measured.cosine == measured.euclidean == PairFigures(0.5, 0.5, 0, None)


def test_a_feature_without_direction_is_at_right_angles_to_all() -> None:
    rows = [([0.0, 0.0], 0), ([0.0, 0.0], 1), *points(make_dump(n=30))]
    dump = dump_of(*zip(*rows, strict=True))
    agree(verified(dump).cosine, figures_by_counting(*pairs_by_loops(points(dump), cosine_distance)))


def test_angles_too_small_for_the_cosine() -> None:
    """Two rays 10⁻⁸ apart, the images of each within 10⁻¹⁰: every cosine is 1 to the last digit."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    angles = labels * 1e-8 + rng.uniform(0, 1e-10, 40)
    measured = verification(np.stack([np.ones(40), angles], axis=1), labels)
    assert PairFigures.of("cosine", measured) == PairFigures(1, 0, 1, None)


def test_verification_of_a_sample() -> None:
    dump = make_dump(n=400, k=4)
    measured = verified(dump, images=40)
    assert (measured.images, measured.same_pairs, measured.different_pairs) == (40, 4 * 45, 780 - 180)
    chosen = balanced_sample(dump.labels, 40)
    rows = [row for i, row in enumerate(points(dump)) if i in set(chosen.tolist())]
    agree(measured.euclidean, figures_by_counting(*pairs_by_loops(rows, math.dist)))


def test_points_on_a_straight_line_of_the_curve_count() -> None:
    """Accepted with the first, second and third distance: 1, 2 and 3 of 200, in both kinds of pairs."""
    distances = np.array([1.0, 2, 3] + [4] * 197)
    measured = pair_figures(np.tile(distances, 2), np.repeat([True, False], 200))
    agree(PairFigures(**measured), PairFigures(0.5, 0.5, 0.01, None))


def test_nothing_to_verify() -> None:
    nothing = PairFigures(None, None, None, None)
    for labels in ([0] * 5, [0, 1, 2, 3, 4]):
        measured = verified(dump_of(np.arange(10).reshape(5, 2), labels))
        assert measured.cosine == measured.euclidean == nothing
        assert measured.same_pairs + measured.different_pairs == 10
    assert verified(dump_of([[1, 2]], [0])) == Verification(1, 0, 0, nothing, nothing)


# ---- Classes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", DIMENSIONS)
def test_classes_against_loops(d: int) -> None:
    dump = make_dump(d=d, spread=1)
    k = len(dump.centers)
    rows, means = points(dump), means_of(points(dump))
    centers = [[float(number) for number in center] for center in dump.centers]
    by_center = [min(range(k), key=lambda j: math.dist(x, centers[j])) for x, _ in rows]
    found = decisions(dump)
    confused = confusion(found, dump.labels, k)
    for name, chosen in (("softmax", dump.predictions.tolist()), ("nearest_center", by_center)):
        counted = [[0] * k for _ in range(k)]
        for (_, true), taken in zip(rows, chosen, strict=True):
            counted[true][taken] += 1
        assert confused[name].tolist() == counted
    for label, row in enumerate(per_class(dump, found, k, ["zero", "one", "two"])):
        own = [index for index, (_, y) in enumerate(rows) if y == label]
        others = {c: math.dist(means[label], mean) for c, mean in means.items() if c != label}
        intra = math.fsum(math.dist(rows[i][0], means[label]) for i in own) / len(own)
        assert row == {
            "class": label,
            "name": ("zero", "one", "two", "3")[label],
            "images": len(own),
            "accuracy": sum(dump.predictions[i] == label for i in own) / len(own),
            "nearest_center_accuracy": sum(by_center[i] == label for i in own) / len(own),
            **{name: (found[name][own] == label).mean() for name in ACCURACIES[2:]},
            "intra_class_distance": pytest.approx(intra, rel=1e-12),
            "nearest_class": min(others, key=lambda c: others[c]),
            "nearest_class_distance": pytest.approx(min(others.values()), rel=1e-12),
            "relative_intra_class_distance": pytest.approx(intra / min(others.values()), rel=1e-12),
        }


def test_classes_add_up_to_the_whole() -> None:
    measured = evaluate_split(make_dump(n=500, k=10), None)
    figures, rows = measured.figures, measured.per_class
    for name, accuracy in (("softmax", "accuracy"), ("nearest_center", "nearest_center_accuracy")):
        matrix = np.array(measured.confusion[name])
        assert matrix.sum() == figures["images"] == 500
        assert matrix.sum(axis=1).tolist() == [row["images"] for row in rows]
        assert np.trace(matrix) / 500 == figures[accuracy]
        assert sum(row["images"] * row[accuracy] for row in rows) / 500 == pytest.approx(figures[accuracy])
    intra = sum(row["images"] * row["intra_class_distance"] for row in rows) / 500
    assert intra == pytest.approx(figures["intra_class_distance"])
    closest = min(row["nearest_class_distance"] for row in rows)
    assert closest == pytest.approx(figures["inter_class_distance_min"])


def test_a_class_without_images_has_no_figures() -> None:
    dump = dump_of([[0], [1], [5]], [0, 0, 2], k=4)
    rows = per_class(dump, decisions(dump), 4)
    assert [row["images"] for row in rows] == [2, 0, 1, 0]
    assert [row["nearest_class"] for row in rows] == [2, None, 0, None]
    assert set(rows[1].values()) == {1, "1", 0, None}
    assert rows[2]["relative_intra_class_distance"] == 0


def test_many_classes_are_listed_by_the_pairs_that_are_confused() -> None:
    labels = np.arange(300)
    taken = labels.copy()
    taken[[7, 8, 9]] = 5
    dump = FeatureDump(np.eye(300, 3, dtype=np.float32), labels % 290, taken % 290)
    measured = evaluate_split(dump, None).as_dict()
    assert len(measured["per_class"]) == 290
    assert measured["confusion"] == {
        "softmax": [{"class": wrong, "predicted": 5, "images": 1} for wrong in (7, 8, 9)]
    }
    assert len(json.dumps(measured["confusion"])) < 1000


@pytest.mark.parametrize(("k", "d"), [(2, 1), (2, 64), (10, 2), (10, 3), (100, 1), (100, 64)])
def test_any_number_of_classes_and_dimensions(k: int, d: int) -> None:
    """Without centers, and with images of unknown classes, which change nothing."""
    train, test = make_dump(n=3 * k, d=d, k=k, seed=1), make_dump(n=5 * k, d=d, k=k)
    names = [f"class {label}" for label in range(k)]
    bare, bare_train = (FeatureDump(each.features, each.labels, each.predictions) for each in (test, train))
    expected = evaluate_split(test, train, names).as_dict()
    measured = evaluate_split(bare, bare_train, names).as_dict()
    assert json.loads(json.dumps(measured)) == measured
    assert "nearest_center" not in measured["confusion"]
    of_centers = {"nearest_center_accuracy", "nearest_center_accuracy_cosine"}
    for row, with_centers in zip(measured["per_class"], expected["per_class"], strict=True):
        assert row == with_centers | dict.fromkeys(of_centers)
    assert [row["name"] for row in measured["per_class"]] == names
    for name in FIGURES:
        assert measured[name] == (None if name in of_centers else expected[name]), name
    more = np.concatenate([bare.features, bare.features + 9])
    unknown = FeatureDump(more, np.append(bare.labels, np.full(5 * k, -1)), np.tile(bare.predictions, 2))
    assert evaluate_split(unknown, bare_train, names).as_dict() == measured


# ---- What the figures do not depend on ----------------------------------------------------------------------

FIGURES = {
    "images", "classes", "zero_length_images", "accuracy", "nearest_center_accuracy", "nearest_center_accuracy_cosine",
    "nearest_mean_accuracy", "nearest_mean_accuracy_cosine", "intra_class_distance",
    "inter_class_distance", "inter_class_distance_min", "separation_ratio", "fisher_ratio",
    "nearest_train_mean_accuracy", "nearest_train_mean_accuracy_cosine",
    "knn_accuracy", "knn_neighbors", "silhouette", "silhouette_images",
    "davies_bouldin", "cosine_auc", "cosine_eer", "cosine_tar_at_far_1e2", "cosine_tar_at_far_1e3", "euclidean_auc",
    "euclidean_eer", "euclidean_tar_at_far_1e2", "euclidean_tar_at_far_1e3", "verification_images",
    "verification_same_pairs", "verification_different_pairs", "alignment", "uniformity",
}  # fmt: skip
DISTANCES = {"intra_class_distance", "inter_class_distance", "inter_class_distance_min"}
COSINES = {name for name in FIGURES if "cosine" in name} | {"alignment", "uniformity"}


def on_a_grid(dump: FeatureDump) -> FeatureDump:
    """Features and centers with few digits, so that float32 holds their sums exactly."""
    round_ = lambda x: np.round(x * 256) / np.float32(256)  # noqa: E731
    return FeatureDump(round_(dump.features), dump.labels, dump.predictions, round_(dump.centers))


def transformed(dump: FeatureDump, change: Callable[[Any], Any]) -> FeatureDump:
    x, centers = (change(each).astype(np.float32) for each in (dump.features, dump.centers))
    return FeatureDump(x, dump.labels, dump.predictions, centers)


def changed_figures(change: Callable[[Any], Any], d: int = 2) -> dict[str, float]:
    """The figures that a change of the plane changes, and by which factor."""
    train, test = (on_a_grid(make_dump(n=400, d=d, seed=seed, spread=1)) for seed in (1, 2))
    before = evaluate_split(test, train).figures
    after = evaluate_split(transformed(test, change), transformed(train, change)).figures
    assert before.keys() == after.keys() == FIGURES
    assert None not in before.values()
    return {
        name: (after[name] or 0) / value
        for name, value in before.items()
        if value and after[name] != pytest.approx(value, rel=1e-9)
    }


@pytest.mark.parametrize("d", [1, 2, 128])
def test_scale_changes_nothing_but_distances(d: int) -> None:
    for factor in (2.0**-30, 2.0**30):
        assert changed_figures(lambda x, factor=factor: x * factor, d) == dict.fromkeys(
            DISTANCES, pytest.approx(factor)
        )


def test_turning_changes_nothing() -> None:
    assert changed_figures(lambda x: x[:, ::-1] * [1, -1]) == {}
    # Mirrored and permuted axes of 128: exact in float32, as a general rotation is not.
    order, signs = np.random.default_rng(0).permutation(128), np.random.default_rng(1).choice([-1, 1], 128)
    assert changed_figures(lambda x: x[:, order] * signs, 128) == {}


def test_turning_by_any_angle_changes_next_to_nothing() -> None:
    turn = np.array([[math.cos(0.7), -math.sin(0.7)], [math.sin(0.7), math.cos(0.7)]])
    for factor in changed_figures(lambda x: x @ turn.T).values():
        assert factor == pytest.approx(1, abs=1e-4)  # features are rounded to float32


def test_moving_changes_nothing_but_the_angles() -> None:
    moved = changed_figures(lambda x: x + np.array([512, -256], np.float32))
    assert set(moved) == COSINES  # the docs say so: angles are seen from the origin
    moved = changed_figures(lambda x: x + np.full(128, 64, np.float32), 128)
    assert set(moved) <= COSINES


def test_lengths_do_not_change_the_angles() -> None:
    dump = make_dump(n=200)
    stretched = dump.features * np.float32(2) ** np.random.default_rng(0).integers(-20, 20, (200, 1))
    assert verified(dump_of(stretched, dump.labels)).cosine == verified(dump).cosine


def test_centers_and_predictions_change_only_what_is_about_them() -> None:
    dump = make_dump(n=200)
    other = FeatureDump(dump.features, dump.labels, (dump.predictions + 1) % 4, -dump.centers)
    before, after = evaluate_split(dump, None).figures, evaluate_split(other, None).figures
    assert {name for name in FIGURES if before[name] != after[name]} == {
        "accuracy",
        "nearest_center_accuracy",
        "nearest_center_accuracy_cosine",
    }


def test_order_of_the_images_changes_nothing_but_the_sample() -> None:
    dump = make_dump(n=300)
    order = np.random.default_rng(0).permutation(300)
    turned = FeatureDump(dump.features[order], dump.labels[order], dump.predictions[order], dump.centers)
    before, after = evaluate_split(dump, None).figures, evaluate_split(turned, None).figures
    for name in FIGURES:
        assert after[name] == pytest.approx(before[name], rel=1e-9), name


# ---- Edges: no warning, no NaN ------------------------------------------------------------------------------

EDGES = {
    "one image": dump_of([[1, 2]], [0], k=10),
    "one class": dump_of(np.random.default_rng(0).normal(size=(30, 2)), [3] * 30, k=10),
    "a class with one image": dump_of(np.random.default_rng(0).normal(size=(30, 2)), [0] * 29 + [7], k=10),
    "an image a class": dump_of(np.random.default_rng(0).normal(size=(10, 2)), range(10)),
    "all equal": dump_of(np.full((40, 2), 0.1), np.arange(40) % 10),
    "all zero": dump_of(np.zeros((40, 2)), np.arange(40) % 10),
    "all of a class equal": dump_of(np.stack([np.arange(40) % 10 * 0.1] * 2, 1), np.arange(40) % 10),
    "duplicates": dump_of(
        np.repeat(np.random.default_rng(0).normal(size=(20, 2)), 5, 0), np.arange(100) % 10
    ),
    "one dimension": dump_of(np.random.default_rng(0).normal(size=(40, 1)), np.arange(40) % 10),
    "128 dimensions": dump_of(np.random.default_rng(0).normal(size=(40, 128)), np.arange(40) % 10),
    "huge": dump_of(np.random.default_rng(0).normal(size=(40, 2)) * 1e37, np.arange(40) % 10),
    "tiny": dump_of(np.random.default_rng(0).normal(size=(40, 2)) * 1e-40, np.arange(40) % 10),
    "two images, two classes": dump_of([[0, 0], [1, 1]], [0, 1]),
    "fewer than neighbors": dump_of([[0, 0], [1, 1], [1, 0]], [0, 1, 1]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", EDGES)
def test_edges_give_numbers_in_their_range_or_none(name: str) -> None:
    dump = EDGES[name]
    other = make_dump(n=30, d=dump.features.shape[1], k=len(dump.centers))
    for train, test in ((None, dump), (dump, other), (other, dump)):
        measured = evaluate_split(test, train).as_dict()
        assert json.loads(json.dumps(measured, allow_nan=False)) == measured
        for figure, value in measured.items():
            if value is None or figure in ("per_class", "confusion", "centers_kind"):
                continue
            if figure == "silhouette":
                assert -1 <= value <= 1
            elif figure == "uniformity":
                assert -8 <= value <= 0
            elif figure == "alignment":
                assert 0 <= value <= 4
            elif figure.endswith(("accuracy", "accuracy_cosine", "auc", "eer", "1e2", "1e3")):
                assert 0 <= value <= 1
            else:
                assert value >= 0


def test_what_is_undefined_is_none() -> None:
    """The list of docs/metrics.md."""
    between = {"inter_class_distance", "inter_class_distance_min", "separation_ratio", "fisher_ratio"}
    clusters = {"silhouette", "davies_bouldin"}
    pairs = {name for name in FIGURES if name.startswith(("cosine", "euclidean"))}
    seen = {
        name: {key for key, value in figures(dump).items() if value is None} for name, dump in EDGES.items()
    }
    for name, undefined in seen.items():
        assert "nearest_center_accuracy_cosine" in undefined, name  # all of these centers are at the origin
        undefined.remove("nearest_center_accuracy_cosine")
    train = {"nearest_train_mean_accuracy", "nearest_train_mean_accuracy_cosine", "knn_accuracy"}
    on_sphere = {"alignment", "uniformity"}
    by_angle = {"nearest_mean_accuracy_cosine", "nearest_train_mean_accuracy_cosine"} | on_sphere
    assert seen["one image"] == between | clusters | pairs | train | on_sphere
    assert seen["one class"] == between | clusters | pairs
    assert seen["an image a class"] == {"separation_ratio", "fisher_ratio", "alignment"} | clusters | pairs
    few = {name for name in pairs if name.endswith("1e3")}
    assert seen["all equal"] == {"separation_ratio", "fisher_ratio"} | clusters | few
    assert seen["all zero"] == seen["all equal"] | by_angle
    assert seen["all of a class equal"] == {"separation_ratio", "fisher_ratio"} | few
    assert seen["huge"] == seen["tiny"] == seen["one dimension"] == seen["128 dimensions"] == few


def figures(dump: FeatureDump) -> dict[str, float | int | None]:
    return evaluate_split(dump, None).figures


# ---- The command --------------------------------------------------------------------------------------------


def make_run(directory: Path, *, status: str = "completed", seed: int = 0, **changes: Any) -> Path:
    """Write what a training run leaves, as far as an evaluation reads it."""
    (directory / "features").mkdir(parents=True)
    write_features(directory / "features" / "test-final.npz", make_dump(n=200, seed=seed, k=10))
    write_features(directory / "features" / "train-final.npz", make_dump(n=300, seed=seed + 100, k=10))
    manifest = {"format": 2, "status": status, "lambda": 0.01, "lambda_eq": 1.0, "alpha": 0.5, "seed": seed}
    (directory / "run.json").write_text(json.dumps({**manifest, "metrics": {"test": {}}, **changes}))
    return directory


def make_sweep(directory: Path, *statuses: str) -> Path:
    rows = []
    for seed, status in enumerate(statuses):
        name = f"lambda0.01-alpha0.5-seed{seed}"
        if status != "waiting":
            make_run(directory / name, status=status, seed=seed)
        rows.append({"directory": name, "lambda": 0.01, "alpha": 0.5, "seed": seed, "status": status})
    directory.mkdir(exist_ok=True)
    (directory / "summary.json").write_text(json.dumps({"format": 2, "runs": rows}))
    return directory


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def as_cells(figures: dict[str, Any]) -> dict[str, str]:
    return {name: "" if value is None else str(value) for name, value in figures.items()}


def test_a_run(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run")
    before = read_json(path / "run.json")
    steps: list[Step] = []
    report = evaluate_directory(path, show=steps.append)
    assert [(step.number, step.total) for step in steps] == [(i, 12) for i in range(1, 13)]
    assert [(step.run, step.split, step.what) for step in steps] == [
        ("run", split, what) for split in ("test", "train") for what in STEPS
    ]

    written = read_json(report.written)
    assert (
        written["test"] == evaluate_split(make_dump(n=200, k=10), make_dump(n=300, seed=100, k=10)).as_dict()
    )
    assert written["train"] == evaluate_split(make_dump(n=300, seed=100, k=10), None).as_dict()
    assert written["settings"] == {
        "neighbors": 5,
        "silhouette_images": 10_000,
        "verification_images": 2_000,
        "sample_seed": 0,
    }
    kept = read_run(path).thresholds
    assert kept is not None
    thresholds = read_json(path / "run.json")["thresholds"]
    assert read_json(path / "run.json") == {**before, "evaluation": written, "thresholds": thresholds}
    assert parse_thresholds(thresholds) == parse_thresholds(written["thresholds"]) == kept

    rows = table(path / "evaluation.csv")
    assert [row["split"] for row in rows] == ["test", "train"]
    for row in rows:
        figures = {key: value for key, value in written[row["split"]].items() if key in FIGURES}
        origin = {"directory": "run", "lambda": 0.01, "alpha": 0.5, "seed": 0, "lambda_eq": 1.0}
        assert row == as_cells({**origin, "split": row["split"], **figures})
    classes = table(path / "evaluation-classes.csv")
    assert [(row["split"], row["class"]) for row in classes] == [
        (split, str(label)) for split in ("test", "train") for label in range(10)
    ]
    for row in classes:
        split, label = written[row["split"]], int(row["class"])
        assert as_cells(split["per_class"][label]).items() <= row.items()
        for name, matrix in split["confusion"].items():
            assert [int(row[f"{name}_as_{other}"]) for other in range(10)] == matrix[label]
    left = {each.name for each in path.iterdir() if each.is_file()}
    assert left == {"run.json", "evaluation.json", "evaluation.csv", "evaluation-classes.csv"}


def test_a_second_evaluation_gives_the_same_bytes(tmp_path: Path) -> None:
    def contents() -> dict[str, bytes]:
        return {each.name: each.read_bytes() for each in path.iterdir() if each.is_file()}

    path = make_run(tmp_path / "run")
    evaluate_directory(path)
    first = contents()
    evaluate_directory(path)
    assert contents() == first


@pytest.mark.parametrize("split", ["test", "train"])
def test_one_split(tmp_path: Path, split: str) -> None:
    both, one = make_run(tmp_path / "both"), make_run(tmp_path / "one")
    evaluate_directory(both)
    result = CliRunner().invoke(app, ["evaluate", str(one), "--split", split])
    assert result.exit_code == 0
    written = read_json(one / "evaluation.json")
    assert written.keys() & {"test", "train"} == {split}
    assert written[split] == read_json(both / "evaluation.json")[split]


def test_training_features_alone_are_enough_for_themselves(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run")
    (path / "features" / "test-final.npz").unlink()
    evaluate_directory(path, ("train",))
    assert "train" in read_json(path / "evaluation.json")


def test_what_is_printed(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(make_run(tmp_path / "run"))])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "1/12  run  test: accuracy and distances"
    assert lines[11] == "12/12  run  train: verification"
    measured = read_json(tmp_path / "run" / "evaluation.json")
    for line in lines:
        if line.strip().startswith("Euclidean: EER"):
            assert line.split(")")[1].split() == [
                cell
                for split in ("test", "train")
                for cell in (f"{100 * measured[split]['euclidean_eer']:.2f}", "%")
            ]
    pairs = measured["test"]
    assert (
        f"all pairs of 200 images, {pairs['verification_same_pairs']:,} of one class and "
        f"{pairs['verification_different_pairs']:,} others" in result.output
    )
    assert str(tmp_path / "run" / "evaluation.csv") in result.output


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(make_run(tmp_path / "run")), "--quiet"])
    assert (result.exit_code, result.output) == (0, "")


def test_classes_have_their_names(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run")
    manifest = json.loads((path / "run.json").read_text())
    manifest["data"] = {"class_names": [f"boot {number}" for number in range(10)]}
    (path / "run.json").write_text(json.dumps(manifest))
    lines = CliRunner().invoke(app, ["evaluate", str(path), "--split", "test"]).output.splitlines()
    (line,) = [line for line in lines if line.startswith("boot 3 ")]
    nearest = table(path / "evaluation-classes.csv")[3]["nearest_class"]
    assert f" boot {nearest} " in line


def test_a_figure_that_does_not_exist_is_printed_as_a_dash(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run")
    for name in ("test", "train"):
        write_features(path / "features" / f"{name}-final.npz", EDGES["one image"])
    result = CliRunner().invoke(app, ["evaluate", str(path)])
    assert result.exit_code == 0, result.output
    assert "–" in result.output
    assert "nan" not in result.output.lower().replace("name", "")
    assert table(path / "evaluation.csv")[0]["silhouette"] == ""


def test_a_sweep(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", "completed", "interrupted", "completed", "waiting")
    result = CliRunner().invoke(app, ["evaluate", str(sweep)])
    assert result.exit_code == 0, result.output
    assert "skipped: lambda0.01-alpha0.5-seed1 (interrupted)" in result.output
    assert "skipped: lambda0.01-alpha0.5-seed3 (not begun)" in result.output
    heads = re.split(r" {2,}", result.output.split("Side by side:")[1].strip().splitlines()[0].strip())
    assert heads[3:8] == [
        "seed",
        "softmax",
        "nearest center",
        "nearest training mean",
        "nearest training images",
    ]
    assert "24/24  lambda0.01-alpha0.5-seed2  train: verification" in result.output
    written = read_json(sweep / "evaluation.json")
    names = [f"lambda0.01-alpha0.5-seed{seed}" for seed in (0, 2)]
    assert [row["directory"] for row in written["runs"]] == names
    for row in written["runs"]:
        own = read_json(sweep / row["directory"] / "evaluation.json")
        assert read_json(sweep / row["directory"] / "run.json")["evaluation"] == own
        for split in ("test", "train"):
            assert row[split] == {key: own[split][key] for key in own[split] if key in FIGURES}
    assert [(row["directory"], row["split"]) for row in table(sweep / "evaluation.csv")] == [
        (name, split) for name in names for split in ("test", "train")
    ]
    assert len(table(sweep / "evaluation-classes.csv")) == 2 * 2 * 10
    assert not (sweep / "lambda0.01-alpha0.5-seed1" / "evaluation.json").exists()


def test_one_damaged_point_does_not_keep_the_others(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", "completed", "completed", "completed")
    damaged = sweep / "lambda0.01-alpha0.5-seed1" / "features" / "test-final.npz"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    result = CliRunner().invoke(app, ["evaluate", str(sweep)])
    assert result.exit_code == 0, result.output
    assert f"skipped: {damaged}: " in result.stderr
    assert result.stderr.rstrip().endswith("put it back from a copy, or train the run again")
    assert "36/36" in result.output
    written = read_json(sweep / "evaluation.json")
    assert len(written["runs"]) == 2
    assert list(written["problems"]) == ["lambda0.01-alpha0.5-seed1"]


# ---- What is refused ----------------------------------------------------------------------------------------


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no such directory; name a run or sweep"):
        evaluate_directory(tmp_path / "none")
    with pytest.raises(RunError, match=r"neither a run \(no run\.json\) nor a sweep"):
        evaluate_directory(tmp_path)


@pytest.mark.parametrize(
    ("status", "now"), [("running", "stopped"), ("interrupted", "interrupted"), ("failed", "failed")]
)
def test_a_run_that_is_not_completed(tmp_path: Path, status: str, now: str) -> None:
    """One that was killed says for ever that it is running."""
    path = make_run(tmp_path / "run", status=status)
    with pytest.raises(EvaluationError, match=rf"is {now}: resume it: cl train --resume .*run"):
        evaluate_directory(path)


def test_a_run_that_is_training(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", status="running")
    with DirectoryLock(path), pytest.raises(EvaluationError, match="is running: wait until it is completed"):
        evaluate_directory(path)


def test_a_run_that_diverged_is_not_to_be_resumed(tmp_path: Path) -> None:
    reason = "DivergedError: at step 7 the loss became NaN or infinite: lower train.learning_rate"
    path = make_run(tmp_path / "run", status="failed", reason=reason)
    with pytest.raises(EvaluationError) as caught:
        evaluate_directory(path)
    message = str(caught.value)
    assert "at step 7 the loss became NaN" in message
    assert f"cl train --config {path}/config.yaml --set train.learning_rate=" in message
    assert "--resume" not in message


def test_a_run_of_no_known_status(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", status="odd")
    with pytest.raises(ExpectedError, match=r"run\.json: its status is not one of"):
        evaluate_directory(path)


def test_a_sweep_without_a_completed_run(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", "interrupted", "waiting")
    with pytest.raises(EvaluationError, match=r"no point .* is completed yet.*cl sweep --resume"):
        evaluate_directory(sweep)


def test_a_sweep_without_a_sound_run(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", "completed")
    (sweep / "lambda0.01-alpha0.5-seed0" / "run.json").write_text("{")
    with pytest.raises(EvaluationError, match=r"no point could be evaluated:\n.*run\.json: cannot be read"):
        evaluate_directory(sweep)


@pytest.mark.parametrize("name", ["test", "train"])
def test_a_missing_dump(tmp_path: Path, name: str) -> None:
    path = make_run(tmp_path / "run")
    (path / "features" / f"{name}-final.npz").unlink()
    with pytest.raises(EvaluationError, match=rf"{name}-final\.npz is missing.*cl train --config"):
        evaluate_directory(path, ("test",))


def test_a_damaged_dump_and_nothing_is_changed(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run")
    evaluate_directory(path)
    before = {each.name: each.read_bytes() for each in path.iterdir() if each.is_file()}
    (path / "features" / "train-final.npz").write_bytes(b"PK")
    with pytest.raises(FeatureFileError, match=r"train-final\.npz"):
        evaluate_directory(path)
    assert {each.name: each.read_bytes() for each in path.iterdir() if each.is_file()} == before


def test_dumps_of_two_networks(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run")
    write_features(path / "features" / "train-final.npz", make_dump(d=3, k=10))
    with pytest.raises(EvaluationError, match=r"not of one network.*train it again"):
        evaluate_directory(path)


def test_a_run_in_use(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run")
    with DirectoryLock(path), pytest.raises(InUseError, match="in use by process"):
        evaluate_directory(path)
    evaluate_directory(path)


@pytest.mark.parametrize("name", ["../elsewhere", "..", "/tmp", "a/b", None, 3, ""])
def test_a_summary_does_not_lead_out_of_the_sweep(tmp_path: Path, name: Any) -> None:
    make_run(tmp_path / "elsewhere")
    sweep = make_sweep(tmp_path / "sweep", "completed")
    (sweep / "summary.json").write_text(json.dumps({"runs": [{"directory": name}]}))
    with pytest.raises(ExpectedError, match="not a plain name"):
        evaluate_directory(sweep)
    assert not (tmp_path / "elsewhere" / "evaluation.json").exists()


@pytest.mark.parametrize("content", ["[]", "{", '{"runs": 3}', '{"runs": [3]}'])
def test_a_damaged_summary(tmp_path: Path, content: str) -> None:
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(ExpectedError, match=r"summary\.json"):
        evaluate_directory(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root writes anywhere")
def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run")
    path.chmod(0o500)
    try:
        with pytest.raises(ExpectedError, match="cannot be written"):
            evaluate_directory(path)
    finally:
        path.chmod(0o700)


# ---- What it costs ------------------------------------------------------------------------------------------


def python(program: str, *arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [*BY_A_SHELL, sys.executable, "-c", program, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="asks the system for the largest memory")
def test_ten_thousand_images_stay_below_half_a_gigabyte(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run")
    for name in ("test", "train"):
        write_features(path / "features" / f"{name}-final.npz", make_dump(n=10_000, k=10))
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from centerloss_core.metrics.directory import evaluate_directory\n"
        "evaluate_directory(Path('run'), ['train'])\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(peak // (1024 if sys.platform == 'linux' else 1024 * 1024))"
    )
    assert int(python(program, cwd=tmp_path)) < 500


def test_the_command_as_a_process(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli", "evaluate", "."],
        cwd=tmp_path / "run",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("warning: thresholds: taken from training images")
    assert done.stderr.count("\n") == 1
    assert "1/12  run  test: accuracy and distances" in done.stdout


# ---- The page -----------------------------------------------------------------------------------------------


def test_the_page_defines_every_figure() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    measured = evaluate_split(EDGES["one class"], None).as_dict()
    for name in (
        measured.keys() | measured["per_class"][0].keys() | measured["confusion"].keys() | {"nearest_mean"}
    ):
        assert f"`{name}`" in page, name
