"""Separation metrics against numbers worked out by hand, dumb loops and scikit-learn."""

import itertools
import json
import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, calinski_harabasz_score, pairwise_distances
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from centerloss_core.metrics.separation import separation
from centerloss_core.metrics.uncertainty import half_width, mean_and_deviation
from centerloss_core.run_directory.feature_dumps import FeatureDump


def make_dump(n: int = 500, d: int = 2, k: int = 10, seed: int = 0) -> FeatureDump:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    middles = rng.normal(scale=5, size=(k, d))
    return FeatureDump(
        features=(middles[labels] + rng.normal(size=(n, d))).astype(np.float32),
        labels=labels,
        predictions=np.where(rng.random(n) < 0.9, labels, rng.integers(0, k, n)),
        centers=(middles + rng.normal(scale=0.3, size=(k, d))).astype(np.float32),
    )


def test_by_hand() -> None:
    # Three classes, two images each: means (0, 0), (4, 0) and (0, 3); every image is 1 from its mean.
    features = [[-1, 0], [1, 0], [4, 1], [4, -1], [0, 2], [0, 4]]
    dump = FeatureDump(
        features=np.array(features, np.float32),
        labels=np.array([0, 0, 1, 1, 2, 2]),
        predictions=np.array([0, 0, 1, 1, 2, 0]),
        # The center of class 2 has strayed to the right: (0, 2) is now nearer to the center of class 0.
        centers=np.array([[0, 0], [4, 0], [3, 4]], np.float32),
    )
    measured = separation(dump)
    assert measured.as_dict() == pytest.approx(
        {
            "accuracy": 5 / 6,
            "nearest_center_accuracy": 5 / 6,
            # The center of class 0 has no direction, and its images' directions cancel one another.
            "nearest_center_accuracy_cosine": 4 / 6,
            "nearest_mean_accuracy": 1.0,
            "nearest_mean_accuracy_cosine": 4 / 6,
            "intra_class_distance": 1.0,
            "inter_class_distance": (4 + 3 + 5) / 3,
            "inter_class_distance_min": 3.0,
            "separation_ratio": 4.0,
            # Each image is 1 from its mean; the mean of all is (4/3, 1), from which the means are as far as this.
            "fisher_ratio": 2 * ((16 / 9 + 1) + (64 / 9 + 1) + (16 / 9 + 4)) / 6,
        }
    )


@pytest.mark.parametrize("d", [1, 7])
def test_against_loops(d: int) -> None:
    dump = make_dump(n=200, d=d)
    x, y = dump.features.astype(np.float64), dump.labels
    means = {
        label: sum(x[i] for i in range(len(x)) if y[i] == label) / (y == label).sum() for label in set(y)
    }
    intra = sum(math.dist(x[i], means[y[i]]) for i in range(len(x))) / len(x)
    inter = [math.dist(a, b) for a, b in itertools.combinations(means.values(), 2)]
    nearest = [min(range(10), key=lambda j: math.dist(x[i], dump.centers[j])) for i in range(len(x))]
    measured = separation(dump)
    assert measured.intra_class_distance == pytest.approx(intra, rel=1e-12)
    assert measured.inter_class_distance == pytest.approx(sum(inter) / len(inter), rel=1e-12)
    assert measured.inter_class_distance_min == pytest.approx(min(inter), rel=1e-12)
    assert measured.separation_ratio == pytest.approx(sum(inter) / len(inter) / intra, rel=1e-12)
    assert measured.nearest_center_accuracy == np.mean(nearest == y)
    nearest_mean = [min(sorted(means), key=lambda j: math.dist(x[i], means[j])) for i in range(len(x))]
    assert measured.nearest_mean_accuracy == np.mean(nearest_mean == y)


@pytest.mark.parametrize("d", [1, 7])
def test_fisher_ratio_against_scatter_matrices(d: int) -> None:
    dump = make_dump(n=200, d=d)
    x, y = dump.features.astype(np.float64), dump.labels
    total = np.atleast_2d(np.cov(x.T, bias=True)) * len(x)
    within = sum(np.atleast_2d(np.cov(x[y == c].T, bias=True)) * (y == c).sum() for c in set(y))
    expected = np.trace(total - within) / np.trace(within)  # the scatters of between and within add up to all
    assert separation(dump).fisher_ratio == pytest.approx(expected, rel=1e-9)


def test_fisher_ratio_is_as_large_as_chance_makes_it_where_labels_mean_nothing() -> None:
    """A ratio of two χ² with d(k − 1) = 18 and d(n − k) = 180 degrees of freedom: its mean is 18 / (180 − 2)."""
    rng = np.random.default_rng(5)
    ratios = []
    for _ in range(200):
        labels = np.arange(100) % 10
        x = rng.normal(size=(100, 2)).astype(np.float32)
        ratios.append(separation(FeatureDump(x, labels, labels, np.zeros((10, 2), np.float32))).fisher_ratio)
    assert np.mean([ratio or math.nan for ratio in ratios]) == pytest.approx(18 / 178, rel=0.1)


def test_against_scikit_learn() -> None:
    dump = make_dump(n=3000)
    x = dump.features.astype(np.float64)
    centroids = NearestCentroid().fit(x, dump.labels).centroids_
    between = pairwise_distances(centroids)[np.triu_indices(10, 1)]
    trained = KNeighborsClassifier(n_neighbors=1).fit(dump.centers.astype(np.float64), np.arange(10))
    measured = separation(dump)
    assert measured.accuracy == accuracy_score(dump.labels, dump.predictions)
    assert measured.nearest_center_accuracy == accuracy_score(dump.labels, trained.predict(x))
    assert measured.inter_class_distance == pytest.approx(between.mean(), rel=1e-9)
    assert measured.inter_class_distance_min == pytest.approx(between.min(), rel=1e-9)
    own_means = NearestCentroid().fit(x, dump.labels).predict(x)
    assert measured.nearest_mean_accuracy == accuracy_score(dump.labels, own_means)
    # Calinski–Harabasz is the same ratio of traces with a factor for n images and k classes.
    expected = calinski_harabasz_score(x, dump.labels) * (10 - 1) / (3000 - 10)
    assert measured.fisher_ratio == pytest.approx(expected, rel=1e-9)


def test_float64_inside() -> None:
    """Clusters of width 1 at a distance of 10⁶ from the origin, where float32 has steps of 1/16."""
    dump = make_dump()
    moved = FeatureDump(
        np.round(dump.features) + np.float32(1e6),
        dump.labels,
        dump.predictions,
        dump.centers + np.float32(1e6),
    )
    still = FeatureDump(np.round(dump.features), dump.labels, dump.predictions, dump.centers)
    assert separation(moved).separation_ratio == pytest.approx(separation(still).separation_ratio, rel=1e-9)
    assert separation(moved).fisher_ratio == pytest.approx(separation(still).fisher_ratio, rel=1e-9)


def test_absent_classes_take_no_part_in_distances() -> None:
    dump = make_dump()
    kept = dump.labels < 3
    few = FeatureDump(dump.features[kept], dump.labels[kept], dump.predictions[kept], dump.centers)
    means = np.stack(
        [few.features[few.labels == label].astype(np.float64).mean(axis=0) for label in range(3)]
    )
    expected = pairwise_distances(means)[np.triu_indices(3, 1)]
    assert separation(few).inter_class_distance == pytest.approx(expected.mean())
    # The means of classes 1 and 2 are the first and second there are, and yet they are called 1 and 2.
    kept &= dump.labels > 0
    two = FeatureDump(dump.features[kept], dump.labels[kept], dump.predictions[kept], dump.centers)
    own = [
        1 + int(np.linalg.norm(x - means[1]) > np.linalg.norm(x - means[2]))
        for x in two.features.astype(np.float64)
    ]
    assert separation(two).nearest_mean_accuracy == np.mean(own == two.labels) > 0
    # … but all centers compete for the nearest.
    stolen = FeatureDump(
        few.features, few.labels, few.predictions, np.vstack([dump.centers[:9] + 100, few.features[:1]])
    )
    assert separation(stolen).nearest_center_accuracy == 0


def test_one_class_has_no_distance_between_classes() -> None:
    dump = make_dump(k=1)
    measured = separation(dump)
    assert measured.inter_class_distance is None
    assert measured.inter_class_distance_min is None
    assert measured.separation_ratio is None
    assert measured.fisher_ratio is None
    assert measured.nearest_mean_accuracy == 1


def test_collapse_has_no_ratio_and_fits_json() -> None:
    labels = np.arange(20) % 10
    for features in (np.zeros((20, 2)), np.stack([labels, labels], 1) * 0.1):
        dump = FeatureDump(features.astype(np.float32), labels, labels, np.zeros((10, 2), np.float32))
        measured = separation(dump)
        assert measured.intra_class_distance == 0
        assert measured.separation_ratio is None
        assert measured.fisher_ratio is None
        assert json.loads(json.dumps(measured.as_dict(), allow_nan=False)) == measured.as_dict()


def test_ties_go_to_the_lowest_class() -> None:
    dump = FeatureDump(
        np.zeros((1, 2), np.float32), np.array([1]), np.array([1]), np.array([[1, 0], [0, 1]], np.float32)
    )
    assert separation(dump).nearest_center_accuracy == 0


@pytest.mark.parametrize(("correct", "n"), [(976, 1000), (1000, 1000), (0, 10), (7, 10)])
def test_the_uncertainty_is_half_of_wilsons_interval(correct: int, n: int) -> None:
    """Its ends are the roots p of (p̂ − p)² = p (1 − p) / n."""
    share = correct / n
    low, high = sorted(np.roots([1 + 1 / n, -(2 * share + 1 / n), share**2]))
    assert half_width(share, n) == pytest.approx((high - low) / 2)


def test_what_has_no_uncertainty() -> None:
    assert half_width(0.5, None) is None
    assert half_width(float("nan"), 100) is None
    assert half_width(1.5, 100) is None
    assert mean_and_deviation([0.5]) is None
    assert mean_and_deviation([0.5, None]) is None
    assert mean_and_deviation([1.0, 3.0]) == (2.0, pytest.approx(2**0.5))
