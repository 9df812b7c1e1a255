"""Points as Slurm jobs, with processes of this machine in place of the jobs."""

import json
import os
import pickletools
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_cli import cl, environment

from centerloss_core.config import Flags, Slurm, load_document, resolve_sweep
from centerloss_core.devices import THREAD_VARIABLES
from centerloss_core.run_directory.lock import holder
from centerloss_core.sweeps.grid import write_points
from centerloss_core.sweeps.launchers import Task, slurm_notes, slurm_submission
from centerloss_core.sweeps.launchers import on_slurm as launcher_module
from centerloss_core.sweeps.launchers.on_slurm import SlurmLauncher
from centerloss_core.sweeps.launchers.slurm_job import PointJob

pytest.importorskip("submitit")

SWEEP = """
data: {name: digits8}
model: {batch_norm: false, channels: [4, 8, 8]}
train: {iterations: 3, batch_size: 20, learning_rate: 1e-3, log_every: 1, checkpoint_every: 1}
sweep: {lambda: [0, 1.0], resources: {cpus: 1}, slurm: {cluster: local}}
"""
POINTS = ["lambda0-alpha0.5-seed0", "lambda1-alpha0.5-seed0"]
LONGER = ("train.iterations=1000", "train.checkpoint_every=5000")  # some seconds
BY_SLURM = ("sweep", "--config", "tiny.yaml", "--run-dir", "sweep", "--launcher", "slurm")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    return tmp_path


def until(condition: Callable[[], object], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def statuses(sweep: Path) -> dict[str, str]:
    return {
        row["directory"]: row["status"] for row in json.loads((sweep / "summary.json").read_text())["runs"]
    }


def manifest(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "run.json").read_text()))


def processes_of(directory: Path) -> list[str]:
    """The command lines that name this directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in command:
            found.append(command)
    return found


def test_a_job_is_quiet_ends_with_its_run_and_pickles_names_alone(home: Path) -> None:
    done = cl(*BY_SLURM, "--lambda", "0", cwd=home)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "submitit" not in done.stdout
    assert "running: job " in done.stdout
    assert statuses(home / "sweep") == {POINTS[0]: "completed"}
    assert processes_of(home) == []
    for pickled in (home / "sweep" / "slurm").rglob("*_submitted.pkl"):
        paths = {name for name in classes_in(pickled) if name.startswith("pathlib")}
        assert classes_in(pickled) - paths == {
            "submitit.core.utils DelayedSubmission",
            f"{PointJob.__module__} PointJob",
            f"{Task.__module__} Task",
            f"{slurm_notes.__name__} Ticket",
        }
    assert not [path for path in (home / "sweep").rglob("*.pkl") if path.parent.parent.name != "slurm"]


def classes_in(pickled: Path) -> set[str]:
    """The names that unpickling would look up."""
    strings: list[str] = []
    found = set()
    for operation, argument, _ in pickletools.genops(pickled.read_bytes()):
        if operation.name == "STACK_GLOBAL":
            found.add(" ".join(strings[-2:]))
        elif operation.name == "GLOBAL":
            found.add(str(argument))
        elif isinstance(argument, str):
            strings.append(argument)
    return found


@pytest.mark.slow
def test_a_sweep_that_is_stopped_is_resumed_by_another_launcher(home: Path) -> None:
    settings = [word for setting in LONGER for word in ("--set", setting)]
    command = [sys.executable, "-P", "-m", "cli", *BY_SLURM, *settings, "--jobs", "1"]
    process = subprocess.Popen(
        command, cwd=home, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    first, second = (home / "sweep" / name for name in POINTS)
    until(lambda: process.poll() is not None or '"step"' in text_of(first / "metrics.jsonl"))
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to whatever the command started, too
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.splitlines() == [
        "error: stopped with 0 of 2 points completed",
        "resume it: cl sweep --resume sweep",
    ]
    assert processes_of(home) == []
    assert holder(first) is None
    assert statuses(home / "sweep") == {POINTS[0]: "interrupted", POINTS[1]: "waiting"}
    assert any((first / "checkpoints").iterdir())
    assert not second.exists()

    done = cl("sweep", "--resume", "sweep", "--launcher", "local", cwd=home)
    assert done.returncode == 0, done.stderr
    assert statuses(home / "sweep") == dict.fromkeys(POINTS, "completed")
    assert [row["step"] > 0 for row in manifest(first)["resumed"]] == [True]
    assert manifest(second)["resumed"] == []


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.fixture
def task(home: Path) -> Task:
    """A point of a sweep directory, not begun, which takes some seconds."""
    return write_sweep(home)


def write_sweep(home: Path) -> Task:
    (home / "tiny.yaml").write_text(SWEEP)
    directory = home / "sweep"
    points = resolve_sweep(load_document(home / "tiny.yaml"), Flags(settings=LONGER)).points
    (directory / "logs").mkdir(parents=True)
    write_points(directory, points)
    return Task(POINTS[0], directory, 1)


@pytest.mark.slow
def test_a_preempted_job_saves_is_requeued_and_resumes(task: Task) -> None:
    with SlurmLauncher(Slurm(cluster="local"), 1) as launcher:
        (point,) = launcher.start([task])
        until(lambda: '"step"' in text_of(task.path / "metrics.jsonl"))
        assert point.place is not None
        assert point.place.startswith(f"job {point.job} on ")
        job = json.loads((notes_of(task) / f"{task.name}.1.began").read_text())["pid"]
        os.kill(job, signal.SIGUSR2)
        until(lambda: point.ended() is not None)
        assert point.ended() == launcher_module.Ending(0)
    assert manifest(task.path)["status"] == "completed"
    assert [row["step"] > 0 for row in manifest(task.path)["resumed"]] == [True]
    assert processes_of(task.directory) == []


def notes_of(task: Task) -> Path:
    return slurm_notes.notes_folder(task.directory)


def test_a_job_that_was_stopped_before_it_began_never_begins(task: Task) -> None:
    with SlurmLauncher(Slurm(cluster="local"), 1) as launcher:
        (point,) = launcher.start([task])
        launcher.interrupt(signal.SIGINT)
        until(lambda: point.ended() is not None)
        assert point.ended() == launcher_module.Ending(None, "stopped before it began")
        assert point.place is None
    assert not task.path.exists()
    assert not task.log.exists()


def test_a_dead_job_is_not_waited_for(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = shlex.join([sys.executable, "-c", "raise SystemExit('no such disk')"])
    monkeypatch.setattr(slurm_submission, "_python", lambda: broken)
    with SlurmLauncher(Slurm(cluster="local"), 1) as launcher:
        (point,) = launcher.start([task])
        until(lambda: point.ended() is not None)
        ending = point.ended()
    assert ending is not None
    assert ending.code is None
    assert str(ending.reason).startswith("its job ended without a message, see ")
    assert Path(str(ending.reason).partition("see ")[2]).read_text() == "no such disk\n"


@pytest.mark.slow
def test_a_kill_ends_the_run(task: Task) -> None:
    with SlurmLauncher(Slurm(cluster="local"), 1) as launcher:
        (point,) = launcher.start([task])
        until((task.path / "run.json").exists)
        launcher.kill()
        assert point.ended() == launcher_module.Ending(-signal.SIGKILL)
    assert holder(task.path) is None
    assert processes_of(task.directory) == []


def test_threads_are_those_of_the_sweep_and_not_of_the_node(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    from centerloss_core.sweeps.launchers import child

    seen: list[dict[str, str]] = []

    def start(_: Task) -> subprocess.Popen[bytes]:
        names = ("KERAS_BACKEND", *THREAD_VARIABLES)
        seen.append({name: os.environ[name] for name in names if name in os.environ})
        return subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])

    monkeypatch.setattr(child, "start", start)
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "7")  # the node's
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    (ticket,) = new_tickets(task)
    told = {"KERAS_BACKEND": "jax", "OMP_NUM_THREADS": "2"}
    job = PointJob(task, ticket, told)
    assert job() == 3
    assert seen == [{"OMP_NUM_THREADS": "2", "KERAS_BACKEND": "jax"}]
    assert ticket.ending() == (3, None)


def new_tickets(task: Task) -> list[slurm_notes.Ticket]:
    notes_of(task).mkdir(parents=True, exist_ok=True)
    return slurm_notes.new_tickets(notes_of(task), [task.name])


def test_a_new_start_of_a_point_stops_its_earlier_job(task: Task) -> None:
    (first,) = new_tickets(task)
    (second,) = new_tickets(task)
    second.say_ended(1, None)
    (third,) = new_tickets(task)
    assert [ticket.order() for ticket in (first, second, third)] == [slurm_notes.TERM, None, None]
    first.give(slurm_notes.KILL)
    assert first.order() == slurm_notes.KILL
