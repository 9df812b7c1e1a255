"""A real, small training run through the `train()` that the command line calls; asserts what a user sees."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import last_of_each, one_layer

from centerloss_core.config import Config, load_config
from centerloss_core.datasets import Dataset, Split, load_dataset
from centerloss_core.errors import DivergedError
from centerloss_core.interrupts import InterruptedRunError
from centerloss_core.limits import FILM_IMAGES
from centerloss_core.networks.image_shape import ImageShapeError
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.feature_dumps import read_features
from centerloss_core.run_directory.progress import Progress
from centerloss_core.run_directory.reader import read_run
from centerloss_core.training import Result, reuse, train

pytestmark = pytest.mark.usefixtures("kept_programs")
CHECKPOINT = ("SHA256SUMS", "config.yaml", "position.json", "state.npz")
QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
SMALL = ("data.name=digits8", "model.channels=[8, 16, 32]")
TINY = (
    *SMALL,
    "train.batch_size=20",
    "train.log_every=4",
    "model.batch_norm=false",
    "train.learning_rate=1e-3",
)


def tiny(*settings: str, lambda_: float = 0.01) -> Config:
    return load_config(
        QUICKSTART, {"loss.lambda": lambda_}, settings=last_of_each(*TINY, "train.iterations=9", *settings)
    )


def rows(path: Path, kind: str) -> list[dict[str, Any]]:
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def files(path: Path) -> set[str]:
    return {str(each.relative_to(path)) for each in path.rglob("*") if each.is_file()}


@pytest.fixture(scope="module")
def shown() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def stages() -> list[str]:
    return []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, shown: list[Progress], stages: list[str]) -> Result:
    """Three epochs of the quickstart recipe, with validation images and a batch size that divides nothing."""
    config = load_config(
        QUICKSTART,
        {"loss.lambda": 0.01},
        settings=[
            *SMALL,
            "train.epochs=3",
            "data.validation=100",
            "train.batch_size=32",
            "train.log_every=50",
            "train.dump_train=500",
            "train.checkpoint_seconds=null",
        ],
    )
    return train(config, tmp_path_factory.mktemp("runs") / "real", show=shown.append, stage=stages.append)


def test_it_learns(run: Result) -> None:
    assert run.metrics["test"]["accuracy"] > 0.85
    assert run.metrics["test"]["nearest_center_accuracy"] > 0.85
    assert run.metrics["test"]["separation_ratio"] > 5


def test_it_leaves_exactly_these_files(run: Result) -> None:
    assert files(run.path) == {
        "config.yaml",
        "run.json",
        "metrics.jsonl",
        "log.txt",
        "features/test-epoch-0001.npz",
        "features/test-epoch-0002.npz",
        "features/test-epoch-0003.npz",
        "features/test-final.npz",
        "features/train-final.npz",
        "features/validation-final.npz",
        *(f"checkpoints/step-00000084/{name}" for name in CHECKPOINT),
        *(f"checkpoints/step-00000126/{name}" for name in CHECKPOINT),
    }


def test_final_features_have_logits_and_those_of_epochs_have_none(run: Result) -> None:
    for name, images in (("test", 360), ("validation", 100), ("train", 500)):
        dump = read_features(run.path / "features" / f"{name}-final.npz")
        assert dump.logits is not None
        assert dump.logits.shape == (images, 10)
        assert np.array_equal(dump.logits.argmax(axis=1), dump.predictions)
    assert read_features(run.path / "features" / "test-epoch-0003.npz").logits is None


def test_run_json_says_what_was_done_and_reached(run: Result) -> None:
    manifest = json.loads((run.path / "run.json").read_text())
    assert manifest["status"] == "completed"
    assert (manifest["lambda"], manifest["alpha"], manifest["reduction"], manifest["seed"]) == (
        0.01,
        0.5,
        "sum",
        0,
    )
    assert manifest["lambda_eq"] == pytest.approx(0.32)
    dataset = load_dataset("digits8", validation=100)
    assert manifest["data"] == {
        "name": "digits8",
        "title": dataset.title,
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "train": 1337,
        "validation": 100,
        "test": 360,
        "image_shape": [8, 8, 1],
        "class_names": [str(number) for number in range(10)],
    }
    assert manifest["onednn"] is (os.environ["TF_ENABLE_ONEDNN_OPTS"] != "0")
    assert {"python", "tensorflow", "keras", "numpy"} <= manifest["versions"].keys()
    assert manifest["metrics"] == run.metrics
    assert manifest["metrics"]["images_per_second"] > 0
    assert manifest["metrics"]["seconds"] > manifest["metrics"]["training_seconds"] > 0


@pytest.mark.parametrize(("split", "count"), [("test", 360), ("train", 500)])
def test_the_final_dump_holds_its_images_and_gives_the_reported_figures(
    run: Result, split: str, count: int
) -> None:
    with np.load(run.path / "features" / f"{split}-final.npz", allow_pickle=False) as dump:
        assert {"features", "labels", "predictions", "centers"} <= set(dump.files)
        features, labels, centers = dump["features"], dump["labels"].astype(int), dump["centers"]
        predictions = dump["predictions"]
    assert (features.shape, features.dtype, centers.shape) == ((count, 2), np.float32, (10, 2))
    images = getattr(load_dataset("digits8", validation=100), split)
    assert np.array_equal(labels, images.thinned(500).labels)  # all of the test images
    nearest = np.array(
        [np.argmin([np.hypot(*(x - c)) for c in centers]) for x in features.astype(np.float64)]
    )
    means = [features[labels == j].mean(axis=0, dtype=np.float64) for j in range(10)]
    intra = np.mean([np.hypot(*(x - means[j])) for x, j in zip(features, labels, strict=True)])
    pairs = [np.hypot(*(means[i] - means[j])) for i in range(10) for j in range(i)]
    reported = run.metrics[split]
    assert reported["accuracy"] == pytest.approx((predictions == labels).mean())
    assert reported["nearest_center_accuracy"] == pytest.approx((nearest == labels).mean())
    assert reported["intra_class_distance"] == pytest.approx(intra, rel=1e-5)
    assert reported["inter_class_distance"] == pytest.approx(np.mean(pairs), rel=1e-5)
    assert reported["inter_class_distance_min"] == pytest.approx(min(pairs), rel=1e-5)
    assert reported["separation_ratio"] == pytest.approx(np.mean(pairs) / intra, rel=1e-5)


def test_train_and_test_dumps_stand_on_the_same_centers_as_the_last_checkpoint(run: Result) -> None:
    with np.load(run.path / "checkpoints" / "step-00000126" / "state.npz", allow_pickle=False) as checkpoint:
        centers = checkpoint["center_loss/centers"]
    for split in ("test", "train"):
        with np.load(run.path / "features" / f"{split}-final.npz", allow_pickle=False) as dump:
            assert np.array_equal(dump["centers"], centers)
    # Centers follow the features: each ends nearest to the mean of its own class.
    with np.load(run.path / "features" / "train-final.npz", allow_pickle=False) as dump:
        means = np.stack([dump["features"][dump["labels"] == j].mean(axis=0) for j in range(10)])
    distances = np.linalg.norm(means[:, None] - centers[None], axis=-1)
    assert (distances.argmin(axis=1) == np.arange(10)).all()


def test_the_log_tells_lambda_rate_losses_and_epochs(run: Result) -> None:
    steps, epochs = rows(run.path, "steps"), rows(run.path, "epoch")
    assert [row["step"] for row in steps] == [50, 100, 126]
    assert [(row["epoch"], row["step"]) for row in epochs] == [(1, 42), (2, 84), (3, 126)]
    assert steps[-1]["lambda"] == 0.01
    # Row 50 is the 50th step, which begins when 49 of 126 are done: on the ramp from 20 % to 80 % of the run.
    assert steps[0]["lambda"] == pytest.approx(0.01 * 10 ** (-3 * (0.8 - 49 / 126) / 0.6))
    down = (49.5 / 126 - 0.1) / 0.9
    assert steps[0]["learning_rate"] == pytest.approx(0.04 * (0.001 + 0.999 * (1 + np.cos(np.pi * down)) / 2))
    assert steps[-1]["softmax_loss"] < steps[0]["softmax_loss"]
    assert epochs[-1]["test"] == run.metrics["test"]
    assert epochs[-1]["validation"] == run.metrics["validation"]


def test_progress_reaches_the_end(run: Result, shown: list[Progress], stages: list[str]) -> None:
    assert [stage.split()[0] for stage in stages] == ["loading", "importing", "building"]
    assert [progress.step for progress in shown if progress.figures] == [50, 100, 126]
    assert shown[-1].seconds_left == 0
    assert shown[-1].epoch == pytest.approx(126 * 32 / 1337)


def test_the_saved_config_repeats_the_run_to_the_bit(tmp_path: Path) -> None:
    first = train(tiny(), tmp_path / "first")
    again = train(load_config(first.path / "config.yaml"), tmp_path / "again")
    other = train(tiny("train.seed=1"), tmp_path / "other")
    for name in ("features/test-final.npz", "features/train-final.npz", "config.yaml"):
        assert (first.path / name).read_bytes() == (again.path / name).read_bytes()
    dump = "features/test-final.npz"
    assert (first.path / dump).read_bytes() != (other.path / dump).read_bytes()


def test_dumps_between_the_steps_change_no_step(tmp_path: Path) -> None:
    plain = train(tiny(), tmp_path / "plain").path / "features"
    dumped = train(tiny("train.dump_every=4"), tmp_path / "dumped").path / "features"
    assert {path.name for path in dumped.iterdir()} - {path.name for path in plain.iterdir()} == {
        f"test-step-{step:08d}.npz" for step in (4, 8, 9)
    }
    assert (dumped / "test-final.npz").read_bytes() == (plain / "test-final.npz").read_bytes()
    moving, last = (read_features(dumped / f"test-{name}.npz") for name in ("step-00000009", "final"))
    assert len(moving.labels) == min(FILM_IMAGES, len(last.labels))
    assert set(map(bytes, moving.features)) <= set(map(bytes, last.features))


def test_lambda_zero_takes_the_same_path(tmp_path: Path) -> None:
    result = train(tiny(lambda_=0.0), tmp_path / "zero")
    with np.load(result.path / "features" / "test-final.npz", allow_pickle=False) as dump:
        assert np.abs(dump["centers"]).sum() > 0  # centers follow the features though they pull at nothing
    assert {row["lambda"] for row in rows(result.path, "steps")} == {0.0}
    assert all(row["center_loss"] > 0 for row in rows(result.path, "steps"))


def test_without_a_term_a_run_knows_neither_lambda_nor_centers(tmp_path: Path) -> None:
    shown: list[Progress] = []
    result = train(tiny("loss.term=none"), tmp_path / "none", show=shown.append, network=one_layer)
    with np.load(result.path / "features" / "test-final.npz", allow_pickle=False) as dump:
        assert "centers" not in dump.files
    assert result.metrics["test"]["nearest_center_accuracy"] is None
    names = {"kind", "step", "epoch", "softmax_loss", "accuracy", "learning_rate", "images_per_second"}
    assert all(row.keys() == names for row in rows(result.path, "steps"))
    assert shown[-1].figures.keys() == {"softmax_loss", "accuracy"}
    run = read_run(result.path)
    for key in ("lambda", "alpha", "reduction", "lambda_eq"):
        assert run.manifest[key] is None
    assert (run.lambda_, run.alpha, run.seed, run.lambda_eq) == (None, None, 0, None)


def test_more_feature_dimensions_and_the_authors_options(tmp_path: Path) -> None:
    settings = ["model.feature_dim=3", "model.head_bias=false", "model.input_scaling=symmetric"]
    settings += ["model.initializer=xavier", "loss.centers_start=xavier", "loss.reduction=mean"]
    settings += ["train.optimizer=sgd", "train.weight_decay=5e-4", "train.learning_rate=0.01"]
    settings += [
        "train.schedule={milestones: [5], factor: 0.8}",
        "train.precision=float32",
        "train.head_rate=1.0",
    ]
    result = train(tiny(*settings, lambda_=0.1), tmp_path / "author")
    assert json.loads((result.path / "run.json").read_text())["lambda_eq"] == 0.1
    assert [row["learning_rate"] for row in rows(result.path, "steps")] == [0.01, 0.008, 0.008]
    with np.load(result.path / "features" / "test-final.npz", allow_pickle=False) as dump:
        assert (dump["features"].shape, dump["centers"].shape) == ((360, 3), (10, 3))


def test_the_pace_of_the_first_steps_is_kept_until_the_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep reads it, where the first row is late."""
    monkeypatch.setattr("centerloss_core.training.observers._FIRST_SECONDS", 0.0)
    path = tmp_path / "run"
    paces = []
    train(
        tiny("train.log_every=100"),
        path,
        show=lambda _: paces.append(json.loads((path / "run.json").read_text()).get("pace")),
    )
    assert paces[0].keys() == {"step", "epoch", "images_per_second"}
    assert paces[0]["step"] == 6
    assert "pace" not in json.loads((path / "run.json").read_text())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([], r"at step \d the loss became NaN or infinite: lower train.learning_rate"),
        (["loss.term=none"], "NaN or infinite: lower train.learning_rate$"),  # there is no λ to grow
        (
            ["train.log_every=1000", "train.batch_size=500"],
            r"at step \d the loss became NaN",
        ),  # at the epoch's end
        (
            ["train.iterations=1", "loss.ramp=null"],
            "after step 1 the features became NaN",
        ),  # the last step breaks the weights
    ],
)
def test_a_run_that_diverges_says_so_and_is_marked_failed(
    settings: list[str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(DivergedError, match=words):
        train(tiny("train.learning_rate=1e30", "train.schedule=constant", *settings), tmp_path / "diverged")
    manifest = json.loads((tmp_path / "diverged" / "run.json").read_text())
    assert manifest["status"] == "failed"
    assert "NaN or infinite" in manifest["reason"]
    assert not (tmp_path / "diverged" / "features" / "test-final.npz").exists()


def test_ctrl_c_finishes_the_step_saves_and_marks_the_run(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 4:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InterruptedRunError, match="stopped after step 4 of 9") as caught:
        train(tiny(), tmp_path / "stopped", show=interrupt)
    assert caught.value.exit_code == 130
    assert json.loads((tmp_path / "stopped" / "run.json").read_text())["status"] == "interrupted"
    assert caught.value.__notes__ == [f"resume it: cl train --resume {tmp_path / 'stopped'}"]
    assert (tmp_path / "stopped" / "checkpoints" / "step-00000004").is_dir()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_signal_acts_at_once_and_loses_nothing_saved(tmp_path: Path) -> None:
    def insist(progress: Progress) -> None:
        if progress.step == 4:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(InterruptedRunError, match="at once by a second signal") as caught:
        train(
            tiny("train.checkpoint_every=3", "train.checkpoint_seconds=null"),
            tmp_path / "stopped",
            show=insist,
        )
    assert caught.value.exit_code == 143
    assert json.loads((tmp_path / "stopped" / "run.json").read_text())["status"] == "interrupted"
    assert os.listdir(tmp_path / "stopped" / "checkpoints") == ["step-00000003"]


def test_images_that_are_too_small_are_refused_before_a_run_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_small(*arguments: Any, **options: Any) -> Dataset:
        split = Split(np.zeros((2, 7, 9, 1), np.uint8), np.zeros(2, np.int64))
        return Dataset("tiny", "Tiny images", "made up", "none", split, None, split, ("a",))

    monkeypatch.setattr(reuse, "load_dataset", load_small)
    with pytest.raises(ImageShapeError, match="images of Tiny images are 7×9 pixels"):
        train(tiny("data.validation=1"), tmp_path / "run")  # whose data no run before has loaded
    assert not (tmp_path / "run").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "precious.txt").write_text("mine")
    with pytest.raises(RunError, match="exists already and nothing is overwritten"):
        train(tiny(), tmp_path / "taken")
    assert files(tmp_path / "taken") == {"precious.txt"}
