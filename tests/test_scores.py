"""How known an image looks, against plain loops over the definition of each score."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from made_runs import make_dump, make_record

from centerloss_core.metrics.scores import SCORES, ScoreError, default_score, means_of, points_of, scores_of

FEATURES = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
POINTS = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
LOGITS = np.random.default_rng(2).normal(scale=5, size=(30, 4)).astype(np.float32)


def cosine(x: list[float], y: list[float]) -> float:
    return sum(a * b for a, b in zip(x, y, strict=True)) / math.hypot(*x) / math.hypot(*y)


BY_HAND: dict[str, Callable[[list[float], list[float]], float]] = {
    "distance": lambda x, _: max(-math.dist(x, point) for point in POINTS.tolist()),
    "cosine": lambda x, _: max(cosine(x, point) for point in POINTS.tolist()),
    "probability": lambda _, z: max(math.exp(each) for each in z) / sum(math.exp(each) for each in z),
    "logit": lambda _, z: max(z),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_score_against_its_definition(name: str) -> None:
    found = SCORES[name](FEATURES, LOGITS, POINTS)
    assert found.dtype == np.float64
    expected = [BY_HAND[name](x, z) for x, z in zip(FEATURES.tolist(), LOGITS.tolist(), strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_large_logits_and_features_of_length_0_have_scores() -> None:
    assert SCORES["probability"](FEATURES[:1], np.array([[3e38, -3e38]], np.float32), None).tolist() == [1.0]
    nothing = np.zeros((1, 3), np.float32)
    assert SCORES["cosine"](nothing, None, POINTS).tolist() == [0.0]
    assert SCORES["cosine"](FEATURES[:1], None, nothing).tolist() == [0.0]
    assert SCORES["cosine"](POINTS, None, POINTS).tolist() == [1.0] * 4


def test_a_score_says_what_it_lacks() -> None:
    with pytest.raises(ScoreError, match="probability needs logits, and there are none"):
        SCORES["probability"](FEATURES, None, POINTS)
    with pytest.raises(ScoreError, match="distance needs class points"):
        SCORES["distance"](FEATURES, LOGITS, None)


def test_a_dump_has_the_scores_of_what_is_in_it() -> None:
    dump = make_dump()
    logits = np.zeros((300, 10), np.float32)
    assert list(scores_of(dump, points_of(dump, None))) == ["distance", "cosine", "length"]
    assert list(scores_of(replace(dump, logits=logits), dump.centers, means_of(dump))) == list(SCORES)
    weights = replace(dump, centers_kind="weight")
    assert list(scores_of(weights, weights.centers)) == ["cosine", "length"]  # whose lengths mean nothing
    assert list(scores_of(replace(dump, centers=None, centers_kind=None), None)) == ["length"]


def test_class_means_of_training_features_take_the_place_of_points() -> None:
    dump, train = make_dump(), make_dump(seed=1)
    bare = replace(dump, centers=None, centers_kind=None)
    assert points_of(dump, train) is dump.centers
    assert points_of(bare, None) is None
    train = replace(train, labels=np.where(train.labels == 3, -1, train.labels))  # of no class
    means = [
        train.features[train.labels == label].astype(np.float64).mean(axis=0)
        for label in range(10)
        if label != 3
    ]
    np.testing.assert_allclose(points_of(bare, train), means, rtol=1e-6)


@pytest.mark.parametrize(
    ("score", "given"),
    [
        ("distance", {"class_points": "center"}),
        ("logit", {"class_points": "center", "lambda": 0.0}),  # nothing draws features to these centers
        ("logit", {"class_points": None}),
        ("distance", {"class_points": None, "config": {"loss": {"head": "none"}}}),
        ("cosine", {"class_points": None, "is_angular": True}),
        ("distance", {"class_points": "prototype", "lambda": None}),
    ],
)
def test_the_score_that_fits_the_loss(score: str, given: dict[str, object]) -> None:
    assert default_score(make_record(**given)) == score
