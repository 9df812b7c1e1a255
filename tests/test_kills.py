"""SIGKILL at random moments of training and saving, of real processes: nothing but unsaved steps is ever lost."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from comparing import without_clocks
from test_cli import environment

from centerloss_core.config import load_config
from centerloss_core.training import resume, train

TINY = """
data: {name: digits8}
model: {batch_norm: false, channels: [4, 8, 8]}
loss: {lambda: 0.1}
train: {iterations: %d, batch_size: 10, learning_rate: 1e-3, log_every: 7, checkpoint_every: 1,
        dump_every_epoch: false}
"""
# The command line, with an alarm clock that starts to run after the first step, which compiles.
_KILLED_LATER = """
import os, signal, threading
from centerloss_core.isolation import importing_keras, isolate_process
isolate_process()
with importing_keras():  # without what it imports for others, as the command does
    from centerloss_core.training.step import TrainStep
take = TrainStep.take
clock = threading.Timer(float(os.environ["KILL_AFTER"]), os.kill, (os.getpid(), signal.SIGKILL))
def take_and_start_the_clock(*arguments):
    figures = take(*arguments)
    if clock.ident is None:
        clock.start()
    return figures
TrainStep.take = take_and_start_the_clock
from cli.app import main
main()
"""


def killed(*arguments: str, after: float, home: Path) -> int:
    return subprocess.run(
        [sys.executable, "-P", "-c", _KILLED_LATER, *arguments],
        cwd=home,
        env={**environment(), "KILL_AFTER": str(after)},
        capture_output=True,
        check=False,
    ).returncode


@pytest.mark.usefixtures("kept_programs")
@pytest.mark.parametrize(("kills", "iterations"), [(1, 60), pytest.param(100, 5000, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_as_if_never_killed(
    kills: int, iterations: int, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY % iterations)
    train(load_config(tmp_path / "tiny.yaml"), tmp_path / "straight")

    chance = random.Random(4)
    run = tmp_path / "killed"
    found_in_the_middle = 0
    while kills:
        begun = (run / "run.json").exists()
        arguments = ["--resume", "killed"] if begun else ["--config", "tiny.yaml", "--run-dir", "killed"]
        code = killed("train", *arguments, "--quiet", after=chance.uniform(0, 0.3), home=tmp_path)
        assert code == -9, "the run was over before it was killed: give it more iterations"
        kills -= 1
        found_in_the_middle += any(run.glob("*/.*.tmp"))
        for checkpoint in (run / "checkpoints").glob("step-*"):
            assert len(list(checkpoint.iterdir())) == 4, "a final name with partial content"
    assert found_in_the_middle or iterations < 1000, "no kill hit a save"
    warnings: list[str] = []
    resume(run, warn=warnings.append)
    print(
        f"{found_in_the_middle} kills hit a save; resumed at",
        [row["step"] for row in _manifest(run)["resumed"]],
    )

    for name in (
        "features/test-final.npz",
        "features/train-final.npz",
        f"checkpoints/step-{iterations:08d}/state.npz",
    ):
        assert (run / name).read_bytes() == (tmp_path / "straight" / name).read_bytes(), name
    assert _rows(run) == _rows(tmp_path / "straight")
    assert _manifest(run)["status"] == "completed"
    assert not any("damaged" in warning for warning in warnings)


@pytest.mark.slow
def test_the_run_of_a_killed_sweep_saves_and_stops(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY % 1_000_000 + "sweep: {lambda: [0, 0.1]}\n")
    command = [sys.executable, "-P", "-m", "cli", "sweep", "--config", "tiny.yaml", "--run-dir", "sweep"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while "running" not in process.stdout.readline():
            assert process.poll() is None
        first = tmp_path / "sweep" / "lambda0-alpha0.5-seed0"
        while not ((first / "metrics.jsonl").exists() and (first / "metrics.jsonl").stat().st_size):
            assert process.poll() is None
        process.kill()
    # Whoever waits for the lock waits for the run to notice, to finish its step and to save.
    import fcntl

    with (first / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    manifest = _manifest(first)
    assert (manifest["status"], manifest["reason"].split()[0]) == ("interrupted", "stopped")
    assert list((first / "checkpoints").iterdir())


def _manifest(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())


def _rows(run: Path) -> list[dict]:
    return [without_clocks(json.loads(line)) for line in (run / "metrics.jsonl").read_text().splitlines()]
