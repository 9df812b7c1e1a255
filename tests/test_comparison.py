"""`cl compare`: what differs between runs."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import QUICKSTART
from typer.testing import CliRunner, Result

from centerloss_core.config import ConfigError, load_config
from centerloss_core.run_directory.comparison import (
    ComparisonError,
    Twins,
    compare_runs,
    to_first,
)
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.writer import Run
from cli.app import app

ORIGIN = {
    "versions": {"python": "3.11.7", "keras": "3.15.1"},
    "platform": "Linux",
    "git_revision": "abc",
    "backend": "tensorflow",
    "device": "CPU",
    "threads": 2,
    "precision": "float32",
    "data": {"name": "mnist5k", "source": "here", "fingerprint": "f1", "train": 4000, "test": 1000},
}


def make(
    path: Path,
    *settings: str,
    accuracy: float | None = 0.98,
    shift: float = 0.0,
    origin: dict[str, Any] = ORIGIN,
) -> Path:
    """A run as it is when it is completed; with no accuracy, when it has failed."""
    with Run.create(path, load_config(QUICKSTART, settings=list(settings)), origin) as run:
        if accuracy is None:
            run.finish("failed", reason="a test")
            return path
        test = {"accuracy": accuracy, "separation_ratio": 10 * accuracy, "inter_class_distance": None}
        run.finish("completed", metrics={"test": test, "seconds": 60.0, "lambda_eq": 0.5})
        features = np.full((20, 2), shift, np.float32)
        labels = np.zeros(20, np.uint8)
        for name in ("test-final", "train-final"):
            run.write_features(name, FeatureDump(features, labels, labels, np.zeros((10, 2), np.float32)))
    return path


def test_only_the_settings_that_differ_are_shown_by_their_dotted_keys(tmp_path: Path) -> None:
    plain = make(tmp_path / "a", "loss.ramp=null")
    other = make(tmp_path / "b", "loss.lambda=1", "train.seed=7", "loss.ramp.start=0.15", "loss.ramp.end=0.5")
    ramp = {"start": 0.15, "end": 0.5, "from": load_config(other / "config.yaml").loss.ramp.from_}  # type: ignore[union-attr]
    found = compare_runs([plain, other, plain])
    assert found.config == {
        "loss.lambda": [0.01, 1.0, 0.01],
        "loss.ramp": [None, ramp, None],
        "train.seed": [0, 7, 0],
    }
    two_ramps = compare_runs([other, make(tmp_path / "c", "loss.lambda=1", "train.seed=7")])
    assert [key for key in two_ramps.config if key != "loss.ramp.from"] == [
        "loss.ramp.start",
        "loss.ramp.end",
    ]


def test_a_key_that_a_run_is_too_old_to_have_is_at_its_default(tmp_path: Path) -> None:
    new, old = make(tmp_path / "new"), make(tmp_path / "old")
    text = (old / "config.yaml").read_text()
    assert "  tensorboard: false\n" in text
    (old / "config.yaml").write_text(text.replace("  tensorboard: false\n", ""))
    assert compare_runs([new, old]).config == {}


def test_only_the_origins_that_differ_are_shown(tmp_path: Path) -> None:
    one = make(tmp_path / "one")
    changed = {
        "versions": {"python": "3.11.7", "keras": "3.16.0", "jax": "0.10"},
        "threads": 8,
        "data": {**ORIGIN["data"], "source": "elsewhere", "fingerprint": "f2"},  # type: ignore[dict-item]
    }
    other = make(tmp_path / "other", origin={**ORIGIN, **changed})
    with Run.open(other) as run:
        run.update(resumed=[{"step": 13}])
    assert compare_runs([one, other]).provenance == {
        "versions.keras": ["3.15.1", "3.16.0"],
        "versions.jax": [None, "0.10"],
        "threads": [2, 8],
        "data.fingerprint": ["f1", "f2"],
        "resumed_at": [[], [13]],
    }


def test_results_stand_side_by_side_with_the_difference_to_the_first(tmp_path: Path) -> None:
    paths = [make(tmp_path / name, accuracy=value) for name, value in (("a", 0.5), ("b", None), ("c", 0.75))]
    found = compare_runs(paths)
    assert tuple(run.status for run in found.runs) == ("completed", "failed", "completed")
    assert list(found.results) == ["test.accuracy", "test.separation_ratio", "seconds"]
    accuracy = found.results["test.accuracy"]
    assert accuracy == [0.5, None, 0.75]
    assert to_first(accuracy) == [0.0, None, 0.25]
    assert to_first(accuracy[1:]) == [None, None]


def test_equal_configs_are_said_and_whether_their_dumps_are_equal(tmp_path: Path) -> None:
    a = make(tmp_path / "a")
    b = make(tmp_path / "b", accuracy=0.9)
    c = make(tmp_path / "c", shift=1.0)
    other = make(tmp_path / "other", "train.seed=1")
    failed = make(tmp_path / "failed", accuracy=None)
    assert compare_runs([a, b]).twins == [Twins((0, 1), True)]
    assert compare_runs([a, c]).twins == [Twins((0, 1), False)]
    assert compare_runs([a, failed]).twins == [Twins((0, 1), None)]
    assert compare_runs([a, other]).twins == []
    others = make(tmp_path / "others", "train.seed=1")
    assert compare_runs([a, other, b, others]).twins == [Twins((0, 2), True), Twins((1, 3), True)]
    (b / "features" / "train-final.npz").unlink()
    assert compare_runs([a, b]).twins == [Twins((0, 1), None)]


def test_names_are_as_short_as_tells_them_apart(tmp_path: Path) -> None:
    paths = [make(tmp_path / name) for name in ("x/a", "x/b", "y/a")]
    assert compare_runs(paths[:2]).names == ["a", "b"]
    assert compare_runs(paths).names == ["x/a", "x/b", "y/a"]
    assert compare_runs([paths[0], paths[0]]).names == [str(paths[0])] * 2


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    run = make(tmp_path / "sweep" / "point")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ComparisonError, match="two or more"):
        compare_runs([run])
    for name, words in (
        ("nowhere", "no such directory; cl runs lists"),
        ("empty", "it has no run.json"),
    ):
        with pytest.raises(RunError, match=words) as caught:
            compare_runs([run, tmp_path / name])
        assert str(tmp_path / name) in str(caught.value)
    damaged = Path(shutil.copytree(run, tmp_path / "damaged"))
    for content in ("{", "[" * 100_000):
        (damaged / "run.json").write_text(content)
        with pytest.raises(RunError, match=r"damaged/run\.json: cannot be read"):
            compare_runs([run, damaged])
    strange = Path(shutil.copytree(run, tmp_path / "strange"))
    (strange / "config.yaml").write_text("data: {name: mnist}\ntrain: {epochs: 1, speed: 3}\n")
    with pytest.raises(ConfigError, match=r"strange/config.yaml:2: train.speed: unknown key"):
        compare_runs([run, strange])


def test_numbers_that_no_float_holds_do_no_harm(tmp_path: Path) -> None:
    a, b = make(tmp_path / "a"), make(tmp_path / "b")
    content = json.loads((b / "run.json").read_text())
    content["metrics"] = {"test": {"accuracy": None, "intra": "wide", "huge": 10**400, "on": True}}
    (b / "run.json").write_text(json.dumps(content))
    assert {values[1] for values in compare_runs([a, b]).results.values()} == {None}
    content["metrics"] = {"test": {"accuracy": float("nan")}}
    (b / "run.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"run.json: cannot be read \(NaN is not JSON\)"):
        compare_runs([a, b])


# ---- The command ------------------------------------------------------------------------------------------


def compare(*arguments: str) -> Result:
    """`cl compare` in this process."""
    return CliRunner().invoke(app, ["compare", *arguments])


def test_the_tables_say_it_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "a", accuracy=0.98)
    make(tmp_path / "b", "loss.lambda=1", accuracy=0.99, origin={**ORIGIN, "threads": None})
    make(tmp_path / "c", accuracy=0.98)
    done = compare("a", "b", "c")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = [re.sub(" +", " ", line) for line in done.stdout.splitlines()]
    for line in (
        "loss.lambda 0.01 1 0.01",
        "threads 2 – 2",
        "warnings 0 0 0",
        "test softmax 98.00 ± 0.45 % 99.00 ± 0.32 % (+1.00) 98.00 ± 0.45 % (=)",
        "test inter/intra 9.800 9.900 (+0.1) 9.800 (=)",
        "time 1 min 00 s 1 min 00 s (=) 1 min 00 s (=)",
        "±: standard error, by the number of images",
    ):
        assert line in lines
    assert done.stdout.splitlines()[-1] == (
        "a and c have the same config; their final feature dumps are equal byte for byte."
    )
    assert "No two of them have the same config." in compare("a", "b").stdout


def test_what_was_evaluated_and_warned_of_is_compared_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    evaluation = {
        "settings": {"neighbors": 10},
        "test": {
            "images": 1000,
            "accuracy": 0.98,
            "knn_accuracy": 0.75,
            "cosine_eer": 0.25,
            "cosine_auc": 0.99,
            "silhouette": 0.5,
            "verification_images": 1000,
            "per_class": [{"class": 0}],
            "confusion": {"softmax": [[1]]},
        },
    }
    with Run.open(make(tmp_path / "a", accuracy=0.98)) as run:
        run.update(evaluation=evaluation, warnings=["the centers stand still"])
    with Run.open(make(tmp_path / "b", accuracy=0.99)) as run:
        run.update(
            evaluation={"test": {"knn_accuracy": 0.5, "cosine_eer": 0.375}},
            warnings=list(map(str, range(12))),
        )
    make(tmp_path / "c", "train.seed=1")
    done = compare("a", "b", "c")
    lines = [re.sub(" +", " ", line) for line in done.stdout.splitlines()]
    for line in (
        "warnings 1 12 0",
        "Evaluation a b c",
        "test nearest training images 75.00 ± 1.37 % 50.00 ± 1.58 % (-25.00) –",
        "test silhouette 0.5000 – –",
        "test cosine: AUC 0.99000 – –",
        "test cosine: EER 25.00 % 37.50 % (+12.50) –",
        "warning: a: the centers stand still",
        "2 more are in b/run.json",
    ):
        assert line in lines
    assert sum(line.startswith("test softmax") for line in lines) == 1  # the run has noted it itself
    assert "neighbors" not in done.stdout
    found = json.loads(compare("a", "b", "--json").stdout)
    assert found["runs"][0]["warnings"] == ["the centers stand still"]
    eer = {"key": "test.cosine_eer", "values": [0.25, 0.375], "differences": [0.0, 0.125]}
    assert eer in found["evaluation"]
    assert "Evaluation" not in compare("c", "c").stdout


def test_json_has_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "a", accuracy=0.5)
    make(tmp_path / "b", accuracy=0.25, shift=1.0)
    found = json.loads(compare("a", "b", "--json").stdout)
    assert list(found) == ["runs", "config", "provenance", "results", "evaluation", "same_config"]
    assert found["runs"][1].pop("settings")["loss.lambda"] == 0.01
    assert found["runs"][1] == {"path": "b", "name": "b", "status": "completed", "warnings": []}
    assert found["evaluation"] == []
    assert found["results"][0] == {"key": "test.accuracy", "values": [0.5, 0.25], "differences": [0.0, -0.25]}
    assert found["same_config"] == [{"runs": ["a", "b"], "final_dumps_equal": False}]


def test_wrong_calls_end_in_a_message(here: Any, tmp_path: Path) -> None:
    make(tmp_path / "a")
    for arguments, code in ((["a"], 2), ([], 2), (["a", "nowhere"], 1)):
        ended, said, errors = here("compare", *arguments)
        assert (ended, said) == (code, "")
        assert errors
        assert "Traceback" not in errors
