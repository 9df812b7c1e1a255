"""The one reader of run and sweep directories."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from centerloss_core.config import load_config
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.lock import DirectoryLock
from centerloss_core.run_directory.names import checkpoint_path
from centerloss_core.run_directory.reader import look_at, read_directory, read_run, read_sweep
from centerloss_core.run_directory.writer import Run

QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
DATA = {"title": "Ten digits", "class_names": ["zero", "one"], "image_shape": [8, 8, 1]}
TEST = {"accuracy": 0.5}


def make(path: Path, *settings: str, status: Any = "completed", **fields: Any) -> Path:
    """A run with a row, an epoch, a feature dump of it and a checkpoint; the final dump too, once it is completed."""
    points = np.ones((3, 2), np.float32)
    labels = np.array([0, 1, 1])
    dump = FeatureDump(points, labels, labels, points[:2])
    with Run.create(path, load_config(QUICKSTART, settings=list(settings)), {"data": DATA}) as run:
        run.log_row({"kind": "epoch", "step": 5, "epoch": 1, "test": TEST})
        for loss in (3.0, 2.0):  # the second time after a resume
            run.log_row({"kind": "steps", "step": 7, "softmax_loss": loss})
        run.write_features("test-epoch-0001", dump)
        checkpoint_path(path, 7).mkdir()
        if status == "completed":
            run.write_features("test-final", dump)
            fields.setdefault("metrics", {"test": TEST, "seconds": 1.0})
        if status != "running":
            run.finish(status, **fields)
    return path


def test_a_completed_run(tmp_path: Path) -> None:
    path = make(tmp_path / "run", "loss.lambda=0.25", "train.seed=3", warnings=["slow"])
    run = read_run(str(path))
    assert (run.name, run.status, run.problem, run.reason) == ("run", "completed", None, None)
    assert (run.lambda_, run.lambda_eq, run.alpha, run.seed) == (0.25, 6.25, 0.5, 3)
    assert run.settings["model.feature_dim"] == 2
    assert (run.data_title, run.class_names, run.image_shape) == ("Ten digits", ("zero", "one"), (8, 8, 1))
    assert run.metrics == {"test": TEST, "seconds": 1.0}
    assert run.warnings == ["slow"]
    assert run.config() == load_config(path / "config.yaml")
    assert run.checkpoints() == [checkpoint_path(path, 7)]
    assert list(run.dump_paths()) == ["test-epoch-0001", "test-final"]
    assert list(run.epoch_dumps("test")) == [1]
    snapshot = run.snapshot("test")
    assert snapshot is not None
    assert (snapshot.epoch, snapshot.dump.labels.tolist()) == (None, [0, 1, 1])
    assert run.snapshot("train") is None


def test_titles_and_class_names_are_printable_short_and_few(tmp_path: Path) -> None:
    data = {"title": "\x1b[2J" + "t" * 500, "class_names": ["\x1b]0;x\a", "n" * 500, None] * 1000}
    run = read_run(make(tmp_path / "run", data=data))
    assert run.data_title is not None
    texts = [run.data_title, *run.class_names]
    assert all(text.isprintable() for text in texts)
    assert (len(texts[0]), max(map(len, texts[1:])), len(run.class_names)) == (120, 60, 1000)


def test_the_history_has_the_last_row_of_a_step_and_the_end(tmp_path: Path) -> None:
    history = read_run(make(tmp_path / "run")).history()
    assert [row["softmax_loss"] for row in history.steps] == [2.0]
    assert [(row["step"], row["test"]) for row in history.epochs] == [(5, TEST), (7, TEST)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"metrics\.jsonl: cannot be read \(No such file.*\); put it back"),
        ("", "holds no rows, and that of a completed run has some; put it back"),
        (
            '{"kind": "steps"}\n',
            r"metrics\.jsonl:1: not a row of metrics \(missing key 'step'\); put it back",
        ),
        ('{"kind": "steps", "step": 1}\n[3]\n', r"metrics\.jsonl:2: not a row"),
    ],
)
def test_a_damaged_history_is_named(content: str | None, words: str, tmp_path: Path) -> None:
    path = make(tmp_path / "run")
    (path / "metrics.jsonl").unlink()
    if content is not None:
        (path / "metrics.jsonl").write_text(content)
    with pytest.raises(RunError, match=words):
        read_run(path).history()


def test_a_run_that_was_killed_has_its_newest_epoch(tmp_path: Path) -> None:
    path = make(tmp_path / "run", status="running")
    run = read_run(path)
    snapshot = run.snapshot("test")
    assert snapshot is not None
    assert (run.status, run.metrics, snapshot.epoch) == ("stopped", {}, 1)
    assert [row["step"] for row in run.history().epochs] == [5]
    with DirectoryLock(path):
        assert read_run(path).status == "running"


def test_a_damaged_or_missing_run_is_a_record_with_a_problem(tmp_path: Path) -> None:
    path = make(tmp_path / "run")
    text = (path / "run.json").read_text()
    for damaged, words in (
        ("{", "cannot be read (Expecting"),
        (
            text.replace('"format": 2', '"format": 1'),
            "is of format 1, and this version of centerloss knows 2",
        ),
        (text.replace('"completed"', '"done"'), "its status is not one of running, completed"),
    ):
        (path / "run.json").write_text(damaged)
        run = look_at(path)
        assert (run.status, run.manifest, run.settings) == ("damaged", {}, {})
        assert words in str(run.problem)
        with pytest.raises(RunError, match=re.escape(words)):
            read_run(path)
    missing = look_at(tmp_path / "nowhere")
    assert missing.status == "missing"
    assert "no such directory" in str(missing.problem)


def make_sweep(path: Path) -> Path:
    for name, status in (
        ("done", "completed"),
        ("killed", "running"),
        ("lost", "running"),
        ("bad", "completed"),
    ):
        make(path / name, status=status)
    (path / "bad" / "run.json").write_text("{")
    rows = {
        "done": "completed",
        "killed": "running",
        "lost": "failed",
        "bad": "completed",
        "next": "waiting",
        "gone": "completed",
        "starting": "running",
    }
    points = [
        {"directory": name, "status": status, "reason": None, "lambda": 0.5, "settings": {"variant": name}}
        for name, status in rows.items()
    ]
    points[2]["reason"] = "its machine was lost"
    summary = {"format": 2, "command": "cl sweep", "axes": ["variant", "loss.lambda"], "runs": points}
    (path / "summary.json").write_text(json.dumps(summary))
    return path


def test_a_sweep_has_every_point_as_it_is_now(tmp_path: Path) -> None:
    sweep = read_sweep(make_sweep(tmp_path / "sweep"))
    assert {run.name: run.status for run in sweep.runs} == {
        "done": "completed",
        "killed": "stopped",
        "lost": "failed",
        "bad": "damaged",
        "next": "waiting",
        "gone": "missing",
        "starting": "stopped",
    }
    assert [run.name for run in sweep.runs if run.problem is not None] == ["bad"]
    assert sweep.runs[2].reason == "its machine was lost"
    assert (sweep.axes, sweep.command, sweep.data) == (("variant", "loss.lambda"), "cl sweep", DATA)
    assert [run.settings["variant"] for run in sweep.runs][:2] == ["done", "killed"]
    assert [run.lambda_ for run in sweep.runs[3:5]] == [0.5, 0.5]  # the summary knows it
    with DirectoryLock(sweep.path):
        assert read_sweep(sweep.path).runs[-1].status == "running"


def test_what_is_neither_a_run_nor_a_sweep_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"neither a run \(no run\.json\) nor a sweep"):
        read_directory(tmp_path)
    (tmp_path / "summary.json").write_text('{"runs": []}')
    with pytest.raises(RunError, match="names no run"):
        read_directory(tmp_path)
    (tmp_path / "summary.json").write_text('{"runs": [{"directory": "../../etc"}]}')
    with pytest.raises(RunError, match=r"a run's directory is '\.\./\.\./etc', which is not a plain name"):
        read_directory(tmp_path)
