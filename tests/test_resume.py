"""A run that was stopped and resumed ends, to the byte, as one that was never stopped."""

import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from centerloss_core.changes import ChangedError
from centerloss_core.checkpoint_files import CheckpointError
from centerloss_core.config import Config, load_config
from centerloss_core.interrupts import InterruptedRunError
from centerloss_core.runs import Run, RunError
from centerloss_core.train_step import TrainStep
from centerloss_core.training import resume, train

QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
STEPS_PER_EPOCH = 10
LAST_STEP = 20
CLOCKS = ("images_per_second", "seconds", "training_seconds")


def config(*settings: str) -> Config:
    """Two epochs of ten steps with all that a run can have: batch norm, Muon, validation images, rows every 4 steps."""
    own = ["train.epochs=2", "train.batch_size=20", "train.log_every=4", "data.validation=3800"]
    return load_config(QUICKSTART, lambda_=0.1, settings=[*own, "train.checkpoint_seconds=null", *settings])


def without_clocks(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in CLOCKS}


def outcome(path: Path) -> dict[str, Any]:
    """All that must be equal: each dump and each array of the last checkpoint byte for byte, rows and final figures."""
    files = [*(path / "features").iterdir(), path / "checkpoints" / f"step-{LAST_STEP:08d}" / "state.npz"]
    rows = [without_clocks(json.loads(line)) for line in (path / "metrics.jsonl").read_text().splitlines()]
    manifest = json.loads((path / "run.json").read_text())
    return {
        **{file.name: file.read_bytes() for file in files},
        "rows": rows,
        "metrics": without_clocks(manifest["metrics"]),
        "status": manifest["status"],
        "warnings": set(manifest["warnings"]),
    }


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a SIGTERM come while step number `step` is under way."""
    taken = 0
    take = TrainStep.__call__

    def step_and_signal(self: TrainStep, *arguments: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken == step:
            signal.raise_signal(signal.SIGTERM)
        return take(self, *arguments)

    monkeypatch.setattr(TrainStep, "__call__", step_and_signal)


def stopped_run(path: Path, step: int, *settings: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_at(step, patch)
        with pytest.raises(InterruptedRunError, match=f"stopped after step {step} of") as caught:
            train(config(*settings), path)
    assert caught.value.exit_code == 143
    assert caught.value.__notes__ == [f"go on with it: cl train --resume {path}"]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("straight") / "run"
    train(config(), path)
    return outcome(path)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run stopped after step 13, with a checkpoint at step 10 before that; to be copied, not changed."""
    path = tmp_path_factory.mktemp("stopped") / "run"
    stopped_run(path, 13)
    return path


WITHIN_EPOCHS = random.Random(0).sample(sorted(set(range(1, LAST_STEP)) - {STEPS_PER_EPOCH}), 3)


@pytest.mark.parametrize("step", [STEPS_PER_EPOCH, LAST_STEP, *WITHIN_EPOCHS])
def test_stopped_after_any_step_and_resumed_it_ends_the_same(
    step: int, straight: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "run"
    stopped_run(path, step)
    manifest = json.loads((path / "run.json").read_text())
    assert (manifest["status"], manifest["finished"] is None) == ("interrupted", False)
    resume(path)
    assert outcome(path) == straight
    manifest = json.loads((path / "run.json").read_text())
    assert [each["step"] for each in manifest["resumed"]] == [step]
    assert not (path / "lock").exists()


def test_stopped_twice_it_ends_the_same(stopped: Path, straight: dict[str, Any], tmp_path: Path) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        stop_at(2, patch)
        with pytest.raises(InterruptedRunError, match="stopped after step 15 of 20"):
            resume(path)
    resume(path)
    assert outcome(path) == straight


def test_rows_and_dumps_after_the_checkpoint_are_of_steps_taken_again(
    stopped: Path, straight: dict[str, Any], tmp_path: Path
) -> None:
    """As after a kill: the log is ahead of the checkpoint, and its last row is torn."""
    path = shutil.copytree(stopped, tmp_path / "run")
    with (path / "metrics.jsonl").open("a") as log:
        log.write('{"kind": "steps", "step": 16, "accuracy": 0.5}\n{"kind": "st')
    (path / "checkpoints" / ".step-00000016.0123abcd.tmp").mkdir()
    resume(path)
    assert outcome(path) == straight
    assert not list((path / "checkpoints").glob(".*"))


def test_a_run_without_a_checkpoint_begins_anew(straight: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run"
    stopped_run(path, 2)
    shutil.rmtree(path / "checkpoints" / "step-00000002")
    resume(path)
    assert outcome(path) == straight


def test_a_damaged_checkpoint_is_put_aside_with_a_warning_and_the_one_before_is_used(
    stopped: Path, straight: dict[str, Any], tmp_path: Path
) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    newest = path / "checkpoints" / "step-00000013" / "state.npz"
    newest.write_bytes(newest.read_bytes()[:-1])
    warnings: list[str] = []
    resume(path, warn=warnings.append)
    assert [("damaged" in warning) for warning in warnings].count(True) == 1
    assert "step-00000013: damaged" in warnings[0]
    manifest = json.loads((path / "run.json").read_text())
    assert warnings[0] in manifest["warnings"]
    assert [each["step"] for each in manifest["resumed"]] == [10]
    assert outcome(path) == {**straight, "warnings": {warnings[0], *straight["warnings"]}}
    assert len(list((path / "checkpoints").glob("damaged-step-00000013-*"))) == 1


def test_a_changed_config_is_refused_with_the_difference(stopped: Path, tmp_path: Path) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    text = (path / "config.yaml").read_text()
    (path / "config.yaml").write_text(text.replace("learning_rate: 0.04", "learning_rate: 0.01"))
    with pytest.raises(ChangedError) as caught:
        resume(path)
    message = str(caught.value)
    assert "config.yaml was changed after step-00000013 was saved" in message
    assert "-  learning_rate: 0.04" in message
    assert "+  learning_rate: 0.01" in message
    assert "batch_size: 20" not in message  # a difference, not both files
    assert json.loads((path / "run.json").read_text())["status"] == "interrupted"


def test_other_data_is_refused(stopped: Path, tmp_path: Path) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    position = path / "checkpoints" / "step-00000013" / "position.json"
    content = json.loads(position.read_text())
    position.write_text(json.dumps({**content, "data": "sha256:another"}) + "\n")
    resign(path / "checkpoints" / "step-00000013")
    with pytest.raises(ChangedError, match="the data is not what the run was begun with"):
        resume(path)


def resign(checkpoint: Path) -> None:
    """Make SHA256SUMS agree with whatever is there, as a stranger can."""
    from centerloss_core import checkpoint_files

    (checkpoint / "SHA256SUMS").write_bytes(checkpoint_files._sums(checkpoint))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("position.json", b"[]", "other keys than expected"),
        ("position.json", b"{" * 100_000, "is not the position of a run"),
        ("position.json", b'{"step": NaN}', "NaN is not JSON"),
        ("state.npz", b"hello", "not an .npz file"),
    ],
)
def test_a_checkpoint_of_another_program_is_refused(
    name: str, content: bytes, words: str, stopped: Path, tmp_path: Path
) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    checkpoint = path / "checkpoints" / "step-00000013"
    (checkpoint / name).write_bytes(content)
    resign(checkpoint)
    with pytest.raises(CheckpointError, match=words) as caught:
        resume(path)
    assert name in str(caught.value)


def test_a_completed_run_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "run"
    result = train(config("train.epochs=1", "train.batch_size=200"), path)
    before = {each: each.stat().st_mtime_ns for each in path.rglob("*") if each.is_file()}
    assert resume(path).metrics == result.metrics
    assert {each: each.stat().st_mtime_ns for each in path.rglob("*") if each.is_file()} == before


def test_what_makes_the_bits_differ_is_said(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    manifest = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**manifest, "threads": 64}))
    warnings: list[str] = []
    resume(path, warn=warnings.append)
    assert warnings[0].startswith("resumed with threads ")
    assert "begun with 64" in warnings[0]


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run directory"):
        resume(tmp_path)


def test_missing_rows_are_refused(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run", config(), {}) as run:
        run.log_row({"kind": "steps"})
        with pytest.raises(RunError, match=r"metrics\.jsonl: rows are missing at its end"):
            run.forget_rows_after(1000)


def test_the_sums_are_those_of_sha256sum(stopped: Path) -> None:
    import hashlib

    checkpoint = stopped / "checkpoints" / "step-00000013"
    lines = dict(reversed(line.split("  ")) for line in (checkpoint / "SHA256SUMS").read_text().splitlines())
    assert set(lines) == {path.name for path in checkpoint.iterdir()} - {"SHA256SUMS"}
    for name, digest in lines.items():
        assert hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() == digest
    with np.load(checkpoint / "state.npz", allow_pickle=False) as arrays:
        assert "center_loss/centers" in arrays.files
