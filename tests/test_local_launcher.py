"""Processes of this machine: how many at a time, with which threads, and which GPUs each of them sees."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import cl, environment

from centerloss_core.sweeps.launchers import LauncherError, Task, child
from centerloss_core.sweeps.launchers.gpus import Gpus, visible_gpus
from centerloss_core.sweeps.launchers.local import LocalLauncher

SWEEP = """
data: {name: mnist5k}
train: {iterations: 3, batch_size: 20}
sweep: {lambda: [0, 0.1, 1.0, 10.0]}
"""

# Python reads this file when it starts. A point ends at once and leaves what it was given; it waits for the one that
# began beside it, so that both have their GPUs at the same time.
_STAND_IN = """
import json, os, sys, time
words = sys.orig_argv
if "train" in words and "--run-dir" in words:
    path = words[words.index("--run-dir") + 1]
    os.makedirs(path)
    names = ("CUDA_VISIBLE_DEVICES", "TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")
    content = {"format": 2, "status": "completed", "given": {name: os.environ.get(name) for name in names}}
    with open(os.path.join(path, "begun"), "w"): pass
    home = os.path.dirname(path)
    together = int(os.environ["TOGETHER"])
    while len([name for name in os.listdir(home) if os.path.exists(os.path.join(home, name, "begun"))]) % together:
        time.sleep(0.01)
    with open(os.path.join(path, "run.json"), "w") as file:
        json.dump(content, file)
    os._exit(0)
"""


def given(home: Path, together: int, *arguments: str, **variables: str) -> list[dict[str, str | None]]:
    """What the environment of each point said, in their order."""
    (home / "tiny.yaml").write_text(SWEEP)
    (home / "stand-in").mkdir()
    (home / "stand-in" / "sitecustomize.py").write_text(_STAND_IN)
    variables["PYTHONPATH"] = f"{environment()['PYTHONPATH']}:{home / 'stand-in'}"
    command = ("sweep", "--config", "tiny.yaml", "--run-dir", "sweep", *arguments)
    done = cl(*command, cwd=home, TOGETHER=str(together), **variables)
    assert done.returncode == 0, done.stderr
    names = [row["directory"] for row in json.loads((home / "sweep" / "summary.json").read_text())["runs"]]
    return [json.loads((home / "sweep" / name / "run.json").read_text())["given"] for name in names]


def gpus_of(points: list[dict[str, str | None]]) -> list[str | None]:
    return [point["CUDA_VISIBLE_DEVICES"] for point in points]


def test_each_of_several_points_has_a_gpu_of_its_own(tmp_path: Path) -> None:
    points = given(tmp_path, 2, "--jobs", "2", CUDA_VISIBLE_DEVICES="3,GPU-7e")
    assert sorted(map(str, gpus_of(points)[:2])) == ["3", "GPU-7e"]
    assert sorted(map(str, gpus_of(points)[2:])) == ["3", "GPU-7e"]


def test_one_at_a_time_sees_them_all(tmp_path: Path) -> None:
    assert gpus_of(given(tmp_path, 1, CUDA_VISIBLE_DEVICES="0,1")) == ["0,1"] * 4


def test_half_a_gpu_is_shared_by_two(tmp_path: Path) -> None:
    points = given(
        tmp_path, 4, "--jobs", "4", "--set", "sweep.resources.gpus=0.5", CUDA_VISIBLE_DEVICES="0,1"
    )
    assert sorted(map(str, gpus_of(points))) == ["0", "0", "1", "1"]


def test_without_enough_gpus_for_all_they_are_not_divided_unless_asked(tmp_path: Path) -> None:
    assert gpus_of(given(tmp_path, 2, "--jobs", "2", CUDA_VISIBLE_DEVICES="0")) == ["0"] * 4


def test_no_gpu_is_seen_where_none_is_wanted(tmp_path: Path) -> None:
    points = given(tmp_path, 2, "--jobs", "2", "--set", "sweep.resources.gpus=0", CUDA_VISIBLE_DEVICES="0,1")
    assert gpus_of(points) == [""] * 4


def test_cores_are_shared_or_given_as_asked(tmp_path: Path) -> None:
    asked = ("--jobs", "2", "--set", f"sweep.resources.cpus={(os.cpu_count() or 1) + 3}")
    points = given(tmp_path, 2, *asked)
    assert {point["TF_NUM_INTRAOP_THREADS"] for point in points} == {str((os.cpu_count() or 1) + 3)}
    assert {point["OMP_NUM_THREADS"] for point in points} == {str((os.cpu_count() or 1) + 3)}


def test_gpus_are_counted_as_cuda_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for said, names in {
        "0,2": ["0", "2"],
        "": [],
        "-1": [],
        "1,-1,2": ["1"],
        "GPU-a, 1": ["GPU-a", "1"],
    }.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
        assert visible_gpus() == names
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: GPU-1)'\necho 'GPU 1: A (UUID: GPU-2)'\n")
    tool.chmod(0o755)
    assert visible_gpus() == ["0", "1"]


def test_more_gpus_than_there_are_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(LauncherError, match=r"sweep.resources.gpus is 2, and this machine shows 1: lower it"):
        LocalLauncher(jobs=1, gpus=2)
    assert LocalLauncher(jobs=8, gpus=0.25).jobs == 4


def test_gpus_that_are_given_back_are_given_out_again() -> None:
    gpus = Gpus(["0", "1", "2", "3"], 2)
    assert gpus.places == 2
    first, second = gpus.take(), gpus.take()
    assert sorted(first + second) == ["0", "1", "2", "3"]
    gpus.give_back(first)
    assert gpus.take() == first


def test_a_process_that_cannot_be_started_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(task: Task, variables: object = None) -> subprocess.Popen[bytes]:
        if task.name == "b":
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(child, "start", start)
    launcher = LocalLauncher(2, 1)
    first, refused = launcher.start([Task("a", tmp_path, 1), Task("b", tmp_path, 1)])
    ending = refused.ended()
    assert ending is not None
    assert ending.reason == "its process could not be started: Resource temporarily unavailable"
    assert first.ended() is None
    (third,) = launcher.start([Task("c", tmp_path, 1)])
    assert {first.place, third.place} == {"gpu 0", "gpu 1"}  # the one that was refused has none
    for process in (first, third):
        process.kill()
        assert process.ended() is not None


def test_a_log_that_cannot_be_written_fails_its_point_alone(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    (tmp_path / "stand-in").mkdir()
    (tmp_path / "stand-in" / "sitecustomize.py").write_text(_STAND_IN)
    variables = {"PYTHONPATH": f"{environment()['PYTHONPATH']}:{tmp_path / 'stand-in'}", "TOGETHER": "1"}
    assert (
        cl("sweep", "--config", "tiny.yaml", "--run-dir", "sweep", cwd=tmp_path, **variables).returncode == 0
    )
    name = "lambda0.1-alpha0.5-seed0"
    log = tmp_path / "sweep" / "logs" / f"{name}.log"
    for path in tmp_path.glob("sweep/lambda*"):
        shutil.rmtree(path)
    log.unlink()
    log.mkdir()
    done = cl("sweep", "--resume", "sweep", "--jobs", "2", cwd=tmp_path, **variables)
    assert done.returncode == 1
    rows = json.loads((tmp_path / "sweep" / "summary.json").read_text())["runs"]
    assert {row["directory"]: row["status"] for row in rows if row["status"] != "completed"} == {
        name: "failed"
    }
    assert f"1 of 4 points did not complete: {name}: its process could not be started: " in done.stderr
    assert f"{log}: Is a directory" in done.stderr
