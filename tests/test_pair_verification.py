"""`cl evaluate RUN --pairs`: files, options and errors, against a computation of its own on the images."""

import csv
import json
import math
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import make_run
from PIL import Image
from test_pairs import by_loops

from centerloss_core.datasets.arrays import DataError
from centerloss_core.inference import model as models
from centerloss_core.inference.model import TrainedModel
from centerloss_core.inference.pair_lists import read_pairs
from centerloss_core.inference.verification import verify_run
from centerloss_core.run_directory.reader import read_run

Here = Callable[..., tuple[int, str, str]]
PEOPLE, PICTURES, PER_FOLD = 6, 5, 8
RNG = np.random.default_rng(5)


class Pixels(TrainedModel):
    """A network whose features are the pixels; it also says how large its batches were."""

    def outputs(self, batches: Iterable[np.ndarray]) -> Iterator[Any]:
        for images in batches:
            assert images.dtype == np.uint8
            assert images.shape[1:] == self.image_shape
            yield images.reshape(len(images), -1).astype(np.float32), None


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of noisy grey images of 4×4 pixels, some as PNG, some in colour, and a list in LFW's format."""
    top = tmp_path_factory.mktemp("lfw")
    for person in range(PEOPLE):
        folder = top / "images" / f"person_{person}"
        folder.mkdir(parents=True)
        face = RNG.integers(60, 190, (4, 4))
        for number in range(1, PICTURES + 1):
            picture = np.clip(face + RNG.normal(scale=45, size=(4, 4)), 0, 255).astype(np.uint8)
            shape = picture if number % 2 else np.repeat(picture[..., np.newaxis], 3, axis=2)
            Image.fromarray(shape).save(folder / f"person_{person}_{number:04d}.png")
    lines = [f"10\t{PER_FOLD}"]
    for _ in range(10):
        for _ in range(PER_FOLD):
            person = RNG.integers(PEOPLE)
            first, second = RNG.choice(PICTURES, 2, replace=False) + 1
            lines.append(f"person_{person}\t{first}\t{second}")
        for _ in range(PER_FOLD):
            one, other = RNG.choice(PEOPLE, 2, replace=False)
            first, second = RNG.integers(1, PICTURES + 1, 2)
            lines.append(f"person_{one}\t{first}\tperson_{other}\t{second}")
    (top / "pairs.txt").write_text("\n".join(lines) + "\n")
    return top


def a_model(
    path: Path,
    *,
    size: str = "[4, 4]",
    color: str = "grey",
    shape: tuple[int, int, int] = (4, 4, 1),
    class_names: tuple[str, ...] = (),
) -> TrainedModel:
    make_run(path, data={"image_shape": shape, "class_names": class_names})
    settings = f"{{name: folder, dir: faces, size: {size}, color: {color}}}"
    (path / "config.yaml").write_text(f"data: {settings}\ntrain: {{epochs: 1}}\n")
    return Pixels(read_run(path), None, 7, None, None, shape)  # type: ignore[arg-type]


@pytest.fixture
def model(tmp_path: Path) -> TrainedModel:
    return a_model(tmp_path / "run")


@pytest.mark.parametrize(("flip", "subtract_mean"), [(False, False), (True, True)])
def test_it_reaches_what_a_computation_of_its_own_does(
    images: Path, model: TrainedModel, flip: bool, subtract_mean: bool
) -> None:
    pairs = read_pairs(images / "pairs.txt", images / "images")
    report = verify_run(model, pairs, flip=flip, subtract_mean=subtract_mean)
    features = []
    for path in pairs.images:
        picture = np.asarray(Image.open(path).convert("L"), np.float64)
        features.append(((picture + picture[:, ::-1]) / 2 if flip else picture).ravel())
    written = json.loads((model.run.path / "evaluation-pairs.json").read_text())
    for by in ("cosine", "euclidean"):
        accuracies, thresholds = by_loops(np.array(features), pairs.pairs, by, subtract_mean=subtract_mean)
        figures = written[by]
        np.testing.assert_allclose(figures["accuracies"], accuracies)
        assert figures["accuracy"] == pytest.approx(statistics.fmean(accuracies))
        assert figures["standard_error"] == pytest.approx(statistics.stdev(accuracies) / math.sqrt(10))
        kept = [1 - each**2 / 2 for each in thresholds] if by == "cosine" else thresholds
        np.testing.assert_allclose(figures["cosines" if by == "cosine" else "thresholds"], kept, rtol=1e-5)
    assert 0.6 < written["euclidean"]["accuracy"] < 1
    assert (written["folds"], written["pairs"], written["step"], written["fits"]) == (10, 160, 7, "euclidean")
    with (model.run.path / "evaluation-pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    right = [int(row["same"]) == int(row["cosine_same"]) for row in rows if row["fold"] == "3"]
    assert sum(right) / len(right) == pytest.approx(written["cosine"]["accuracies"][2])
    assert report.written[-1].read_bytes().startswith(b"\x89PNG")
    assert report.warnings == ()


def test_images_are_read_as_the_run_was_trained(images: Path, tmp_path: Path) -> None:
    pairs = read_pairs(images / "pairs.txt", images / "images")
    wide = a_model(tmp_path / "wide", size="[3, 5]", color="rgb", shape=(3, 5, 3))
    assert verify_run(wide, pairs).found["euclidean"].accuracy > 0.5  # `Pixels` looks at the shapes
    with pytest.raises(DataError, match=r"pairs.txt: .*png: has 4×4 pixels, and the run was trained on 5×5"):
        verify_run(a_model(tmp_path / "other", size="null", shape=(5, 5, 1)), pairs)
    broken = replace(pairs, images=(images / "pairs.txt", *pairs.images[1:]))
    with pytest.raises(DataError, match=r"pairs.txt: is no image that Pillow can read"):
        verify_run(wide, broken)


def test_people_that_training_has_seen_are_named(images: Path, tmp_path: Path) -> None:
    seen = a_model(tmp_path / "seen", class_names=("person_1", "person_4", "nobody"))
    (warning,) = verify_run(seen, read_pairs(images / "pairs.txt", images / "images")).warnings
    assert "2 of 6 folders" in warning
    assert "person_1, person_4" in warning


def test_the_command(images: Path, model: TrainedModel, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    run, given = model.run.path, ("--pairs", images / "pairs.txt", "--images", images / "images")
    monkeypatch.setattr(models, "open_model", lambda *_: model)
    code, out, err = here("evaluate", run, *given, "--flip")
    assert (code, err) == (0, "")
    assert "160 pairs (80 of one class) of 30 images in 10 folds, each with its mirror image" in out
    assert [line.split()[0] for line in out.splitlines() if " ± " in line][:2] == ["Euclidean", "cosine"]
    assert (run / "plots" / "pairs-roc.png").is_file()
    assert here("evaluate", run, *given, "--quiet") == (0, "", "")
    for asked, message in (
        ((run, "--pairs", images / "pairs.txt"), "needs --images DIR"),
        ((run, run, *given), "--pairs is for one run"),
        ((run, "--flip"), "go with --pairs FILE"),
    ):
        code, out, err = here("evaluate", *asked)
        assert (code, out) == (2, "")
        assert message in err
    code, out, err = here("evaluate", run, "--pairs", images / "none.txt", "--images", images / "images")
    assert (code, out) == (1, "")
    assert "none.txt: cannot be read (No such file or directory)" in err
