"""What TensorBoard itself reads from a run, and that nothing of it is there unless it is asked for."""

import importlib.util
import io
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import QUICKSTART, TINY

from centerloss_core.config import Config, load_config
from centerloss_core.datasets import Dataset, Split
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.writer import Run
from centerloss_core.training import tensorboard as ours
from centerloss_core.training.observers import Observers, Recorder
from centerloss_core.training.run import train
from centerloss_core.training.tensorboard import Board, TensorBoardError

pytestmark = pytest.mark.usefixtures("kept_programs")
ASKED = ("train.tensorboard=true",)


@pytest.fixture
def config() -> Config:
    return load_config(QUICKSTART, settings=list(ASKED))


@pytest.fixture
def run(tmp_path: Path, config: Config) -> Iterator[Run]:
    with Run.create(tmp_path / "run", config, {}) as run:
        yield run


def board(run: Run, step: int = 0, images: np.ndarray | None = None) -> Board:
    images = np.zeros((1, 8, 8, 1), np.uint8) if images is None else images
    split = Split(images, np.zeros(len(images), np.int64))
    dataset = Dataset("digits", "MNIST", "made up", "none", split, None, split, tuple("0123456789"))
    return Board(run, load_config(QUICKSTART), dataset, step)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def expected_scalars(rows: list[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """What a metrics log says, by TensorBoard's tags; values in float32, as event files hold them."""
    scalars: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        figures = {
            f"{'train' if row['kind'] == 'steps' else key}/{name}": value
            for key, part in row.items()
            if key not in ("kind", "step", "epoch")
            for name, value in (part.items() if isinstance(part, dict) else [(key, part)])
            if value is not None
        }
        for tag, value in figures.items():
            scalars.setdefault(tag, []).append((row["step"], float(np.float32(value))))
    return scalars


def read(path: Path) -> Any:
    """The event files of a run, through TensorBoard's own reader."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(
        str(path / "tensorboard"), size_guidance={"images": 0, "scalars": 0}
    )
    return events.Reload()


def scalars_of(events: Any) -> dict[str, list[tuple[int, float]]]:
    return {
        tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def picture(data: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)))


def some_dump(count: int = 7, dimensions: int = 2) -> FeatureDump:
    random = np.random.default_rng(0)
    return FeatureDump(
        features=random.normal(size=(count, dimensions)).astype(np.float32),
        labels=np.arange(count) % 10,
        predictions=np.arange(count) * 3 % 10,
        centers=random.normal(size=(10, dimensions)).astype(np.float32),
    )


# ---- Without TensorBoard ------------------------------------------------------------------------------------


def test_a_missing_extra_is_one_line_before_anything_is_made(
    here: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    asked = ("--name", "a", "--quiet", "--set", "train.tensorboard=true")
    code, _, errors = here("train", "--config", QUICKSTART, *asked)
    assert code == 1
    (line,) = errors.splitlines()
    assert "pip install 'centerloss[tensorboard]'" in line
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_does_not_ask_needs_no_tensorboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        ours.importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name)
    )
    Run.create(tmp_path / "run", load_config(QUICKSTART), {}).close()
    assert not (tmp_path / "run" / "tensorboard").exists()
    with pytest.raises(TensorBoardError, match="pip install"):
        train(load_config(QUICKSTART, settings=list(ASKED)), tmp_path / "asks")
    assert not (tmp_path / "asks").exists()


# ---- Event files --------------------------------------------------------------------------------------------

installed = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="needs the extra `tensorboard`"
)


@installed
def test_events_are_in_the_file_at_once_and_are_the_rows(run: Run) -> None:
    observers = Observers([Recorder(run, every_epoch=False), board(run)])
    observers.on_row({"kind": "steps", "step": 1, "epoch": 0.1, "accuracy": 0.1, "lambda": 0.0})
    epoch = {"accuracy": 1 / 3, "separation_ratio": None, "intra_class_distance": 1e-30}
    observers.on_row(
        {"kind": "epoch", "epoch": 1, "step": 2, "test": epoch, "validation": {"accuracy": 0.25}}
    )
    found = scalars_of(read(run.path))
    assert found == expected_scalars(rows_of(run.path))
    assert sorted(found) == [
        "test/accuracy",
        "test/intra_class_distance",
        "train/accuracy",
        "train/lambda",
        "validation/accuracy",
    ]


@installed
@pytest.mark.parametrize("torn", [b"", b"\x10\x00\x00\x00\x00\x00\x00\x00\xff\xff"])
def test_steps_that_are_taken_again_are_not_shown_twice(run: Run, torn: bytes) -> None:
    first = board(run)
    for step in (1, 2, 3):
        first.on_row({"kind": "steps", "step": step, "accuracy": step / 10})
    first.on_epoch(1, 3, some_dump())
    with next((run.path / "tensorboard").iterdir()).open("ab") as file:
        file.write(torn)  # as a kill leaves it
    second = board(run, 2)  # in the same second, by the same process
    for step in (2, 3):
        second.on_row({"kind": "steps", "step": step, "accuracy": step / 5})
    second.on_epoch(1, 3, some_dump())
    events = read(run.path)
    expected = [(1, 0.1), (2, 0.4), (3, 0.6)]
    assert scalars_of(events)["train/accuracy"] == [
        (step, float(np.float32(value))) for step, value in expected
    ]
    assert [each.step for each in events.Images("test/features")] == [3]


@installed
def test_every_session_has_a_later_name(run: Run) -> None:
    folder = run.path / "tensorboard"
    folder.mkdir()
    ahead = int(time.time()) + 1000  # written before the clock was put back
    (folder / f"events.out.tfevents.{ahead:010d}.host.1").touch()
    (folder / "events.out.tfevents.odd").touch()
    (folder / ".images.png.0123abcd.tmp").touch()
    board(run)
    board(run)
    names = sorted(path.name for path in folder.iterdir())
    stamps = [int(found.group(1)) for name in names if (found := re.search(r"tfevents\.(\d+)\.", name))]
    assert stamps == [ahead, ahead + 1, ahead + 2]
    assert not (folder / ".images.png.0123abcd.tmp").exists()


@installed
def test_the_scatter_plot_is_a_picture_of_its_size(run: Run) -> None:
    made = board(run)
    made.on_epoch(1, 5, some_dump())
    made.on_epoch(2, 10, some_dump(dimensions=3))
    images = read(run.path).Images("test/features")
    assert [each.step for each in images] == [5, 10]
    for each in images:
        pixels = picture(each.encoded_image_string)
        assert pixels.shape == (each.height, each.width, 4)
        assert len(np.unique(pixels.reshape(-1, 4), axis=0)) > 10


@installed
def test_a_disk_that_is_full_is_an_error_that_names_the_file(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = board(run)

    def full(*_: object) -> Any:
        return Path("/dev/full").open("ab")

    monkeypatch.setattr(Run, "_open_to_append", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        made.on_row({"kind": "steps", "step": 1, "accuracy": 0.5})
    assert Path(caught.value.filename).name.startswith("events.out.tfevents")


# ---- The projector ------------------------------------------------------------------------------------------


@installed
@pytest.mark.parametrize(("count", "dimensions"), [(7, 2), (9, 1), (10, 5)])
def test_the_projector_has_features_labels_and_digits(count: int, dimensions: int, run: Run) -> None:
    from google.protobuf import text_format
    from tensorboard.plugins.projector import projector_config_pb2, projector_plugin

    dump = some_dump(count, dimensions)
    images = np.random.default_rng(1).integers(0, 100, (count, 28, 28), dtype=np.uint8)
    board(run, images=images).on_end({"test": dump})
    folder = run.path / "tensorboard"
    text = (folder / "projector_config.pbtxt").read_text()
    (embedding,) = text_format.Parse(text, projector_config_pb2.ProjectorConfig()).embeddings
    # Of points with fewer than three columns the projector shows none.
    assert list(embedding.tensor_shape) == [count, max(3, dimensions)]
    features = projector_plugin._read_tensor_tsv_file(str(folder / embedding.tensor_path))
    assert features.shape == (count, max(3, dimensions))
    np.testing.assert_array_equal(features[:, :dimensions], dump.features)  # to the bit
    assert not features[:, dimensions:].any()
    head, *lines = (folder / embedding.metadata_path).read_text().splitlines()
    assert head.split("\t") == ["class", "prediction", "image"]
    table = np.array([[int(cell) for cell in line.split("\t")] for line in lines])
    np.testing.assert_array_equal(table.T, [dump.labels, dump.predictions, np.arange(count)])
    assert_sprite_shows(folder / embedding.sprite.image_path, images, list(embedding.sprite.single_image_dim))


def assert_sprite_shows(path: Path, images: np.ndarray, size: list[int]) -> None:
    """Cut the sheet as the projector does: row by row, as many in a row as fit."""
    sheet = picture(path.read_bytes())
    width, height = size
    in_a_row = sheet.shape[1] // width
    for number, image in enumerate(images):
        top, left = number // in_a_row * height, number % in_a_row * width
        np.testing.assert_array_equal(
            sheet[top : top + height, left : left + width], 255 - image.reshape(height, width)
        )


# ---- Real runs ----------------------------------------------------------------------------------------------


@installed
def test_a_run_from_the_command_line(here: Any, tmp_path: Path) -> None:
    """Of two epochs and a bit."""
    longer = {"train.iterations=3": "train.iterations=33", "train.batch_size=20": "train.batch_size=100"}
    settings = [*(longer.get(each, each) for each in TINY), "--set", ASKED[0]]
    code, _, errors = here("train", "--config", QUICKSTART, *settings, "--run-dir", "run")
    assert code == 0, errors
    assert_is_shown_whole(tmp_path / "run")


@installed
@pytest.mark.parametrize("step", [10, 12])  # the end of an epoch; the end of an interval, whose row is kept
def test_a_resumed_run_shows_each_step_once_and_ends_the_same(
    step: int, straight: dict[str, Any], tmp_path: Path
) -> None:
    from comparing import outcome, stopped_run

    from centerloss_core.training.run import resume

    path = tmp_path / "run"
    stopped_run(path, step, *ASKED)
    with Run.open(path) as run:  # as if it had continued after its checkpoint, and been killed
        observers = Observers([Recorder(run, every_epoch=False), board(run, step)])
        observers.on_row({"kind": "epoch", "epoch": 1, "step": step, "test": {"accuracy": 0.5}})
        observers.on_row({"kind": "steps", "step": 16, "accuracy": 0.5})
    resume(path)
    assert outcome(path) == straight
    assert_is_shown_whole(path)


def assert_is_shown_whole(path: Path) -> None:
    """Every row of the log, a picture for each epoch, and the test digits, each where its feature is."""
    from centerloss_core.datasets import load_dataset
    from centerloss_core.run_directory.feature_dumps import read_features

    config = load_config(path / "config.yaml")
    events = read(path)
    rows = rows_of(path)
    assert scalars_of(events) == expected_scalars(rows)
    epochs = [row["step"] for row in rows if row["kind"] == "epoch"]
    assert epochs
    assert [each.step for each in events.Images("test/features")] == epochs
    test = load_dataset(config.data.name, dir=config.data.dir, validation=config.data.validation).test
    dump = read_features(path / "features" / "test-final.npz")
    folder = path / "tensorboard"
    points = np.loadtxt(folder / "features.tsv", dtype=np.float32, delimiter="\t")
    np.testing.assert_array_equal(points[:, :2], dump.features)
    labels = np.loadtxt(folder / "labels.tsv", dtype=int, delimiter="\t", skiprows=1)
    np.testing.assert_array_equal(labels[:, 0], test.labels)
    assert_sprite_shows(folder / "images.png", test.images, list(test.images.shape[2:0:-1]))
