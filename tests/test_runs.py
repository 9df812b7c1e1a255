"""The run directory, without TensorFlow."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from centerloss_core.config import Config, load_config
from centerloss_core.config.axes import point_name
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.history import last_row
from centerloss_core.run_directory.lock import DirectoryLock, InUseError, ReplacedError
from centerloss_core.run_directory.manifest import read_manifest
from centerloss_core.run_directory.names import checkpoint_path, checkpoints, free_path
from centerloss_core.run_directory.resume_check import begun_config
from centerloss_core.run_directory.writer import Run

QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"


@pytest.fixture
def config() -> Config:
    return load_config(QUICKSTART, {"loss.lambda": 0.1, "loss.alpha": 0.25, "train.seed": 7})


def test_checkpoints_are_in_the_order_of_their_steps_however_long_a_run_is(
    tmp_path: Path, config: Config
) -> None:
    with Run.create(tmp_path / "run", config, {}) as run:
        steps = (20, 99_999_980, 100_000_000, 1_000_000_000)
        for step in reversed(steps):
            checkpoint_path(run.path, step).mkdir()
        (run.path / "checkpoints" / "step-00000001-copy").mkdir()
        assert checkpoints(run.path) == [checkpoint_path(run.path, step) for step in steps]


def test_of_very_many_warnings_the_first_are_kept(tmp_path: Path, config: Config) -> None:
    with Run.create(tmp_path / "run", config, {}) as run:
        for number in range(150):
            run.warn(f"warning {number}")
    assert read_manifest(tmp_path / "run")["warnings"] == [f"warning {number}" for number in range(100)]


def test_a_new_run_is_complete_before_the_first_step(tmp_path: Path, config: Config) -> None:
    run = Run.create(tmp_path / "deep" / "down" / "run", config, {"device": "CPU"})
    assert {path.name for path in run.path.iterdir()} == {
        "checkpoints",
        "config.yaml",
        "features",
        "lock",
        "plots",
        "run.json",
    }
    manifest = json.loads((run.path / "run.json").read_text())
    assert (manifest["status"], manifest["name"], manifest["device"]) == ("running", "run", "CPU")
    assert (manifest["lambda"], manifest["alpha"], manifest["seed"]) == (0.1, 0.25, 7)
    assert load_config(run.path / "config.yaml") == config


def test_rows_are_in_the_file_when_logged(tmp_path: Path, config: Config) -> None:
    run = Run.create(tmp_path / "run", config, {})
    for step in (1, 2):
        run.log_row({"kind": "steps", "step": step})
    assert last_row(run.path, kind="steps") == {"kind": "steps", "step": 2}
    assert last_row(run.path, kind="epoch") is None
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "steps", "step": 3')  # a row that is still being written
    assert last_row(run.path, kind="steps") == {"kind": "steps", "step": 2}


def test_the_last_row_of_a_long_log_is_found_at_its_end(tmp_path: Path, config: Config) -> None:
    run = Run.create(tmp_path / "run", config, {})
    for step in range(2000):
        run.log_row({"kind": "steps", "step": step})
    assert last_row(run.path, kind="steps") == {"kind": "steps", "step": 1999}


def test_nan_never_reaches_a_json_file(tmp_path: Path, config: Config) -> None:
    run = Run.create(tmp_path / "run", config, {})
    before = (run.path / "run.json").read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.update(metrics={"accuracy": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.log_row({"softmax_loss": float("inf")})
    assert (run.path / "run.json").read_bytes() == before


def test_two_runs_cannot_have_one_directory(tmp_path: Path, config: Config) -> None:
    run = Run.create(tmp_path / "run", config, {})
    with pytest.raises(
        InUseError, match=rf"run is in use by process {os.getpid()} on .* choose another --run-dir"
    ):
        Run.create(tmp_path / "run", config, {})
    run.close()
    with pytest.raises(
        RunError, match=r"run exists already .* continue it with --resume .* choose another --run-dir"
    ):
        Run.create(tmp_path / "run", config, {})


WRITES: dict[str, Callable[[Any], Any]] = {
    "finish": lambda run: run.finish("interrupted", reason="Ctrl-C"),
    "warn": lambda run: run.warn("slow"),
    "resume": lambda run: run.resume(3, {}),
    "log_row": lambda run: run.log_row({"kind": "steps", "step": 1}),
    "metrics_bytes": lambda run: run.metrics_bytes(),
    "forget_rows_after": lambda run: run.forget_rows_after(0),
    "open_log": lambda run: run.open_log(),
    "writing": lambda run: run.writing("evaluation.csv").__enter__(),
    "write_json": lambda run: run.write_json("evaluation.json", {}),
    "tensorboard_folder": lambda run: run.tensorboard_folder(),
    "append": lambda run: run.append("tensorboard/events", b"1"),
    "write_features": lambda run: run.write_features("test-final", None),
    "write_checkpoint": lambda run: run.write_checkpoint({}, None),
    "put_aside": lambda run: run.put_aside(run.path / "features"),
}


@pytest.mark.skipif(os.name == "nt", reason="a folder with an open file stays where it is")
@pytest.mark.parametrize("fate", ["moved", "removed"])
def test_a_run_whose_directory_was_replaced_writes_nothing_into_the_other(
    fate: str, tmp_path: Path, config: Config
) -> None:
    """As after Ctrl-Z, `rm -r run`, a new run of that name, and `fg`."""
    path = tmp_path / "run"
    first = Run.create(path, config, {})
    first.log_row({"kind": "steps", "step": 1})
    if fate == "moved":
        path.rename(tmp_path / "elsewhere")
    else:
        shutil.rmtree(path)
    for write in WRITES.values():
        with pytest.raises(ReplacedError, match=r"run was removed or moved away .*: nothing more is"):
            write(first)
    assert not path.exists()
    with Run.create(path, config, {}) as second:
        second.log_row({"kind": "steps", "step": 7})
        second.finish("completed", metrics={})
        before = {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}
        for write in WRITES.values():
            with pytest.raises(ReplacedError, match=r"run was replaced, or its lock removed, .*: nothing"):
                write(first)
        first.close()
        assert {each: each.read_bytes() for each in path.rglob("*") if each.is_file()} == before
        with pytest.raises(InUseError):
            DirectoryLock(path)
    if fate == "moved":
        assert read_manifest(tmp_path / "elsewhere")["status"] == "running"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, config: Config) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file is a file, and .*run cannot be made in it"):
        Run.create(tmp_path / "file" / "run", config, {})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is not a run directory: it has no run.json"),
        ("{", "cannot be read"),
        ("[1]", "expected a JSON object, found list"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_bad_manifest_is_named(tmp_path: Path, content: str | bytes | None, words: str) -> None:
    if content is not None:
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / "run.json").write_bytes(data)
    with pytest.raises(RunError, match=words) as caught:
        read_manifest(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("content", [None, "{"])
def test_a_manifest_that_was_lost_has_a_mend(tmp_path: Path, config: Config, content: str | None) -> None:
    Run.create(tmp_path / "run", config, {}).close()
    (tmp_path / "run" / "run.json").unlink()
    if content is not None:
        (tmp_path / "run" / "run.json").write_text(content)
    words = r"run\.json: cannot be read \(.*\)" if content else r"run\.json was lost"
    mend = r"put it back from a copy, or train the run again: cl train --config .*run.config\.yaml"
    with pytest.raises(RunError, match=f"{words}: {mend}"):
        read_manifest(tmp_path / "run")


def test_a_manifest_that_may_not_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    with pytest.raises(RunError, match=r"run\.json: cannot be read \(.*\)$"):
        read_manifest(tmp_path)


def test_a_config_that_was_lost_has_a_mend(tmp_path: Path, config: Config) -> None:
    path = tmp_path / "run"
    Run.create(path, config, {}).close()
    text = (path / "config.yaml").read_text()
    (path / "config.yaml").unlink()
    with pytest.raises(RunError, match=r'config\.yaml is missing, .*run\.json keeps it as "config"'):
        begun_config(path)
    (path / "config.yaml").write_text(json.dumps(read_manifest(path)["config"]))  # JSON is YAML
    assert begun_config(path) == config
    (path / "config.yaml").unlink()
    (path / "checkpoints" / "step-00000003").mkdir()
    (path / "checkpoints" / "step-00000003" / "config.yaml").write_text(text)
    with pytest.raises(RunError, match=r"put it back: cp .*step-00000003.config\.yaml .*run.config\.yaml$"):
        begun_config(path)


def test_a_folder_in_the_place_of_the_lock_is_named(tmp_path: Path, config: Config) -> None:
    Run.create(tmp_path / "run", config, {}).close()
    (tmp_path / "run" / "lock").mkdir()
    with pytest.raises(RunError, match=r"run.lock is not an ordinary file: remove it"):
        Run.open(tmp_path / "run")


def test_a_dead_runs_directory_can_be_taken_over_and_its_manifest_completed(
    tmp_path: Path, config: Config
) -> None:
    Run.create(tmp_path / "run", config, {}).close()
    (tmp_path / "run" / "features" / ".test-final.npz.0123abcd.tmp").write_text("half of it")
    with Run.open(tmp_path / "run") as run:
        run.finish("failed", reason="killed")
    manifest = read_manifest(tmp_path / "run")
    assert (manifest["status"], manifest["reason"], manifest["lambda"]) == ("failed", "killed", 0.1)
    assert list((tmp_path / "run" / "features").iterdir()) == []


def test_free_names_count_up(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        path = free_path(tmp_path, "mnist-sweep")
        path.mkdir()
        names.append(path.name)
    assert names == ["mnist-sweep", "mnist-sweep-2", "mnist-sweep-3"]


def test_point_names_tell_every_lambda_apart() -> None:
    values = (0.0, 1e-7, 0.01, 0.1, 0.1000001, 1.0, 10.0)
    names = {point_name(load_config(QUICKSTART, {"loss.lambda": value}).settings()) for value in values}
    assert len(names) == len(values)
    assert "lambda0.01-alpha0.5-seed0" in names
