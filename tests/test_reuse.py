"""Runs that share data and compiled step with the run before: the same bytes as alone."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from comparing import config, outcome

from centerloss_core.config import Point
from centerloss_core.datasets import load_dataset
from centerloss_core.sweeps import run_sweep
from centerloss_core.sweeps.launchers import child
from centerloss_core.training import resume, reuse, train
from centerloss_core.training.build import build, draw_anew
from centerloss_core.training.engines import on_tensorflow
from centerloss_core.training.state import state_of
from centerloss_core.training.step import TrainStep

OTHER_NUMBERS = ("train.seed=3", "train.head_rate=1", "train.learning_rate=1e-3", "loss.ramp=null")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every training step that was compiled."""
    made: list[Any] = []

    class Counted(on_tensorflow.TensorFlowEngine):
        def __init__(self, program: Any) -> None:
            made.append(program)
            super().__init__(program)

    monkeypatch.setattr(on_tensorflow, "TensorFlowEngine", Counted)
    return made


def test_after_a_run_with_other_numbers_a_run_ends_as_alone(
    straight: dict[str, Any], stopped: Path, tmp_path: Path, compiled: list[Any]
) -> None:
    resumed = shutil.copytree(stopped, tmp_path / "resumed")
    with reuse.programs_are_kept():
        train(config(*OTHER_NUMBERS, "train.iterations=4"), tmp_path / "before")
        train(config(), tmp_path / "run")
        resume(resumed)
    assert len(compiled) == 1
    assert outcome(tmp_path / "run") == outcome(resumed) == straight


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("model.head_start=random", "model.initializer=xavier", "loss.centers_start=xavier"),
        ("model.batch_norm=false", "model.head_bias=false", "model.initializer=truncated_normal"),
    ],
)
def test_initial_values_that_are_drawn_anew_are_those_of_a_new_step(settings: tuple[str, ...]) -> None:
    asked, dataset = config(*settings), load_dataset("digits8")
    random.seed(1)
    step = build(asked, dataset)
    random.seed(2)
    draw_anew(step)
    random.seed(2)
    assert values(step) == values(build(asked, dataset))


def values(step: TrainStep) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in state_of(step, 0).items()}


def test_a_run_of_another_program_has_its_own(tmp_path: Path, compiled: list[Any]) -> None:
    cheap = ("train.optimizer=sgd", "model.batch_norm=false", "train.iterations=1")
    with reuse.programs_are_kept():
        for size in (134, 60):
            train(config(f"train.batch_size={size}", *cheap), tmp_path / str(size))
    assert len(compiled) == 2


def test_the_points_of_a_sweep_share_a_process_and_end_as_runs_of_their_own(
    straight: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes: list[Any] = []
    start = child.start_module
    monkeypatch.setattr(child, "start_module", lambda *a, **k: processes.append(a) or start(*a, **k))
    points = [
        Point(
            "of-another-program",
            config("train.optimizer=sgd", "model.batch_norm=false", "train.iterations=1"),
            {},
        ),
        Point("of-other-numbers", config(*OTHER_NUMBERS, "train.iterations=4"), {}),
        Point("last", config(), {}),
    ]
    states = run_sweep(points, tmp_path / "sweep", "")
    assert [state.status for state in states] == ["completed"] * 3
    assert outcome(tmp_path / "sweep" / "last") == straight
    assert len(processes) == 1
    assert [log.read_text() for log in (tmp_path / "sweep" / "logs").iterdir()] == [""] * 3
