"""`cl runs`: what is found, what is said of it, and in which order."""

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from test_cli import QUICKSTART, cl
from typer.testing import CliRunner, Result

from centerloss_core.config import load_config
from centerloss_core.run_directory.listing import (
    ListingError,
    RunRow,
    choose_rows,
    list_runs,
    sort_rows,
)
from centerloss_core.run_directory.reader import RunRecord
from centerloss_core.run_directory.writer import Run
from cli.app import app, main
from cli.options import UsageError

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEYS = [
    *("name", "path", "status", "reason", "lambda", "lambda_eq", "alpha", "seed", "data", "accuracy"),
    *("nearest_center_accuracy", "nearest_center_accuracy_cosine"),
    *("nearest_mean_accuracy", "nearest_mean_accuracy_cosine"),
    *(
        "separation_ratio",
        "steps",
        "created",
        "age_seconds",
        "duration_seconds",
        "warnings",
        "settings",
    ),
]


def manifest(**fields: Any) -> dict[str, Any]:
    """A `run.json` as a completed run has it."""
    begun = NOW - timedelta(hours=2)
    return {
        "format": 2,
        "status": "completed",
        "reason": None,
        "created": begun.isoformat(timespec="seconds"),
        "finished": (begun + timedelta(seconds=90)).isoformat(timespec="seconds"),
        "resumed": [],
        "warnings": [],
        "lambda": 0.1,
        "alpha": 0.5,
        "lambda_eq": 10.0,
        "seed": 3,
        "config": {"model": {"feature_dim": 2}},
        "data": {"name": "mnist"},
        "metrics": {
            "test": {"accuracy": 0.99, "nearest_center_accuracy": 0.98, "separation_ratio": 30.5},
            "training_seconds": 60.0,
            "seconds": 88.5,
        },
        **fields,
    }


def put(path: Path, **fields: Any) -> Path:
    path.mkdir(parents=True)
    (path / "run.json").write_text(json.dumps(manifest(**fields)))
    return path


def only(directory: Path) -> RunRow:
    (row,) = list_runs(directory, now=NOW)
    return row


# ---- What is found ------------------------------------------------------------------------------------------


def test_runs_are_found_here_and_one_level_deeper(tmp_path: Path) -> None:
    for name in (
        *("single", "sweep/lambda1-alpha0.5-seed0", "sweep/lambda0.1-alpha0.5-seed0", "sweep/logs/deeper"),
        *(".being-made.0123.tmp", "sweep/.being-made.0123.tmp", "single/inside"),
    ):
        put(tmp_path / name)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "endless").symlink_to("endless")
    rows = list_runs(tmp_path, now=NOW)
    expected = ["single", "sweep/lambda0.1-alpha0.5-seed0", "sweep/lambda1-alpha0.5-seed0"]
    assert [row.name for row in rows] == expected
    assert [row.record.path for row in rows] == [tmp_path / name for name in expected]
    points = [name.removeprefix("sweep/") for name in expected[1:]]
    assert [row.name for row in list_runs(tmp_path / "sweep")] == [*points, "logs/deeper"]
    assert [row.name for row in list_runs(tmp_path / "single")] == ["single"]


def test_a_completed_run_is_a_row(tmp_path: Path) -> None:
    assert only(put(tmp_path / "run", warnings=["a", "b"])).as_dict() == {
        "name": "run",
        "path": str(tmp_path / "run"),
        "status": "completed",
        "reason": None,
        "lambda": 0.1,
        "lambda_eq": 10.0,
        "alpha": 0.5,
        "seed": 3,
        "data": "mnist",
        "accuracy": 0.99,
        "nearest_center_accuracy": 0.98,
        "nearest_center_accuracy_cosine": None,
        "nearest_mean_accuracy": None,
        "nearest_mean_accuracy_cosine": None,
        "separation_ratio": 30.5,
        "steps": None,
        "created": "2026-03-01T10:00:00+00:00",
        "age_seconds": 7200.0,
        "duration_seconds": 88.5,
        "warnings": 2,
        "settings": {"loss.lambda": 0.1, "loss.alpha": 0.5, "train.seed": 3, "model.feature_dim": 2},
    }


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 88.5),
        ({"resumed": [{"step": 3}], "metrics": {"training_seconds": 500.0, "seconds": 4.0}}, 500.0),
        ({"status": "failed", "metrics": {}}, 90.0),
        ({"status": "interrupted", "resumed": [{"step": 3}]}, None),
        ({"status": "failed", "finished": None}, None),
        ({"status": "completed", "metrics": {}}, None),
        ({"status": "running", "finished": None}, None),  # nobody holds its lock
    ],
)
def test_the_duration_is_what_is_on_record(
    fields: dict[str, Any], seconds: float | None, tmp_path: Path
) -> None:
    assert only(put(tmp_path / "run", **fields)).duration == seconds


def test_running_is_who_holds_the_lock(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", load_config(QUICKSTART), {})
    alive = only(run.path)
    assert (alive.record.status, alive.record.lambda_, alive.figures.get("accuracy")) == (
        "running",
        0.01,
        None,
    )
    run.close()
    gone = only(run.path)
    assert (gone.record.status, gone.duration) == ("stopped", None)
    (run.path / "lock").write_text('{"pid": 1}')  # as a kill leaves it
    assert only(run.path).record.status == "stopped"


def test_a_run_that_ends_while_it_is_looked_at_is_not_called_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "run", status="running")

    def end(directory: Path) -> None:
        (directory / "run.json").write_text(json.dumps(manifest()))

    monkeypatch.setattr("centerloss_core.run_directory.manifest.holder", end)
    assert only(path).record.status == "completed"


# ---- What is damaged ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"[1]", "expected a JSON object, found list"),
        (b"\xff\xfe\xfa", "decode"),
        (b"[" * 100_000, "recursion"),
        (b'{"format": 2, "status": "done"}', "its status is not one of running, completed"),
        (b'{"format": 2, "status": ["running"]}', "its status is not one of"),
        (b'{"format": 2, "status": "completed", "seed": NaN}', "NaN is not JSON"),
        (b'{"format": 1, "status": "completed"}', "is of format 1, and this version of centerloss knows 2"),
        (b'{"format": 2, "status": "completed", "seed": ' + b"1" * 5000 + b"}", "limit"),
    ],
)
def test_a_damaged_manifest_is_a_row(content: bytes, reason: str, tmp_path: Path) -> None:
    put(tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.json").write_bytes(content)
    bad, good = list_runs(tmp_path)
    assert (bad.record.status, good.record.status) == ("damaged", "completed")
    assert bad.reason is not None
    assert bad.reason.startswith(f"{tmp_path}/bad/run.json: ")
    assert reason in bad.reason


def test_what_is_no_file_is_damaged_and_not_waited_for(tmp_path: Path) -> None:
    for name in ("directory", "link", "pipe", "device", "big"):
        (tmp_path / name).mkdir()
    (tmp_path / "directory" / "run.json").mkdir()
    (tmp_path / "link" / "run.json").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe" / "run.json")
    (tmp_path / "device" / "run.json").symlink_to("/dev/zero")
    with (tmp_path / "big" / "run.json").open("wb") as file:
        file.truncate(1 << 40)
    rows = list_runs(tmp_path)
    assert [row.record.status for row in rows] == ["damaged"] * 5
    assert "larger than 16 MiB" in str(next(row.reason for row in rows if row.name == "big"))


def test_a_field_that_is_not_what_it_should_be_is_unknown(tmp_path: Path) -> None:
    row = only(
        put(
            tmp_path / "run",
            **{"lambda": "0.1", "alpha": True, "seed": 1.5, "data": "mnist", "lambda_eq": 10**400},
            created="yesterday",
            warnings=None,
            reason=7,
            metrics={"test": [], "seconds": "long"},
        )
    )
    known = {"name": "run", "path": str(tmp_path / "run"), "status": "completed", "warnings": 0}
    found = {key: value for key, value in row.as_dict().items() if value is not None and key != "settings"}
    assert found == known


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ListingError, match="nowhere: no such directory"):
        list_runs(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(ListingError, match=r"file: cannot be listed \(Not a directory\)"):
        list_runs(tmp_path / "file")


# ---- Choosing and ordering ----------------------------------------------------------------------------------


def row(name: str, status: Any = "completed", age: float | None = None, **manifest: Any) -> RunRow:
    created = None if age is None else (NOW - timedelta(seconds=age)).isoformat()
    return RunRow(name, RunRecord(Path(name), status, {**manifest, "created": created}), NOW)


def names(rows: list[RunRow]) -> str:
    return " ".join(row.name for row in rows)


def config(lambda_: float, **train: Any) -> dict[str, Any]:
    return {"loss": {"lambda": lambda_}, "train": train}


def test_rows_are_chosen_by_all_that_is_asked_for() -> None:
    rows = [
        row("a", config=config(0.1, seed=0, tensorboard=True), data={"name": "mnist"}),
        row("b", config=config(1, seed=1), data={"name": "mnist"}, status="failed"),
        row("c", config=config(1.0, seed=2, batch_size=50), data={"name": "mnist5k"}),
        row("d", status="damaged"),
    ]
    assert names(choose_rows(rows, settings={"loss.lambda": []})) == "a b c d"
    assert names(choose_rows(rows, settings={"loss.lambda": [1.0]})) == "b c"
    assert names(choose_rows(rows, settings={"loss.lambda": [1.0]}, statuses=["completed"])) == "c"
    assert names(choose_rows(rows, statuses=["failed", "damaged"])) == "b d"
    assert names(choose_rows(rows, data=["mnist"])) == "a b"
    assert names(choose_rows(rows, settings={"train.batch_size": [50, 100]})) == "c"
    assert names(choose_rows(rows, settings={"loss.lambda": [1, 0.5], "train.seed": [1, 9]})) == "b"
    assert names(choose_rows(rows, settings={"train.tensorboard": [1]})) == ""


def test_every_key_sorts_and_what_is_unknown_comes_last() -> None:
    made: dict[str, Callable[[Any], dict[str, Any]]] = {
        "lambda": lambda value: {"lambda": value},
        "train.batch_size": lambda value: {"config": {"train": {"batch_size": value}}},
        "accuracy": lambda value: {"metrics": {"test": {"accuracy": value}}},
        "nearest-center": lambda value: {"metrics": {"test": {"nearest_center_accuracy": value}}},
        "ratio": lambda value: {"metrics": {"test": {"separation_ratio": value}}},
        "age": lambda value: {"age": value},
        "duration": lambda value: {"metrics": {"seconds": value}},
    }
    for key, fields in made.items():
        rows = [row(name, **fields(value)) for name, value in zip("abcde", (2, None, 1, 2, 3), strict=True)]
        best_first = key in ("accuracy", "nearest-center", "ratio")
        assert names(sort_rows(rows, key, reverse=best_first)) == "c a d e b", key
        assert names(sort_rows(rows, key, reverse=not best_first)) == "e a d c b", key
    texts = [row(name, config={"loss": {"term": name}}) for name in ("none", "center", "a10", "a9")]
    assert names(sort_rows(texts, "loss.term")) == "a9 a10 center none"


def test_statuses_are_sorted_from_work_to_damage() -> None:
    statuses = {"a": "damaged", "b": "completed", "c": "running", "d": "stopped", "e": "completed"}
    rows = [row(name, status) for name, status in statuses.items()]
    assert names(sort_rows(rows, "status")) == "c d b e a"
    assert names(sort_rows(rows, "status", reverse=True)) == "a b e d c"


def test_numbers_in_names_count_as_numbers() -> None:
    ordered = [
        *("mnist-sweep/lambda0-alpha0.5-seed0", "mnist-sweep/lambda1e-05-alpha0.5-seed0"),
        *("mnist-sweep/lambda0.01-alpha0.5-seed2", "mnist-sweep/lambda0.01-alpha0.5-seed10"),
        *("mnist-sweep/lambda0.1-alpha0.5-seed0", "mnist-sweep-2/lambda0-alpha0.5-seed0", "mnist-sweep-10/x"),
        *("run", "run-2", "run-10", "²"),
    ]
    rows = [row(name) for name in sorted(ordered)]
    assert names(sort_rows(rows, "name")) == " ".join(ordered)
    assert names(sort_rows(rows, "name", reverse=True)) == " ".join(reversed(ordered))


def runs(*arguments: str) -> Result:
    """`cl runs` in this process."""
    return CliRunner().invoke(app, ["runs", *arguments])


# ---- The command --------------------------------------------------------------------------------------------


def test_an_empty_place_says_how_to_begin(here: Any) -> None:
    for arguments in (["runs"], ["runs", "."]):
        code, said, errors = here(*arguments)
        assert (code, errors) == (0, "")
        assert "yet; begin with: cl train quickstart" in said
    assert json.loads(here("runs", "--json")[1]) == []
    code, said, errors = here("runs", "nowhere")
    assert (code, said) == (1, "")
    assert "nowhere: no such directory" in errors


def test_the_table_and_its_advice(tmp_path: Path) -> None:
    put(tmp_path / "runs" / "best", metrics={"test": {"accuracy": 0.9912}, "seconds": 62.0})
    put(tmp_path / "runs" / "ends", status="running", metrics={}, data={"name": "mnist5k"})
    put(tmp_path / "runs" / "[b]x[/]\x1b[2J", status="failed", metrics={})
    (tmp_path / "runs" / "bad").mkdir()
    (tmp_path / "runs" / "bad" / "run.json").write_text("{")
    done = cl("runs", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split("   ")[0] == "run"
    assert any("best" in line and "99.12 %" in line and "1 min 02 s" in line for line in lines)
    assert any(line.startswith(r"[b]x[/]\x1b[2J") and "failed" in line for line in lines)
    assert "4 runs: 1 completed, 1 damaged, 1 failed, 1 stopped" in lines
    assert any(line.startswith("damaged: runs/bad/run.json: cannot be read (Expecting") for line in lines)
    assert lines[-1] == "resume the unfinished one: cl train --resume runs/ends"


def test_the_steps_of_a_run_tell_a_short_one_from_a_long_one(tmp_path: Path) -> None:
    made = {"epochs": 3, "iterations": None, "batch_size": 64}
    put(tmp_path / "a", config={"train": made}, data={"train": 1000})
    put(tmp_path / "b", config={"train": {**made, "epochs": None, "iterations": 20}}, data={"train": 1000})
    stopped = put(tmp_path / "c", status="running", config={"train": made}, data={"train": 1000}, metrics={})
    (stopped / "metrics.jsonl").write_text('{"kind": "steps", "step": 30}\n')
    put(tmp_path / "d", status="failed", metrics={})
    assert {row.name: row.record.steps for row in list_runs(tmp_path)} == {
        "a": 47,
        "b": 20,
        "c": 30,
        "d": None,
    }
    assert names(sort_rows(list_runs(tmp_path), "steps")) == "b c a d"


def lengthy(index: int) -> dict[str, Any]:
    """The settings of a recipe that shares nothing with another."""
    return {
        "train": {f"a_setting_with_a_name_{key}": index for key in range(40)},
        "model": {"feature_dim": 2},
    }


def test_a_list_of_many_recipes_is_not_endlessly_wide(tmp_path: Path) -> None:
    for index in range(3):
        put(tmp_path / f"run{index}", config=lengthy(index), **{"lambda": index})
    lines = cl("runs", ".", cwd=tmp_path).stdout.splitlines()
    assert max(map(len, lines)) <= 200
    assert lines[0].split()[:5] == ["run", "status", "data", "λ", "α"]
    assert lines[0].split()[-3:] == ["steps", "age", "time"]
    assert "no room for these columns: a_setting_with_a_name_39" in "".join(lines)


def test_a_list_in_a_narrow_terminal_keeps_what_varies(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = tmp_path / "quickstart-sweep"
    rows = []
    for value in (0.01, 0.1):
        for dim in (2, 8):
            name = f"lambda{value}-alpha0.5-seed0-feature_dim{dim}"
            config = {"model": {"feature_dim": dim}, "train": {"batch_size": 50, "iterations": 20}}
            put(sweep / name, **{"lambda": value}, config=config, data={"name": "mnist5k", "test": 1000})
            rows.append({"directory": name, "settings": {"loss.lambda": value, "model.feature_dim": dim}})
    (sweep / "summary.json").write_text(json.dumps({"format": 2, "runs": rows}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", ["cl", "runs", "."])
    with contextlib.suppress(SystemExit):
        main()
    head, rule, first, *_ = capsys.readouterr().out.splitlines()
    assert len(rule) <= 80
    assert re.split(" {2,}", head)[:4] == ["run", "status", "λ", "feature_dim"]
    assert head.endswith("softmax  nearest  ratio")
    assert first.startswith("quickstart")
    assert "…" in first
    assert first.split()[2:5] == ["0.01", "2", "99.00"]


def test_runs_with_warnings_are_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "runs" / "a", warnings=["collapse"])
    put(tmp_path / "runs" / "b", warnings=[])
    done = runs()
    lines = [line for line in done.stdout.splitlines() if line.startswith(("a ", "b "))]
    assert ["completed !" in line for line in lines] == [True, False]
    assert "! 1 run has warnings: cl report runs/a" in done.stdout.splitlines()
    put(tmp_path / "runs" / "c", warnings=["collapse", "no move"])
    assert "! 2 runs have warnings: cl compare runs/a runs/c" in runs().stdout.splitlines()
    assert "warnings:" not in runs("--seed", "99").stdout


def test_filters_order_and_json(here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for index, lambda_ in enumerate((0.1, 1, 0.1)):
        put(tmp_path / f"r{index}", **{"lambda": lambda_}, metrics={"test": {"accuracy": 0.9 + index / 100}})
    put(tmp_path / "r3", status="failed", metrics={})
    done = runs(".", "--lambda", "0.1", "--sort", "accuracy", "--json")
    rows = json.loads(done.stdout)
    assert [row["name"] for row in rows] == ["r2", "r0", "r3"]
    assert list(rows[0]) == KEYS
    text = runs("--help").stdout
    for key in KEYS:
        assert key in text
    none = runs(".", "--data", "mnist5k")
    assert "none of the 4 runs in . matches" in none.stdout
    assert json.loads(runs(".", "--status", "failed", "--json").stdout)[0]["name"] == "r3"
    assert isinstance(runs(".", "--status", "finished").exception, UsageError)
    assert here("runs", ".", "--sort", "size")[0] == 2


def test_runs_of_a_grid_by_alpha_seed_and_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for alpha in (0.1, 0.5):
        for seed in (0, 1):
            status = "failed" if seed else "completed"
            put(tmp_path / f"a{alpha:g}-s{seed}", alpha=alpha, seed=seed, status=status)

    def listed(*arguments: str) -> list[str]:
        done = runs(".", *arguments, "--json")
        return [row["name"] for row in json.loads(done.stdout)]

    assert listed("--alpha", "0.5", "--seed", "1") == ["a0.5-s1"]
    assert listed("--seed", "0", "--seed", "1", "--sort", "seed") == [
        "a0.1-s0",
        "a0.5-s0",
        "a0.1-s1",
        "a0.5-s1",
    ]
    assert listed("--sort", "alpha", "--reverse") == ["a0.5-s0", "a0.5-s1", "a0.1-s0", "a0.1-s1"]
    assert listed("--sort", "status") == ["a0.1-s0", "a0.5-s0", "a0.1-s1", "a0.5-s1"]
    assert isinstance(runs(".", "--seed", "0.5").exception, UsageError)
