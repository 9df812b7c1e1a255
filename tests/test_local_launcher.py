"""Processes of this machine: how many at a time, with which threads, and which GPUs each of them sees."""

import errno
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_cli import cl, environment

from centerloss_core.sweeps.launchers import Ending, LauncherError, Task, child
from centerloss_core.sweeps.launchers.local import Gpus, LocalLauncher, visible_gpus

SWEEP = """
data: {name: digits8}
train: {iterations: 3, batch_size: 20}
sweep: {lambda: [0, 0.1, 1.0, 10.0]}
"""

# Python reads this file when it starts. A point ends at once and leaves what its process was given; it waits for the
# one that began beside it, so that both have their GPUs at the same time.
_STAND_IN = """
import json, os, sys, time
def train(path):
    if path.endswith(os.environ.get("KILLED", "-")):
        os.kill(os.getpid(), 9)
    if path.endswith(os.environ.get("FAILS", "-")):
        os._exit(1)
    os.makedirs(path)
    names = ("CUDA_VISIBLE_DEVICES", "TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")
    given = {"process": os.getpid(), **{name: os.environ.get(name) for name in names}}
    with open(os.path.join(path, "begun"), "w"): pass
    home = os.path.dirname(path)
    together = int(os.environ["TOGETHER"])
    while len([name for name in os.listdir(home) if os.path.exists(os.path.join(home, name, "begun"))]) % together:
        time.sleep(0.01)
    with open(os.path.join(path, "run.json"), "w") as file:
        json.dump({"format": 2, "status": "completed", "given": given}, file)
if "cli.worker" in sys.orig_argv:
    for line in sys.stdin:
        words = json.loads(line)["words"]
        train(words[words.index("--run-dir") + 1])
        print("done", flush=True)
    os._exit(0)
"""


def waiting_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)


def given(
    home: Path, together: int, *arguments: str, text: str = SWEEP, **variables: str
) -> list[dict[str, Any]]:
    """What the process of each point and its environment were, in their order."""
    done = swept(home, together, *arguments, text=text, **variables)
    assert done.returncode == 0, done.stderr
    names = [row["directory"] for row in json.loads((home / "sweep" / "summary.json").read_text())["runs"]]
    return [given_to(home / "sweep" / name) for name in names]


def swept(
    home: Path, together: int, *arguments: str, text: str = SWEEP, **variables: str
) -> subprocess.CompletedProcess[str]:
    (home / "tiny.yaml").write_text(text)
    (home / "stand-in").mkdir()
    (home / "stand-in" / "sitecustomize.py").write_text(_STAND_IN)
    variables["PYTHONPATH"] = f"{environment()['PYTHONPATH']}:{home / 'stand-in'}"
    command = ("sweep", "--config", "tiny.yaml", "--run-dir", "sweep", *arguments)
    return cl(*command, cwd=home, TOGETHER=str(together), **variables)


def given_to(run: Path) -> dict[str, Any]:
    given: dict[str, Any] = json.loads((run / "run.json").read_text())["given"]
    return given


def test_points_of_a_sweep_have_gpus_of_their_own_and_the_threads_asked_for(tmp_path: Path) -> None:
    cores = str((os.cpu_count() or 1) + 3)
    asked = ("--jobs", "2", "--set", f"sweep.resources.cpus={cores}")
    points = given(tmp_path, 2, *asked, CUDA_VISIBLE_DEVICES="3,GPU-7e")
    for two in (points[:2], points[2:]):
        assert sorted(str(point["CUDA_VISIBLE_DEVICES"]) for point in two) == ["3", "GPU-7e"]
    assert {point["TF_NUM_INTRAOP_THREADS"] for point in points} == {cores}
    assert {point["OMP_NUM_THREADS"] for point in points} == {cores}


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        # Of one program one after the other, whatever their order; a fifth program begins a fresh process.
        ("{train.batch_size: [20, 30, 40, 50, 60]}", [*"aaaab", *"aaaab"]),
        ("{train.learning_rate: [1e-3, 1e-2], train.momentum: [0.5, 0.6]}", [*"aaaa", *"aaaa"]),
        ("{train.deterministic: [true, false]}", [*"ab", *"ab"]),
    ],
)
def test_points_follow_one_another_in_a_process(grid: str, expected: list[str], tmp_path: Path) -> None:
    text = f"data: {{name: digits8}}\ntrain: {{iterations: 3}}\nsweep: {{lambda: [0, 1], grid: {grid}}}"
    processes = [point["process"] for point in given(tmp_path, 1, text=text)]
    letters = dict(zip(dict.fromkeys(processes), "ab", strict=False))
    assert [letters[process] for process in processes] == expected


def test_a_process_that_fails_or_is_killed_costs_its_point_and_a_fresh_one_goes_on(tmp_path: Path) -> None:
    text = "data: {name: digits8}\ntrain: {iterations: 3}\nsweep: {lambda: [0], seed: [0, 1, 2, 3, 4, 5]}"
    done = swept(tmp_path, 1, text=text, KILLED="seed1", FAILS="seed3")
    assert "2 of 6 points did not complete" in done.stderr
    assert "seed1: its process ended with SIGKILL (out of memory?)" in done.stderr
    assert "seed3: its process ended with exit code 1" in done.stderr
    runs = [tmp_path / "sweep" / f"lambda0-alpha0.5-seed{seed}" for seed in (0, 2, 4, 5)]
    first, second, third, last = (given_to(run)["process"] for run in runs)
    assert len({first, second, third}) == 3
    assert last == third


@pytest.mark.parametrize(
    ("visible", "jobs", "asked", "seen"),
    [
        pytest.param("0,1", 1, None, [None], id="one at a time sees all"),
        pytest.param("0,1", 2, None, ["0", "1"], id="one each, where there are enough"),
        pytest.param("0", 2, None, [None, None], id="all, where there are not"),
        pytest.param("0,1", 4, 0.5, ["0", "0", "1", "1"], id="half a GPU each"),
        pytest.param("0,1", 2, 0, ["", ""], id="none"),
    ],
)
def test_points_see_the_gpus_that_are_theirs(
    visible: str,
    jobs: int,
    asked: float | None,
    seen: list[str | None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[str | None] = []

    def start(*arguments: Any, **_: Any) -> subprocess.Popen[bytes]:
        found.append((arguments[2] or {}).get("CUDA_VISIBLE_DEVICES"))
        return waiting_process()

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(child, "start_module", start)
    (tmp_path / "logs").mkdir()
    with LocalLauncher(jobs, asked) as launcher:
        launcher.start([Task(str(index), tmp_path, 1) for index in range(jobs)])
    assert sorted(found, key=str) == seen


def test_gpus_are_counted_as_cuda_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_more_gpus_than_the_machine_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(LauncherError, match=r"sweep.resources.gpus is 2, and this machine shows 1: lower it"):
        LocalLauncher(jobs=1, gpus=2)
    assert LocalLauncher(jobs=8, gpus=0.25).jobs == 4


def test_gpus_of_ended_points_are_used_again() -> None:
    gpus = Gpus(["0", "1", "2", "3"], 2)
    assert gpus.places == 2
    first, second = gpus.take(), gpus.take()
    assert sorted(first + second) == ["0", "1", "2", "3"]
    gpus.give_back(first)
    assert gpus.take() == first


def test_a_process_that_cannot_be_started_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = iter([True, False, True])

    def start(*_: Any, **__: Any) -> subprocess.Popen[bytes]:
        if not next(starts):
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        return waiting_process()

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(child, "start_module", start)
    (tmp_path / "logs").mkdir()
    with LocalLauncher(2, 1) as launcher:
        first, refused = launcher.start([Task("a", tmp_path, 1), Task("b", tmp_path, 1)])
        ending = refused.ended()
        assert ending is not None
        assert ending.reason == "its process could not be started: Resource temporarily unavailable"
        assert first.ended() is None
        (third,) = launcher.start([Task("c", tmp_path, 1)])
        assert {first.place, third.place} == {"gpu 0", "gpu 1"}  # the one that was refused has none
    assert first.ended() == third.ended() == Ending(-signal.SIGKILL)


def test_a_log_that_cannot_be_written_fails_its_point_alone(tmp_path: Path) -> None:
    task = Task("point", tmp_path, 1)
    task.log.mkdir(parents=True)
    (point,) = LocalLauncher(1, None).start([task])
    ending = point.ended()
    assert ending is not None
    assert ending.reason == f"its process could not be started: {task.log}: Is a directory"
