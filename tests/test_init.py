"""`cl train --init RUN`: a new run begins with the weights and centers of another."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import config, stop_at

from centerloss_core.interrupts import InterruptedRunError
from centerloss_core.run_directory.checkpoints import CheckpointError
from centerloss_core.run_directory.errors import RunError
from centerloss_core.training.run import resume, train

pytestmark = pytest.mark.usefixtures("kept_programs")
STILL = ("train.iterations=1", "train.learning_rate=1e-12", "loss.alpha=0", "model.batch_norm=true")


def state(run: Path) -> dict[str, Any]:
    (newest,) = list(run.glob("checkpoints/step-*/state.npz"))[-1:]
    with np.load(newest) as arrays:
        return dict(arrays)


def test_a_run_begins_with_the_weights_and_centers_of_another(
    stopped: Path, tmp_path: Path, here: Any
) -> None:
    source = shutil.copytree(stopped, tmp_path / "source")
    flags = [word for setting in STILL for word in ("--set", setting)]
    code, _, errors = here(
        "train", "--init", "source", "--run-dir", "new", *flags
    )  # with the config of `source`
    assert (code, errors) == (0, "")
    with np.load(source / "checkpoints" / "step-00000013" / "state.npz") as arrays:
        before = dict(arrays)
    after = state(tmp_path / "new")
    assert {name for name in after if name.startswith(("network/", "center_loss/"))} >= {
        "center_loss/centers"
    }
    assert np.any(after["center_loss/centers"])
    for name in after:
        if name.startswith(("network/", "center_loss/")) and "moving" not in name:
            np.testing.assert_allclose(after[name], before[name], atol=1e-7, err_msg=name)
    manifest = json.loads((tmp_path / "new" / "run.json").read_text())
    assert manifest["init"].keys() == {"run", "checkpoint", "sha256"}
    assert (manifest["init"]["run"], manifest["init"]["checkpoint"]) == (str(source), "step-00000013")
    assert manifest["repeat"].endswith(f"--init {source}")


def test_killed_before_its_first_checkpoint_it_begins_with_them_again(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = shutil.copytree(stopped, tmp_path / "source")
    short = config("train.iterations=3")
    train(short, tmp_path / "straight", init=source)
    with monkeypatch.context() as patch:
        stop_at(2, patch)
        with pytest.raises(InterruptedRunError):
            train(short, tmp_path / "run", init=source)
    for checkpoint in (tmp_path / "run" / "checkpoints").iterdir():
        shutil.rmtree(checkpoint)
    resume(tmp_path / "run")
    names = ["features/test-final.npz", "checkpoints/step-00000003/state.npz"]
    for name in names:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    shutil.rmtree(source)
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    with pytest.raises(CheckpointError, match="step-00000013, which is lost"):
        resume(tmp_path / "run")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("model.channels=[4, 8, 9]", "model.channels: [4, 8, 8] there, [4, 8, 9] here"),
        ("model.feature_dim=3", "model.feature_dim: 2 there, 3 here"),
        ("data.name=mnist5k", "images: [8, 8, 1] there, [28, 28, 1] here"),
    ],
)
def test_a_network_of_other_shapes_is_refused_before_anything_is_made(
    setting: str, words: str, stopped: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="has a network of other shapes") as caught:
        train(config(setting), tmp_path / "run", init=stopped)
    assert words in str(caught.value)
    assert str(stopped) in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_what_no_run_can_begin_with_is_named(stopped: Path, tmp_path: Path, here: Any) -> None:
    empty = shutil.copytree(stopped, tmp_path / "empty")
    shutil.rmtree(empty / "checkpoints")
    with pytest.raises(CheckpointError, match="empty has no whole checkpoint to begin with"):
        train(config(), tmp_path / "run", init=empty)
    with pytest.raises(RunError, match="no such directory"):
        train(config(), tmp_path / "run", init=tmp_path / "nowhere")
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "summary.json").write_text("{}")
    for given, words in (
        ("sweep", "sweep is a sweep: name one of its runs"),
        ("nowhere", "no such directory"),
    ):
        code, _, errors = here("train", "--init", given)
        assert code == 1
        assert words in errors
    shutil.copytree(stopped, tmp_path / "source")
    code, _, errors = here("train", "--init", "source", "data.name=mnist5k", "--dry-run")
    assert code == 1
    assert "images: [8, 8, 1] there, [28, 28, 1] here" in errors
    _, said, _ = here("train", "--init", "source", "--lambda", "0.3", "--dry-run")
    assert "runs/source-continued " in said
    code, _, errors = here("train", "--init", "empty", "--resume", "empty")
    assert code == 2
    assert "--init and --resume exclude each other" in errors
