"""The run directory, without TensorFlow."""

import json
import os
from pathlib import Path

import pytest

from centerloss_core.config import Config, load_config
from centerloss_core.locks import InUseError
from centerloss_core.runs import (
    Run,
    RunError,
    free_path,
    last_row,
    point_name,
    read_manifest,
)

QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"


@pytest.fixture
def config() -> Config:
    return load_config(QUICKSTART, lambda_=0.1, alpha=0.25, seed=7)


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


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, config: Config) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file.run cannot be made \(Not a directory\)"):
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
    names = {point_name(load_config(QUICKSTART, lambda_=value)) for value in values}
    assert len(names) == len(values)
    assert "lambda0.01-alpha0.5-seed0" in names
