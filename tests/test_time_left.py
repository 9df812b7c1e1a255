"""How long training will take, told as soon as the pace is known: of a run, of a sweep, in a terminal and in a file."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from made_runs import make_run
from test_cli import QUICKSTART
from test_conductor import GOOD, drawn, points_of

from centerloss_core.config import Train
from centerloss_core.datasets import known_size, load_dataset, train_size
from centerloss_core.run_directory.progress import Progress
from centerloss_core.sweeps import PointState, seconds_left
from centerloss_core.training.clock import Stopwatch
from centerloss_core.training.interval_log import IntervalLog
from centerloss_core.training.observers import ProgressReport
from cli import sweep_view
from cli.progress import training_progress
from cli.sweep_view import sweep_progress


class Clock(Stopwatch):
    """One that is set by hand."""

    now = 0.0
    is_warm = True

    @property
    def seconds(self) -> float:
        return self.now


def test_a_slow_run_tells_its_time_before_its_first_row() -> None:
    shown: list[Progress] = []
    clock = Clock()
    report = ProgressReport(shown.append, Train(iterations=1000, batch_size=20), 2000, clock)
    for step, clock.now in ((1, 30.0), (3, 30.5), (5, 31.5), (6, 31.9), (7, 33.0), (8, 34.0)):
        report.on_step(step)
    (early,) = shown
    assert (early.step, early.figures, early.epoch) == (7, {}, 0.07)
    assert early.images_per_second == 40  # six steps of 20 in 3 s: the first one compiles
    assert early.seconds_left == 993 * 20 / 40
    clock.now = 40
    report.on_row({"kind": "steps", "step": 11, "accuracy": 0.5, "images_per_second": 18.0})
    assert shown[1].figures == {"accuracy": 0.5}
    assert (shown[1].images_per_second, shown[1].seconds_left) == (18.0, 989)


def test_a_fast_run_tells_it_with_its_first_row() -> None:
    shown: list[Progress] = []
    clock = Clock()
    report = ProgressReport(shown.append, Train(iterations=100, batch_size=20), 2000, clock)
    for step in range(1, 11):
        clock.now = 5 + step / 100
        report.on_step(step)
    report.on_row({"kind": "steps", "step": 10, "images_per_second": 2000.0})
    clock.now = 60
    report.on_step(11)
    assert [progress.step for progress in shown] == [10]


def test_a_resumed_run_whose_first_step_ends_a_row_does_not_judge_by_it() -> None:
    shown: list[Progress] = []
    clock = Clock()
    report = ProgressReport(shown.append, Train(iterations=100, batch_size=20), 2000, clock)
    clock.now = 10
    report.on_row({"kind": "steps", "step": 60, "images_per_second": 2.0})
    report.on_step(60)
    clock.now = 11
    report.on_row({"kind": "steps", "step": 70, "images_per_second": 200.0})
    assert [(progress.step, progress.seconds_left) for progress in shown] == [(70, 3.0)]


def test_the_first_row_is_without_the_step_that_compiles() -> None:
    clock = Clock()
    log = IntervalLog(Train(iterations=100, batch_size=20, log_every=5), 1000, 100, clock)
    rows = []
    for step in range(1, 11):
        clock.is_warm, clock.now = step > 1, 30.0 + step
        rows.append(log.after_steps(step, 1, {"softmax_loss": np.ones(1)}, {}))
    assert [row["images_per_second"] for row in rows if row] == [20, 20]


def test_features_that_are_measured_before_the_first_step_leave_the_clock_cold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run that resumes at the end of an epoch evaluates first, and compiles its step only then."""
    from centerloss_core.training import evaluator

    monkeypatch.setattr(evaluator, "extract", lambda *_: None)
    clock, parts = Stopwatch(), SimpleNamespace(network=None, points=None)
    log = IntervalLog(Train(iterations=100, batch_size=20), 1000, 100, clock)
    asked: Any = (None, None, parts, None, 100, log, clock, None)
    evaluator.Evaluator(*asked).dump(cast(Any, None), 50)
    assert (clock.is_warm, clock.sessions) == (False, 0)


def test_a_run_says_once_how_long_it_will_take(capsys: Any) -> None:
    from centerloss_core.config import load_config
    from centerloss_core.training.run import BUILDING, Start

    config = load_config(QUICKSTART, settings=["train.batch_size=50"])
    figures = {"softmax_loss": 1.0}
    with training_progress(Start(Path("run"), config)) as display:
        assert display.show is not None
        display.stage("importing the framework")
        assert capsys.readouterr().out == ""  # it may still be refused
        display.stage(BUILDING)
        for step, said in ((40, figures), (80, figures), (400, figures)):
            display.show(Progress(step, 400, step / 80, said, 100.0, (400 - step) / 2))
    head, first, *lines = capsys.readouterr().out.splitlines()
    assert head == "λ = 0.01 (sum; λ_eq = 0.5), α = 0.5, seed 0 → run"
    assert first == "about 3 min 00 s left: 18,000 images in 360 steps"
    assert [line.split("  ")[1] for line in lines] == ["step 40/400", "step 80/400", "step 400/400"]


# ---- A sweep ------------------------------------------------------------------------------------------------


def at(state: PointState, step: int, rate: float, status: str = "running") -> None:
    """A point that has come so far at so many images a second."""
    state.status = status
    state.path.mkdir(exist_ok=True)
    row = GOOD | {"step": step, "epoch": step * 20 / 1437, "images_per_second": rate}
    (state.path / "metrics.jsonl").write_text(json.dumps(row) + "\n")


def test_an_estimate_counts_what_waits_and_what_runs_side_by_side(tmp_path: Path) -> None:
    states = points_of(tmp_path, settings=["train.iterations=100"])  # six points of 2,000 images
    assert seconds_left(states) is None
    at(states[0], 50, 10.0)
    assert seconds_left(states) == 100 + 5 * 200
    at(states[1], 50, 10.0)
    assert seconds_left(states) == 100 + 2 * 200
    states[2].status = "failed"
    assert seconds_left(states) == 100 + 2 * 200  # three wait: two begin when the first end
    for state, seconds in zip(states[4:], (290.0, 230.0), strict=True):
        state.status = "completed"
        make_run(state.path, metrics={"images_per_second": 10.0, "seconds": seconds})
    # 30 s beside its steps, as the completed one that was not the first of its process.
    assert seconds_left(states) == 100 + 200 + 30


def test_an_estimate_counts_the_images_of_each_point(tmp_path: Path) -> None:
    axes = {"train.iterations": [10, 1000], "loss.lambda": [0], "train.seed": [0]}
    states = points_of(tmp_path, axes=axes)
    at(states[0], 10, 10.0)
    assert seconds_left(states) == 2000
    assert [state.images for state in states] == [200, 20_000]
    assert [state.images for state in points_of(tmp_path, settings=["train.epochs=2"])] == [144 * 20] * 6


def shown_in_a_file(
    states: Sequence[PointState], moments: Sequence[Any], capsys: Any, monkeypatch: Any
) -> list[str]:
    monkeypatch.setattr(sweep_view, "_PAUSE_A_POINT", 0)
    with sweep_progress(Path("runs/tiny-sweep")) as show:
        for moment in moments:
            moment()
            show(states)
    return capsys.readouterr().out.splitlines()


def test_a_sweep_in_a_file_shows_how_its_points_come_along(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = points_of(tmp_path, settings=["train.iterations=100"])[:2]

    def begins() -> None:
        states[0].status, states[0].starts = "running", 1

    def completes() -> None:
        metrics = {"images_per_second": 10.0, "seconds": 200.0, "test": {"accuracy": 0.975}}
        (states[0].path / "metrics.jsonl").unlink()
        states[0].path.rmdir()
        make_run(states[0].path, metrics=metrics)
        states[0].status, states[1].status = "completed", "running"

    moments = [begins, *[lambda step=step: at(states[0], step, 10.0) for step in range(1, 100)], completes]
    lines = shown_in_a_file(states, moments, capsys, monkeypatch)
    name = states[0].point.name
    assert lines[:3] == [
        "sweep → runs/tiny-sweep",
        f"[1/2] {name} running",
        "about 6 min 38 s left: 3,980 images in 2 of 2 points",
    ]
    of_it = [line for line in lines if "  epoch " in line]
    assert len(of_it) <= 10
    assert of_it[4] == (
        f"[1/2] {name}  epoch 0.70  step 50/100  softmax loss 1.0000  accuracy 50.00 %  "
        "10 images/s  1 min 40 s left"
    )
    assert any("completed: softmax 97.50 %" in line and "about 3 min 20 s left" in line for line in lines)


def test_a_sweep_whose_first_row_is_late_tells_its_time_by_the_first_steps(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = points_of(tmp_path, settings=["train.iterations=100"])[:2]

    def first_steps() -> None:
        states[0].status, states[0].starts = "running", 1
        pace = {"step": 7, "epoch": 0.1, "images_per_second": 10.0}
        make_run(states[0].path, status="running", pace=pace)
        (states[0].path / "metrics.jsonl").unlink()

    lines = shown_in_a_file(states, [first_steps], capsys, monkeypatch)
    assert lines[2:] == ["about 6 min 26 s left: 3,860 images in 2 of 2 points"]
    _, _, _, point, _ = drawn(states, 120, 40).splitlines()
    assert point.split()[1:7] == ["running", "0.10", "–", "3", "min", "06"]


def test_a_live_table_tells_beginnings_and_keeps_what_completed_points_reached(tmp_path: Path) -> None:
    states = points_of(tmp_path, settings=["train.iterations=100"])[:4]
    make_run(states[0].path, metrics={"test": {"accuracy": 0.975}})
    at(states[0], 100, 10.0, "completed")
    for state in states[1:3]:
        state.status = "running"
    make_run(states[2].path, status="running")
    (states[2].path / "metrics.jsonl").unlink()
    _, _, _, completed, begun, first_steps, waiting = drawn(states, 120, 40).splitlines()
    assert completed.split()[1:7] == ["completed", "1.39", "50.00", "%", "97.50", "%"]
    assert "starting" in begun
    assert "first steps" in first_steps
    assert "waiting" in waiting


# ---- Before the start ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mnist5k", "digits8"])
def test_the_size_of_a_data_set_is_known_without_reading_it(name: str) -> None:
    held_out = load_dataset(name, validation=100)
    assert train_size(name, validation=100) == len(held_out.train.labels)
    known = known_size(name)
    assert known is not None
    assert known.image_shape == held_out.image_shape


def test_a_dry_run_tells_steps_and_images(here: Any, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(
        "data: {name: mnist, validation: 10000}\ntrain: {epochs: 2, batch_size: 300}\n"
        "sweep: {lambda: [0, 1]}\n"
        "overrides: [{when: {loss.lambda: 1}, set: {train.iterations: 1000}}]\n"
    )
    code, said, errors = here("sweep", "--config", "tiny.yaml", "--dry-run")
    assert code == 0, errors
    first, second = (line.split() for line in said.splitlines() if line.startswith("runs/"))
    assert first[-4:] == ["2", "epochs", "334", "100,200"]
    assert second[-4:] == ["1,000", "iterations", "1,000", "300,000"]
    assert "length: 400,200 images in 1,334 steps of 2 runs" in said.splitlines()
    code, said, errors = here("train", "--config", "tiny.yaml", "--dry-run")
    assert "length: 100,200 images in 334 steps" in said.splitlines(), errors
