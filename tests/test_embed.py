"""`cl embed` and `read_run(path).embed`: what is said of images, the files, and what is refused."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import LAST_STEP, config
from PIL import Image

from centerloss_core import read_run, train
from centerloss_core.datasets import DataError, load_dataset
from centerloss_core.inference.embedding import NONE, two_nearest
from centerloss_core.inference.model import InferenceError, open_model
from centerloss_core.limits import EVALUATION_BATCH
from centerloss_core.training import evaluation

DATASET = load_dataset(config().data)
TEST = np.asarray(DATASET.test.images)
Here = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module", autouse=True)
def _programs(kept_programs: None) -> None:
    """Runs of this file share compiled steps."""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three digits and two files that are none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        Image.fromarray(TEST[index, ..., 0]).save(folder / f"{index}.png")
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image either")
    return folder


def copied(run: Path, place: Path, **changes: Any) -> Path:
    """A run with another `run.json`."""
    shutil.copytree(run, place)
    manifest = json.loads((place / "run.json").read_text())
    (place / "run.json").write_text(json.dumps(manifest | changes))
    return place


def test_a_split_of_the_runs_own_data_gives_the_bytes_of_its_dump(
    straight_run: Path, tmp_path: Path, here: Here
) -> None:
    for split, name in (("test", "test-final"), ("train", "train-final")):
        code, printed, errors = here("embed", straight_run, "--split", split, "--out", f"{split}.npz")
        assert (code, errors) == (0, "")
        dump = read_run(straight_run).dump(name)
        with np.load(tmp_path / f"{split}.npz") as found:
            assert found["features"].tobytes() == dump.features.tobytes()
            np.testing.assert_array_equal(found["head_classes"], dump.predictions)
            assert found["names"][3] == getattr(DATASET, split).name(3)
            assert found["class_names"].tolist() == [str(digit) for digit in range(10)]
    images = len(dump.labels)
    assert images % EVALUATION_BATCH
    assert f"images: {images:,}, by the network after step {LAST_STEP}" in printed
    assert "… the first 10 of" in printed
    thresholds = read_run(straight_run).thresholds
    assert thresholds is not None
    known = thresholds.of("distance", 0.99)
    assert known is not None
    distances = np.linalg.norm(dump.features[:, None].astype(float) - dump.points, axis=2).min(axis=1)
    few = int((distances > -known.value).sum())
    assert (
        f"known: {images - few:,}; of no known class: {few:,} (distance above {-known.value:.4g}" in printed
    )


def test_images_of_a_folder_with_a_broken_one(
    straight_run: Path, photos: Path, tmp_path: Path, here: Here
) -> None:
    code, printed, errors = here("embed", straight_run, "photos", "--out", "new.csv")
    assert code == 1
    assert errors.splitlines() == [
        "warning: skipped: photos/broken.png: is no image that Pillow can read",
        "error: 1 of 4 images could not be used",
    ]
    assert "files that are no images: 1" in printed
    rows = list(csv.DictReader((tmp_path / "new.csv").read_text().splitlines()))
    centers = read_run(straight_run).dump("test-final").points
    features = read_run(straight_run).embed(TEST[:3]).features
    assert [row["name"] for row in rows] == [f"photos/{index}.png" for index in range(3)]
    for index, row in enumerate(rows):
        distances = np.linalg.norm(features[index].astype(float) - centers, axis=1)
        nearest, following = np.argsort(distances)[:2]
        assert (row["nearest"], row["next"]) == (str(nearest), str(following))
        assert float(row["distance"]) == pytest.approx(distances[nearest])
        assert float(row["next_distance"]) == pytest.approx(distances[following])
        assert float(row["score"]) == -float(row["distance"])
        assert float(row["feature_1"]) == features[index, 1]
    head = "image head nearest center distance next next distance known"
    assert " ".join(printed.splitlines()[0].split()) == head
    code, printed, errors = here("embed", straight_run, "photos", "--strict", "--out", "strict.csv")
    assert (code, printed) == (1, "")
    assert errors == "error: photos/broken.png: is no image that Pillow can read\n"
    assert not (tmp_path / "strict.csv").exists()


def test_what_decides_is_a_score_and_a_threshold(straight_run: Path, photos: Path, here: Here) -> None:
    run = read_run(straight_run)
    found = run.embed(TEST, score="probability", threshold=0.5)
    assert found.known is not None
    np.testing.assert_array_equal(found.known, found.scores >= 0.5)
    strict, wide = (run.embed(TEST, accept=share).known for share in (0.95, 0.99))
    assert strict is not None
    assert wide is not None
    assert strict.sum() < wide.sum()
    _, printed, _ = here("embed", straight_run, "photos/0.png", "--score", "logit", "--threshold", "1e9")
    assert "known: 0; of no known class: 1 (logit below 1e+09)" in printed
    assert printed.splitlines()[2].split()[-1] == "no"


def test_the_network_before_its_end_decides_on_nothing(
    straight_run: Path, photos: Path, tmp_path: Path, here: Here
) -> None:
    code, printed, errors = here("embed", straight_run, "photos/0.png", "--checkpoint", "10")
    assert code == 0
    assert "by the network after step 10" in printed
    assert "known" not in printed
    assert "known or not is left open: the checkpoint is of step 10" in errors
    run = copied(straight_run, tmp_path / "stopped", status="interrupted", reason="Ctrl-C")
    code, _, errors = here("embed", run.name, "photos/0.png")
    assert code == 0
    assert "resume it: cl train --resume stopped; this is the network after step 20" in errors


def test_a_run_without_thresholds_names_the_command_that_takes_them(
    straight_run: Path, photos: Path, tmp_path: Path, here: Here
) -> None:
    copied(straight_run, tmp_path / "run", thresholds=None)
    _, printed, errors = here("embed", "run", "photos/0.png")
    assert "known or not is left open: the run has no thresholds yet: `cl evaluate run` takes them" in errors
    assert here("evaluate", "run", "--quiet")[0] == 0
    _, printed, errors = here("embed", "run", "photos/0.png")
    assert (errors, "known: " in printed) == ("", True)


def test_a_loss_without_head_or_class_points(tmp_path: Path, photos: Path, here: Here) -> None:
    settings = (
        "loss.head=none",
        "loss.term=triplet",
        "loss.ramp=null",
        "data.validation=0",
        "train.iterations=11",
        "train.checkpoint_every=10",
    )
    train(config(*settings), tmp_path / "run")
    code, printed, errors = here("embed", "run", "photos/0.png", "photos/1.png")
    assert code == 0
    assert "nearest class mean" in printed
    assert "head" not in printed
    assert "taken from training images" in errors
    code, _, errors = here("embed", "run", "photos/0.png", "--score", "logit")
    assert (code, "has no head, and the score logit needs one" in errors) == (1, True)
    model = open_model(read_run(tmp_path / "run"))
    dump = read_run(tmp_path / "run").dump("train-final")
    assert model.points is not None
    np.testing.assert_allclose(model.points[3], dump.features[dump.labels == 3].mean(axis=0), rtol=1e-5)
    assert model.apply(TEST[:2])[1] is None
    # Of another step the means are taken from the images themselves.
    code, printed, _ = here("embed", "run", "photos/0.png", "--checkpoint", "10")
    assert (code, "nearest class mean" in printed) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run",), 2, "name images, or --split test for those of the run's own data"),
        (("run", "photos", "--split", "test"), 2, "one of the two"),
        (("run", "photos", "--accept", "0.9"), 2, "--accept 0.9: a run has thresholds for 0.95 and 0.99"),
        (("run", "photos", "--out", "new.txt"), 1, "new.txt: the name must end in .npz, .csv or .parquet"),
        (("run", "photos", "--out", "away/new.csv"), 1, "away/new.csv: there is no folder away"),
        (("run", "mine.csv", "--out", "mine.csv"), 1, "mine.csv: holds the images, and would be replaced"),
        (("run", "away.png"), 1, "away.png: no such file; name an image file"),
        (("run", "photos", "--checkpoint", "best"), 1, "run has no best checkpoint"),
        (("sweep", "photos"), 1, "sweep is a sweep: name one of its runs; cl runs sweep lists them"),
        (("photos", "photos"), 1, "photos is not a run directory"),
    ],
)
def test_what_is_refused(
    arguments: tuple[str, ...], code: int, message: str, straight_run: Path, photos: Path, here: Here
) -> None:
    (photos.parent / "run").symlink_to(straight_run)
    (photos.parent / "mine.csv").touch()
    (photos.parent / "sweep").mkdir()
    (photos.parent / "sweep" / "summary.json").write_text("{}")
    found, _, errors = here("embed", *arguments)
    assert (found, message in errors) == (code, True), errors


def test_from_python(straight_run: Path, photos: Path) -> None:
    run = read_run(straight_run)
    found = run.embed(TEST[:5, ..., 0])
    assert found.features.shape == (5, 2)
    assert found.names[4] == "image 4"
    np.testing.assert_array_equal(found.features, run.embed(TEST[:5].astype(np.float32) / 255).features)
    assert run.embed([photos / "0.png", photos / "1.png"]).names == (f"{photos}/0.png", f"{photos}/1.png")
    assert len(run.opened) == 1  # it is opened once
    assert found.head_classes is not None
    assert run.predict(TEST[:5], threshold=-1e9) == [str(label) for label in found.head_classes]
    assert run.predict(TEST[:5], threshold=0.0) == [None] * 5
    with pytest.raises(DataError, match="images has shape"):
        run.embed(TEST[0, ..., 0])
    with pytest.raises(InferenceError, match="no images"):
        run.embed([])
    with pytest.raises(InferenceError, match="no score 'loss': there are distance, cosine"):
        run.embed(TEST[:1], score="loss")
    with pytest.raises(InferenceError, match=r"no threshold to accept 0.9: there are 0.95 and 0.99"):
        run.embed(TEST[:1], accept=0.9)
    with pytest.raises(InferenceError, match="threshold must be a number"):
        run.embed(TEST[:1], threshold=float("nan"))
    assert len(repr(run)) < 500


def test_parquet_needs_its_library(straight_run: Path, photos: Path, tmp_path: Path, here: Here) -> None:
    try:
        from pyarrow import parquet
    except ImportError:
        code, _, errors = here("embed", straight_run, "photos/0.png", "--out", "new.parquet")
        assert (code, "pip install 'centerloss[parquet]'" in errors) == (1, True)
        return
    here("embed", straight_run, "photos", "--out", "new.parquet")
    table = parquet.read_table(tmp_path / "new.parquet").to_pydict()
    assert table["name"] == [f"photos/{index}.png" for index in range(3)]
    assert len(table["features"][0]) == 2


def test_the_nearest_two_points_by_distance_and_by_angle() -> None:
    points = np.array([[1, 0], [0, 5], [-1, -1]], np.float32)
    features = np.array([[2, 1], [0, 0]], np.float32)
    classes, distances = two_nearest(features, points, by_angle=False)
    assert classes.tolist() == [[0, 2], [0, 2]]
    np.testing.assert_allclose(distances, [[np.sqrt(2), np.sqrt(13)], [1, np.sqrt(2)]])
    classes, distances = two_nearest(features, points, by_angle=True)
    assert classes.tolist() == [[0, 1], [NONE, NONE]]
    np.testing.assert_allclose(distances, [[1 - 2 / np.sqrt(5), 1 - 1 / np.sqrt(5)], [1, 1]])


def test_memory_holds_a_few_batches_whatever_the_number_of_images(
    straight_run: Path, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches are read as they are needed: two are ahead of the one that is computed, and no more."""
    from centerloss_core.inference import images

    read, most = 0, 0
    fitted, outputs_of = images.Preprocessing.fitted, evaluation.outputs_of

    def counted(self: Any, image: Any) -> Any:
        nonlocal read
        read += 1
        return fitted(self, image)

    def watched(network: Any, batches: Any) -> Any:
        nonlocal most
        for done, made in enumerate(outputs_of(network, batches)):
            most = max(most, read - done * EVALUATION_BATCH)
            yield made

    monkeypatch.setattr(images.Preprocessing, "fitted", counted)
    monkeypatch.setattr(evaluation, "outputs_of", watched)
    np.savez(tmp_path / "many.npz", images=np.repeat(TEST, 15, axis=0))
    code, printed, _ = here("embed", straight_run, "many.npz", "--out", "many.npz.csv")
    assert code == 0
    assert "5,000 of 5,400 images" in printed  # a line for each tenth
    assert most <= 3 * EVALUATION_BATCH + 10
    assert len((tmp_path / "many.npz.csv").read_text().splitlines()) == 1 + 15 * len(TEST)
