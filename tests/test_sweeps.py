"""A real sweep of tiny runs through the command line: ordinary points, one that fails, and a summary."""

import csv
import json
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import cl, environment

SWEEP = """
data: {name: digits8}
model: {batch_norm: false, channels: [8, 8, 8]}
train: {iterations: 3, batch_size: 20, learning_rate: 1e-3, log_every: 1, dump_train: 100}
sweep: {lambda: [0.1, 1.0], seed: [0, 1]}
overrides:
  - when: {loss.lambda: 1.0}
    set: {train.learning_rate: 1e+30}  # diverges: one bad point must not stop the others
  - when: {train.seed: 1, loss.lambda: 0.1}
    set: {train.iterations: 5}
"""
POINTS = [f"lambda{value}-alpha0.5-seed{seed}" for value in ("0.1", "1") for seed in (0, 1)]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished sweep; what the command printed is in `stdout` and `stderr` beside it."""
    home = tmp_path_factory.mktemp("sweep")
    (home / "tiny.yaml").write_text(SWEEP)
    (home / "cli.py").write_text("raise SystemExit('a file of the user was imported')")
    done = cl("sweep", "--config", "tiny.yaml", "--jobs", "2", cwd=home)
    (home / "stdout").write_text(done.stdout)
    (home / "stderr").write_text(done.stderr)
    assert done.returncode == 1  # because of the point that diverges
    return home / "runs" / "tiny-sweep"


def test_every_point_is_a_run_directory(sweep: Path) -> None:
    assert sorted(path.name for path in sweep.iterdir()) == sorted(
        ["sweep.yaml", "points", "summary.json", "summary.csv", "logs", *POINTS]
    )
    assert (sweep / "sweep.yaml").read_text() == SWEEP
    statuses = {name: json.loads((sweep / name / "run.json").read_text())["status"] for name in POINTS}
    assert statuses == {name: "failed" if name.startswith("lambda1-") else "completed" for name in POINTS}


def test_the_summaries_hold_every_point_and_the_figures_of_its_run(sweep: Path) -> None:
    summary = json.loads((sweep / "summary.json").read_text())
    assert summary["command"] == "cl sweep --config tiny.yaml --jobs 2"
    rows = summary["runs"]
    assert [row["directory"] for row in rows] == POINTS
    for row in rows:
        manifest = json.loads((sweep / row["directory"] / "run.json").read_text())
        assert (row["lambda"], row["seed"], row["status"]) == (
            manifest["lambda"],
            manifest["seed"],
            manifest["status"],
        )
        if row["status"] == "completed":
            test = manifest["metrics"]["test"]
            assert {key: row[key] for key in test} == test
            assert row["images_per_second"] == manifest["metrics"]["images_per_second"]
        else:
            assert row["accuracy"] is None
            assert "the loss became NaN or infinite" in row["reason"]
    with (sweep / "summary.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["directory"] for row in table] == POINTS
    assert [row["accuracy"] for row in table] == [
        "" if row["accuracy"] is None else str(row["accuracy"]) for row in rows
    ]


def test_overrides_reach_their_points_alone(sweep: Path) -> None:
    def last_step(name: str) -> int:
        rows = (sweep / name / "metrics.jsonl").read_text().splitlines()
        step: int = json.loads(rows[-1])["step"]
        return step

    assert [last_step(name) for name in POINTS[:2]] == [3, 5]


@pytest.mark.slow
def test_the_command_of_a_point_repeats_it_alone_from_anywhere(sweep: Path, tmp_path: Path) -> None:
    point = "lambda0.1-alpha0.5-seed1"
    command = shlex.split(json.loads((sweep / point / "run.json").read_text())["repeat"])
    assert command[:3] == ["cl", "train", "--config"]
    done = cl(*command[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = tmp_path / "runs" / f"{point}-repeat"
    with (
        np.load(again / "features" / "test-final.npz") as alone,
        np.load(sweep / point / "features" / "test-final.npz") as together,
    ):
        # The sweep gave each job half of the cores, which may change the last bits.
        np.testing.assert_allclose(alone["features"], together["features"], rtol=0.05, atol=1e-3)


def test_the_terminal_names_the_failed_points_and_where_the_rest_is(sweep: Path) -> None:
    home = sweep.parent.parent
    stdout, stderr = (home / "stdout").read_text(), (home / "stderr").read_text()
    assert stdout.splitlines()[0] == "sweep → runs/tiny-sweep"
    assert "[1/4] lambda0.1-alpha0.5-seed0 completed: softmax" in stdout
    assert "figures: cl plot runs/tiny-sweep" in stdout
    failed = "lambda1-alpha0.5-seed0, lambda1-alpha0.5-seed1: DivergedError: "  # one reason is said once
    assert f"2 of 4 points did not complete: {failed}" in stderr
    assert stderr.count("DivergedError") == 1
    assert "Traceback" not in stderr


def test_plot_draws_the_panel_and_every_completed_point(sweep: Path, here: Any, tmp_path: Path) -> None:
    copy = shutil.copytree(sweep, tmp_path / "runs" / "tiny-sweep")
    code, said, errors = here("plot", "runs/tiny-sweep")
    assert code == 0, errors
    assert said.splitlines()[-1] == "figure: runs/tiny-sweep/plots/panel-test.png"
    assert "failed" in said  # in the table
    for name in POINTS[:2]:
        assert (copy / name / "plots" / "scatter-test.png").is_file()
        assert (copy / name / "plots" / "curves.png").is_file()


def test_plot_says_of_a_sweep_that_was_killed_that_it_can_go_on(
    sweep: Path, here: Any, tmp_path: Path
) -> None:
    copy = shutil.copytree(sweep, tmp_path / "killed")
    summary = json.loads((copy / "summary.json").read_text())
    summary["runs"][1]["status"], summary["runs"][2]["status"] = "running", "waiting"
    (copy / "summary.json").write_text(json.dumps(summary))
    code, said, errors = here("plot", "killed", "--figures", "panel")
    assert (code, errors) == (0, "")
    assert "running" not in said
    assert [word for word in said.split() if word in ("stopped", "waiting")] == ["stopped", "waiting"]
    assert "note: the sweep was killed; resume it: cl sweep --resume killed" in said.splitlines()


def test_a_sweep_overwrites_nothing(sweep: Path, here: Any, tmp_path: Path) -> None:
    shutil.copytree(sweep, tmp_path / "runs" / "tiny-sweep")
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    command = ("sweep", "--config", "tiny.yaml", "--run-dir", "runs/tiny-sweep")
    code, _, errors = here(*command)
    assert code == 1
    assert "exists already and nothing is overwritten: continue it with --resume runs/tiny-sweep, " in errors
    code, _, same = here(*command, "--dry-run")
    assert (code, same) == (1, errors)


def test_ctrl_c_stops_the_points_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text(SWEEP.replace("iterations: 3", "iterations: 100000"))
    command = [sys.executable, "-P", "-m", "cli", "sweep", "--config", "long.yaml"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while "running" not in process.stdout.readline():  # the first point has been started
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
        process.stdout.read()
    assert process.returncode == 130
    assert "error: stopped with 0 of 4 points completed" in errors
    assert "Traceback" not in errors
    rows = json.loads((tmp_path / "runs" / "long-sweep" / "summary.json").read_text())["runs"]
    assert [row["status"] for row in rows] == ["interrupted", *["waiting"] * 3]
