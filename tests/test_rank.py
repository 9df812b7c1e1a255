"""`cl rank`: images by how badly they fit their label, of a run that no training has made."""

import csv
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from centerloss_core.config import dump_yaml, load_config
from centerloss_core.datasets import DataError, load_dataset
from centerloss_core.inference.rank import RankError, Ranking, rank
from centerloss_core.inference.rank_files import write_ranking
from centerloss_core.metrics.label_fit import cross_entropy, fit_of
from centerloss_core.run_directory.feature_dumps import FeatureDump, write_features
from centerloss_core.run_directory.manifest import FORMAT
from centerloss_core.run_directory.reader import read_run

CLASSES, IMAGES = 3, 30
FLIPPED = {4: 2, 11: 0, 20: 1}  # rows of x_train, and the wrong labels that they get
ANGLES = 2 * np.pi * np.arange(CLASSES) / CLASSES
POINTS = (4 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)).astype(np.float32)

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A completed run on images of which three have a wrong label; the network knows better."""

    def run(
        *,
        channels: int = 1,
        names: tuple[str, ...] = (),
        kind: str | None = "center",
        logits: bool = True,
        head: bool = True,
        exclude: Path | None = None,
        **manifest: Any,
    ) -> Path:
        rng = np.random.default_rng(0)
        true = np.arange(2 * IMAGES) % CLASSES
        labels = true.copy()
        labels[list(FLIPPED)] = list(FLIPPED.values())
        images = rng.integers(0, 60, (2 * IMAGES, 8, 8, channels)).astype(np.uint8)
        images[np.arange(2 * IMAGES), 2 * true, :, :] = 250
        words = labels.astype(str) if not names else np.array(names)[labels]
        arrays = {"x_train": images[:IMAGES], "x_test": images[IMAGES:]}
        np.savez(tmp_path / "mine.npz", y_train=words[:IMAGES], y_test=words[IMAGES:], **arrays)
        data = load_dataset("npz", dir=tmp_path / "mine.npz", exclude=exclude)
        path = tmp_path / "run"
        (path / "features").mkdir(parents=True)
        for name, split, offset in (("train", data.train, 0), ("test", data.test, IMAGES)):
            rows = np.array([int(split.name(index).split()[1]) for index in range(len(split))])
            features = POINTS[true[rows + offset]] + rng.normal(scale=0.3, size=(len(rows), 2))
            features = features.astype(np.float32)
            made = features @ POINTS.T
            dump = FeatureDump(
                features,
                split.labels,
                made.argmax(axis=1) if head else None,
                None if kind is None else POINTS,
                kind,
                made if logits and head else None,
            )
            write_features(path / "features" / f"{name}-final.npz", dump)
        settings = {"data.name": "npz", "data.dir": str(tmp_path / "mine.npz")}
        settings |= {} if exclude is None else {"data.exclude": str(exclude)}
        config = load_config("quickstart", settings)
        (path / "config.yaml").write_text(dump_yaml(config))
        about = {"fingerprint": data.fingerprint, "class_names": list(data.class_names)}
        content = {"format": FORMAT, "status": "completed", "data": about, "class_points": kind, **manifest}
        (path / "run.json").write_text(json.dumps(content))
        return path

    return run


def names_of(ranking: Ranking, count: int) -> list[str]:
    return [ranking.images.name(int(index)) for index in ranking.order[:count]]


# ---- what images are ordered by


def test_each_figure_is_its_formula() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(40, 3)).astype(np.float32)
    features[7] = 0
    labels = rng.integers(0, 4, 40)
    points, logits = rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=(40, 4)).astype(np.float32)
    dump = FeatureDump(features, labels, logits.argmax(axis=1), logits=logits)

    def cosine_distance(x: np.ndarray, c: np.ndarray) -> float:
        lengths = float(np.linalg.norm(x) * np.linalg.norm(c))
        return 1 - (float(x @ c) / lengths if lengths else 0.0)

    def distance(x: np.ndarray, c: np.ndarray) -> float:
        return float(np.linalg.norm(x - c))

    for is_angular, measure in ((False, distance), (True, cosine_distance)):
        fit = fit_of(dump, points, is_angular=is_angular)
        for row, (x, label) in enumerate(zip(features.astype(np.float64), labels, strict=True)):
            every = [measure(x, c) for c in points.astype(np.float64)]
            others = {other: value for other, value in enumerate(every) if other != label}
            assert fit.distance[row] == pytest.approx(every[label], abs=1e-6)
            assert fit.other_distance[row] == pytest.approx(min(others.values()), abs=1e-6)
            assert fit.margin[row] == pytest.approx(every[label] - min(others.values()), abs=1e-6)
            assert fit.other[row] == min(others, key=lambda other: others[other])
            total = sum(math.exp(each) for each in logits[row])
            assert fit.loss is not None
            assert fit.loss[row] == pytest.approx(-math.log(math.exp(logits[row, label]) / total), rel=1e-5)
    without = fit_of(FeatureDump(features, labels), points, is_angular=False)
    assert without.loss is None
    assert without.predicted.tolist() == [
        min(range(4), key=lambda c: distance(x, points[c])) for x in features
    ]


def test_a_loss_of_large_logits_is_finite() -> None:
    loss = cross_entropy(np.array([[3e38, -3e38], [-3e38, 3e38]], np.float32), np.array([0, 0]))
    np.testing.assert_allclose(loss, [0, 6e38], rtol=1e-6)


# ---- the order of a run's images


@pytest.mark.parametrize("by", ["distance", "margin", "loss"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"kind": None}, {"kind": "weight"}, {"is_angular": True}, {"kind": None, "is_angular": True}],
)
def test_wrong_labels_come_first(make: Make, by: Any, settings: dict[str, Any]) -> None:
    ranking = rank(read_run(make(**settings)), "train", by)
    wrong = {f"train {row}" for row in FLIPPED}
    assert set(names_of(ranking, 3)) == wrong
    assert {ranking.images.name(int(index)) for index in ranking.suspects} == wrong
    assert len(ranking.order) == IMAGES
    values = ranking.fit.by(by)[ranking.order]
    assert (np.diff(values) <= 0).all()
    has_points = settings.get("kind", "center") is not None
    word = {"weight": "class weight"}.get(settings.get("kind", ""), "center")
    uses_them = has_points and (settings.get("kind") != "weight" or settings.get("is_angular"))
    assert ranking.points == (word if uses_them else "class mean")


def test_class_means_are_those_of_the_training_features(make: Make) -> None:
    path = make(kind=None)
    train = read_run(path).dump("train-final")
    means = np.stack([train.features[train.labels == label].mean(axis=0) for label in range(CLASSES)])
    ranking = rank(read_run(path), "test", "distance")
    dump = read_run(path).dump("test-final")
    expected = np.linalg.norm(dump.features - means[dump.labels], axis=1)
    np.testing.assert_allclose(ranking.fit.distance, expected, rtol=1e-5)
    assert len(ranking.suspects) == 0  # all labels of test images are right


def test_what_cannot_be_ranked_says_why(make: Make, tmp_path: Path) -> None:
    path = make(kind=None, head=False)
    with pytest.raises(RankError, match="has no head, and so no softmax loss: order by distance or margin"):
        rank(read_run(path), "train", "loss")
    assert names_of(rank(read_run(path), "train", "margin"), 1)[0] in {f"train {row}" for row in FLIPPED}
    manifest = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**manifest, "status": "interrupted"}))
    with pytest.raises(RankError, match="has no final features yet: it is interrupted: resume it"):
        rank(read_run(path))
    (path / "run.json").write_text(
        json.dumps({**manifest, "data": {**manifest["data"], "fingerprint": "0" * 64}})
    )
    with pytest.raises(DataError, match="are not those that the run was trained on"):
        rank(read_run(path))
    (tmp_path / "mine.npz").unlink()
    with pytest.raises(DataError, match=r"mine\.npz: cannot be read"):
        rank(read_run(path))


# ---- the files


def test_the_table_has_every_image_and_the_list_is_one_to_exclude(make: Make, tmp_path: Path) -> None:
    path = make()
    ranking = rank(read_run(path), "train", "margin")
    write_ranking(ranking, tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "rank.csv").open()))
    assert [row["rank"] for row in rows] == [str(place) for place in range(1, IMAGES + 1)]
    assert {row["image"] for row in rows} == {f"train {row}" for row in range(IMAGES)}
    for row in rows[:3]:
        number = int(row["image"].split()[1])
        assert (row["label"], row["predicted"], row["nearest_other"]) == (
            str(FLIPPED[number]),
            str(number % CLASSES),
            str(number % CLASSES),
        )
        assert float(row["margin"]) > 0
        assert float(row["loss"]) > 1
    listed = (tmp_path / "out" / "suspects.txt").read_text().splitlines()
    assert listed[0].startswith("# 3 of 30 train images nearer to the center of another class, by margin")
    number = int(rows[0]["image"].split()[1])
    assert listed[2] == f"train {number}\tlabelled {FLIPPED[number]}, nearer to {number % CLASSES}"
    settings = {"dir": tmp_path / "mine.npz", "exclude": tmp_path / "out" / "suspects.txt"}
    assert load_dataset("npz", **settings).excluded == {"train": 3, "test": 0}


def test_what_the_run_left_out_stays_in_the_list(make: Make, tmp_path: Path) -> None:
    (tmp_path / "first.txt").write_text("train 11\ttold before\n")
    write_ranking(rank(read_run(make(exclude=tmp_path / "first.txt"))), tmp_path)
    settings = {"dir": tmp_path / "mine.npz", "exclude": tmp_path / "suspects.txt"}
    assert load_dataset("npz", **settings).excluded == {"train": 3, "test": 0}


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_show_the_images(make: Make, channels: int, tmp_path: Path) -> None:
    names = ("an animal with a long name", "bärlauch", "猫")
    ranking = rank(read_run(make(channels=channels, names=names)), "train", "distance")
    notes: list[str] = []
    write_ranking(ranking, tmp_path, note=notes.append)
    assert all(note.startswith("no font for 猫") for note in notes)
    sizes = {}
    for name in ("farthest", "suspects", "typical"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            sizes[name] = picture.size
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        for edge in (pixels[[0, -1]], pixels[:, [0, -1]]):
            np.testing.assert_array_equal(edge, 255)
    # Three rows of up to twelve; one row; one for each class.
    assert sizes["suspects"][1] < sizes["farthest"][1]
    first = ranking.images.images[ranking.suspects[0]]
    shown = np.repeat(np.repeat(first, 10, axis=0), 10, axis=1)
    expected = 255 - np.repeat(shown, 3, axis=2) if channels == 1 else shown
    with Image.open(tmp_path / "suspects.png") as picture:
        column = np.asarray(picture.convert("RGB"))[:, 14 : 14 + 80]
    assert any((column[top : top + 80] == expected).all() for top in range(len(column) - 80))


# ---- the command


def test_the_command_writes_into_the_run(make: Make, here: Any, tmp_path: Path) -> None:
    path = make()
    code, said, errors = here("rank", "run", "--by", "loss")
    assert (code, errors) == (0, "")
    lines = said.splitlines()
    assert "run: 30 train images, by loss, the worst fit first" in lines
    assert "suspects: 3 of 30 images (10.0%) are given another class by the head" in lines
    assert "cl train run/config.yaml data.exclude=run/rank-train/suspects.txt" in lines
    assert lines[-1] == "figure: run/rank-train/suspects.png"
    written = {"rank.csv", "suspects.txt", "farthest.png", "suspects.png", "typical.png"}
    assert {file.name for file in (path / "rank-train").iterdir()} == written
    assert here("rank", "run", "--split", "test", "--out", "other")[0] == 0
    assert {file.name for file in (tmp_path / "other").iterdir()} == written - {"suspects.png"}
    assert here("rank", "nothing")[0] == 1
    assert here("rank", "run", "--by", "looks")[0] == 2


# ---- a run that was trained


def test_the_network_is_applied_where_the_run_has_kept_too_little(straight_run: Path, tmp_path: Path) -> None:
    path = shutil.copytree(straight_run, tmp_path / "run")
    whole = rank(read_run(path), "train", "loss")
    kept = read_run(path).dump("train-final")
    part = FeatureDump(kept.features[:300], kept.labels[:300], centers=kept.centers)
    write_features(path / "features" / "train-final.npz", part)
    stages: list[str] = []
    again = rank(read_run(path), "train", "loss", stage=stages.append)
    assert stages[-1] == "applying the network to 1,337 train images"
    assert again.order.tolist() == whole.order.tolist()
    assert again.points == whole.points == "center"
