"""Ctrl-C and SIGTERM at awkward moments: while a framework is imported, while Keras traces; and from outside."""

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import pytest
from comparing import config, outcome
from test_cli import QUICKSTART, TINY, environment

from centerloss_core.interrupts import InterruptedRunError
from centerloss_core.training import run as training
from centerloss_core.training.run import resume, train


@pytest.fixture
def swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C that comes in a callback of an import, whose exceptions nobody sees."""
    find = training._find_device

    def find_and_swallow(*arguments: Any) -> Any:
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGINT)
        return find(*arguments)

    monkeypatch.setattr(training, "_find_device", find_and_swallow)


@pytest.mark.usefixtures("swallowed")
def test_ctrl_c_while_the_framework_is_imported_is_not_lost(tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError, match="stopped before the run began") as caught:
        train(config(), tmp_path / "run")
    assert caught.value.exit_code == 130
    assert not hasattr(caught.value, "__notes__")  # there is nothing to go on with
    assert list(tmp_path.iterdir()) == []


def test_nor_when_a_run_is_resumed(stopped: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    shutil.copytree(stopped, tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    request.getfixturevalue("swallowed")
    with pytest.raises(InterruptedRunError, match="stopped before the run resumed") as caught:
        resume(tmp_path / "run")
    assert caught.value.__notes__ == [f"resume it: cl train --resume {tmp_path / 'run'}"]
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_a_second_signal_while_keras_traces_is_no_failure(
    straight: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras puts what a layer raises into an exception of its own."""
    with monkeypatch.context() as patch:
        call = keras.layers.Conv2D.call

        @functools.wraps(call)  # Keras reads its signature
        def impatient(self: Any, *arguments: Any, **options: Any) -> Any:
            if (tmp_path / "run" / "run.json").exists():
                signal.raise_signal(signal.SIGTERM)
                signal.raise_signal(signal.SIGTERM)
            return call(self, *arguments, **options)

        patch.setattr(keras.layers.Conv2D, "call", impatient)
        with pytest.raises(InterruptedRunError, match=r"^stopped at once by a second signal\n") as caught:
            train(config(), tmp_path / "run")
    assert caught.value.exit_code == 143
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (manifest["status"], manifest["reason"]) == ("interrupted", "stopped at once by a second signal")
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == straight


@pytest.mark.parametrize(
    ("name", "code"), [("SIGINT", 130), pytest.param("SIGTERM", 143, marks=pytest.mark.slow)]
)
def test_a_signal_from_outside_has_the_command_save_and_name_the_command_that_resumes(
    name: str, code: int, here: Any, tmp_path: Path
) -> None:
    arguments = [
        "train",
        "--config",
        str(QUICKSTART),
        *(each.replace("iterations=3", "iterations=100000") for each in TINY),
    ]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", *arguments, "--run-dir", "run"],
        cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    rows = tmp_path / "run" / "metrics.jsonl"
    while process.poll() is None and not (rows.exists() and rows.stat().st_size):
        os.sched_yield()
    os.kill(process.pid, getattr(signal, name))
    _, errors = process.communicate(timeout=240)
    assert process.returncode == code, errors
    (error, advice) = errors.splitlines()
    step = json.loads((tmp_path / "run" / "run.json").read_text())["reason"].split()[3]
    assert error == f"error: stopped after step {step} of 100000"
    assert advice == "resume it: cl train --resume run"
    assert (tmp_path / "run" / "checkpoints" / f"step-{int(step):08d}").is_dir()
    assert here("train", "--resume", "run", "--lambda", "0.5")[0] == 2  # it is to be had again
