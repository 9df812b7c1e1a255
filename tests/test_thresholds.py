"""From which score on an image is known: the place among the scores, what it promises, where a run keeps it."""

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import make_dump, make_record, make_run

from centerloss_core.metrics.scores import SCORES
from centerloss_core.metrics.thresholds import accepted, expected_share, threshold_of, thresholds_of
from centerloss_core.run_directory.feature_dumps import FeatureDump, write_features
from centerloss_core.run_directory.reader import read_run
from centerloss_core.run_directory.thresholds import SHARES, Threshold, Thresholds, parse_thresholds

Here = Callable[..., tuple[int, str, str]]


def by_trying(scores: list[float], share: str) -> float:
    """The largest score that accepts the share of n + 1 images, one of which has no score; the lowest if none does."""
    needed = Fraction(share) * (len(scores) + 1)
    enough = [each for each in scores if sum(other >= each for other in scores) >= needed]
    return max(enough, default=min(scores))


@pytest.mark.parametrize("share", ["0.95", "0.99"])
@pytest.mark.parametrize("images", [1, 2, 18, 19, 20, 98, 99, 100, 199, 1000])
def test_a_threshold_against_trying_every_score(images: int, share: str) -> None:
    rng = np.random.default_rng(images)
    for scores in (rng.normal(size=images), rng.integers(0, 5, images).astype(np.float64), np.ones(images)):
        found = threshold_of(scores, float(share))
        assert found == by_trying(scores.tolist(), share)
        assert (scores >= found).mean() >= float(share)  # of the images it was taken from, ties included


def test_it_accepts_its_share_of_new_images_in_the_mean_and_the_interval_holds() -> None:
    """20,000 draws of 200 images, whose scores are uniform: the share of new images is 1 − threshold."""
    draws = np.random.default_rng(0).uniform(size=(20_000, 200))
    for share in SHARES:
        shares = 1 - np.array([threshold_of(scores, share) for scores in draws])
        assert share <= shares.mean() + 3 * shares.std() / np.sqrt(len(draws))
        low, high = expected_share(200, share)
        assert low < share < high
        assert np.mean((low <= shares) & (shares <= high)) == pytest.approx(0.95, abs=0.005)


def with_logits(dump: FeatureDump) -> FeatureDump:
    return replace(dump, logits=np.eye(10, dtype=np.float32)[dump.labels] * 9)


def held_out(n: int, **changes: Any) -> FeatureDump:
    return replace(with_logits(make_dump(n=n, seed=1)), **changes)


def test_thresholds_come_from_validation_images_and_from_known_ones_alone() -> None:
    dump = held_out(200)
    labels = np.where(dump.labels == 0, -1, dump.labels)
    train = with_logits(make_dump())
    found = thresholds_of(make_record(), {"train": train, "validation": replace(dump, labels=labels)})
    assert (found.split, found.images, found.default, found.warnings) == ("validation", 180, "distance", ())
    assert [(each.score, each.accept) for each in found.values] == [
        (score, share) for score in SCORES for share in SHARES
    ]
    known = SCORES["distance"](dump.features, None, dump.centers)[dump.labels > 0]
    threshold = found.of("distance", 0.95)
    assert threshold is not None
    assert threshold.value == by_trying(known.tolist(), "0.95")
    assert threshold.accepted == (known >= threshold.value).mean()
    test = with_logits(make_dump(seed=2))
    shares = accepted(found, test, train)
    scores = SCORES["distance"](test.features, None, test.centers)
    assert shares[threshold] == (scores >= threshold.value).mean()


def test_thresholds_from_training_images_say_that_they_are_too_tight() -> None:
    train = make_dump()
    found = thresholds_of(make_record(), {"train": train})
    assert (found.split, found.images) == ("train", 300)
    assert len(found.warnings) == 1
    assert "too tight" in found.warnings[0]
    assert "data.validation holds images out" in found.warnings[0]
    assert {each.between for each in found.values} == {None}  # they promise nothing of new images
    few = make_dump(n=10)
    assert len(thresholds_of(make_record(), {"train": few}).warnings) == 1
    lost = make_record(data={"validation": 100})
    assert "validation-final.npz is missing" in thresholds_of(lost, {"train": train}).warnings[0]


def test_too_few_images_are_said_for_each_share() -> None:
    for images, said in ((18, 2), (19, 1), (98, 1), (99, 0)):
        found = thresholds_of(make_record(), {"train": make_dump(), "validation": held_out(images)})
        assert len(found.warnings) == said
    few = thresholds_of(make_record(), {"train": make_dump(), "validation": held_out(98)}).warnings[0]
    assert "98 images are too few for 99 %" in few
    assert "98.99 % of new images in the mean; 99 images are enough" in few


def test_a_loss_without_points_is_measured_from_class_means_of_training_images() -> None:
    train = replace(make_dump(), centers=None, centers_kind=None)
    dump = replace(held_out(100), centers=None, centers_kind=None)
    record = make_record(class_points=None)
    found = thresholds_of(record, {"train": train, "validation": dump})
    assert (found.default, found.of("distance", 0.95) is not None) == ("logit", True)
    # An earlier version has not kept the logits: what fits best of the rest.
    old = thresholds_of(record, {"train": train, "validation": replace(dump, logits=None)})
    assert (old.default, old.of("logit", 0.95)) == ("distance", None)


def test_what_a_run_keeps_is_read_again_and_what_is_damaged_is_left_out() -> None:
    row = Threshold("distance", 0.95, -0.5, 0.96, (0.9, 0.97))
    kept = Thresholds("validation", 100, "distance", ("careful",), (row,))
    written = json.loads(json.dumps(kept.as_dict()))
    assert parse_thresholds(written) == kept
    assert kept.of("distance", 0.95) is row
    assert kept.of("distance", 0.9) is None
    damaged = [{**written["values"][0], "value": "much"}, {**written["values"][0], "between": [1]}, 3, None]
    assert parse_thresholds({**written, "values": damaged}) == replace(
        kept, values=(replace(row, between=None),)
    )
    for nothing in (None, {}, [], "x", {"images": 0}, {"images": "many"}):
        assert parse_thresholds(nothing) is None


def test_evaluate_keeps_them_in_the_run_and_shows_what_they_accept(tmp_path: Path, here: Here) -> None:
    path = make_run(tmp_path / "run")
    for name, seed in (("test", 0), ("train", 1), ("validation", 2)):
        write_features(path / "features" / f"{name}-final.npz", with_logits(make_dump(n=300, seed=seed)))
    code, out, err = here("evaluate", path)
    assert (code, err) == (0, "")
    table = out[out.index("from 300 validation images") :]
    assert "of 300 test images" in table
    assert [line.split()[0] for line in table.splitlines() if " 95 % " in line] == [
        "distance",
        *list(SCORES)[1:],
    ]
    record = read_run(path)
    assert record.thresholds is not None
    assert (record.thresholds.split, record.thresholds.images) == ("validation", 300)
    evaluation = json.loads((path / "evaluation.json").read_text())["thresholds"]
    assert all(0.9 < row["accepted_of_test"] <= 1 for row in evaluation["values"])
    assert parse_thresholds(evaluation) == record.thresholds
    # Without validation images, and of an earlier version that has kept no logits.
    (path / "features" / "validation-final.npz").unlink()
    for name in ("test", "train"):
        write_features(path / "features" / f"{name}-final.npz", make_dump(seed=3))
    code, out, err = here("evaluate", path)
    assert code == 0
    assert "too tight" in err
    assert "no thresholds by logits: these features hold none" in out
    again = read_run(path).thresholds
    assert again is not None
    by_logits = {"probability", "logit", "energy"}
    assert (again.split, {each.score for each in again.values}) == ("train", SCORES.keys() - by_logits)
