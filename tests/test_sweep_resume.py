"""A sweep that lost a worker, or was stopped: exactly what is missing is done, the rest is left untouched."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from test_cli import ROOT, cl
from test_conductor import FakeLauncher, completes

from centerloss_core.config import Flags
from centerloss_core.devices import threads_of_this_process
from centerloss_core.run_directory import checkpoints as checkpoint_files
from centerloss_core.run_directory.resume_check import ChangedError
from centerloss_core.sweeps import (
    Launch,
    begun_points,
    conductor,
    grid,
    resume_sweep,
    sweep,
    write_summary,
)
from centerloss_core.sweeps.asked import points_with

SWEEP = """
data: {name: digits8}
model: {batch_norm: false, channels: [8, 8, 8]}
train: {iterations: 3, batch_size: 20, learning_rate: 1e-3, log_every: 1, checkpoint_every: 1,
        dump_train: 100}
sweep: {lambda: [0, 0.1, 1.0]}
"""
LOST = "lambda0.1-alpha0.5-seed0"
OTHERS = ["lambda0-alpha0.5-seed0", "lambda1-alpha0.5-seed0"]

# Python reads this file when it starts. The process that trains the point is killed, as by the system when memory is
# short, in the moment in which it begins its final dump; the flag sees to it that this happens once. The other points
# are completed at once, without training.
_KILLER = f"""
import os, signal, sys
FLAG = os.path.join(os.path.dirname(__file__), "killed")
def kill(event, arguments):
    name = str(arguments[0]) if event == "open" else ""
    if "{LOST}" in name and "test-final" in name and not os.path.exists(FLAG):
        open(FLAG, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
if "cli.worker" in sys.orig_argv:
    sys.addaudithook(kill)
    from centerloss_core.run_directory.writer import Run
    from centerloss_core.training.run import Result, Start
    train = Start.train
    def complete(start, **how):
        if start.path.name not in {OTHERS}:
            return train(start, **how)
        with Run.create(start.path, start.config, dict()) as run:
            run.finish("completed")
        return Result(start.path, dict())
    Start.train = complete
"""


def home_with_killer(home: Path) -> dict[str, str]:
    (home / "tiny.yaml").write_text(SWEEP)
    (home / "killer").mkdir()
    (home / "killer" / "sitecustomize.py").write_text(_KILLER)
    return {"PYTHONPATH": f"{ROOT}:{home / 'killer'}"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sweep `sweep`, one of whose three points was killed; the others were not trained."""
    home = tmp_path_factory.mktemp("lost")
    variables = home_with_killer(home)
    done = cl("sweep", "--config", "tiny.yaml", "--run-dir", "sweep", cwd=home, **variables)
    assert done.returncode == 1
    assert (
        f"1 of 3 points did not complete: {LOST}: its process ended with SIGKILL (out of memory?)"
        in done.stderr
    )
    assert done.stderr.splitlines()[-1] == "resume them: cl sweep --resume sweep"
    assert "Traceback" not in done.stderr
    return home


def rows(sweep: Path) -> dict[str, dict[str, Any]]:
    return {row["directory"]: row for row in json.loads((sweep / "summary.json").read_text())["runs"]}


def times(*folders: Path) -> dict[Path, int]:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path: path.stat().st_mtime_ns for path in files}


def test_a_worker_that_is_killed_is_marked_and_the_others_are_completed(home: Path) -> None:
    found = rows(home / "sweep")
    assert {name: row["status"] for name, row in found.items()} == {
        LOST: "failed",
        **dict.fromkeys(OTHERS, "completed"),
    }
    assert json.loads((home / "sweep" / LOST / "run.json").read_text())["status"] == "failed"


def test_resume_does_exactly_what_is_missing_and_then_nothing(home: Path, tmp_path: Path, here: Any) -> None:
    sweep = shutil.copytree(home / "sweep", tmp_path / "sweep")
    shutil.rmtree(sweep / OTHERS[0])  # never begun, as far as anyone can see
    untouched = times(sweep / OTHERS[1])
    variables = home_with_killer(tmp_path)
    (tmp_path / "killer" / "killed").touch()
    done = cl("sweep", "--resume", "sweep", "--jobs", "1", cwd=tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    assert {row["status"] for row in rows(sweep).values()} == {"completed"}
    assert times(sweep / OTHERS[1]) == untouched
    resumed = json.loads((sweep / LOST / "run.json").read_text())["resumed"]
    assert [row["step"] for row in resumed] == [3]  # it had lost nothing but its evaluation
    assert json.loads((sweep / OTHERS[0] / "run.json").read_text())["resumed"] == []
    assert rows(sweep)[LOST]["accuracy"] is not None

    runs = times(*(sweep / name for name in (LOST, *OTHERS)))
    code, output, errors = here("sweep", "--resume", "sweep")
    assert (code, errors) == (0, "")
    assert "On the test images" in output
    assert times(*(sweep / name for name in (LOST, *OTHERS))) == runs
    code, output, _ = here("train", "--resume", f"sweep/{LOST}")
    assert code == 0
    assert output.splitlines()[0] == f"sweep/{LOST} is completed: there is nothing to resume"


def test_a_changed_sweep_is_refused_with_the_difference(home: Path, tmp_path: Path, here: Any) -> None:
    (tmp_path / "sweep").symlink_to(home / "sweep")
    before = times(home / "sweep")
    code, _, errors = here("sweep", "--resume", "sweep", "--set", "train.learning_rate=0.01")
    assert code == 2
    assert "error: sweep was begun with other settings, and a sweep is resumed as it was begun" in errors
    assert errors.splitlines()[1:] == ["  train.learning_rate: 0.001; asked for now: 0.01"]
    code, _, errors = here("train", "--resume", f"sweep/{LOST}", "--lambda", "0")
    assert code == 2
    assert "-  lambda: 0.1" in errors
    assert "+  lambda: 0.0" in errors
    assert times(home / "sweep") == before


@pytest.mark.slow
def test_a_point_that_was_killed_is_resumed_when_asked(tmp_path: Path) -> None:
    variables = home_with_killer(tmp_path)
    command = ("sweep", "--config", "tiny.yaml", "--lambda", "0.1", "--run-dir", "sweep", "--retries", "1")
    done = cl(*command, cwd=tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "killer" / "killed").exists()
    manifest = json.loads((tmp_path / "sweep" / LOST / "run.json").read_text())
    assert (manifest["status"], len(manifest["resumed"])) == ("completed", 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--resume", "nowhere"], "nowhere: no such directory"),
        (["sweep", "--resume", "nowhere"], "nowhere: no such directory"),
        (["train", "--resume", "sweep"], "sweep is a sweep: cl sweep --resume sweep"),
        (["sweep", "--resume", f"sweep/{LOST}"], "is a run, not a sweep: cl train --resume"),
        (["sweep", "--resume", "sweep", "--run-dir", "x"], "--run-dir and --resume exclude each other"),
        (["sweep", "--resume", "sweep", "--dry-run"], "`cl runs DIR` shows what is there to be resumed"),
        (["train", "--resume", "sweep", "--name", "x"], "--name and --resume exclude each other"),
        (
            ["sweep"],
            "give a config to begin a new run or sweep (`cl configs` lists some), or --resume DIR to resume one",
        ),
    ],
)
def test_what_cannot_be_resumed_is_named(
    arguments: list[str], words: str, here: Any, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "sweep").symlink_to(home / "sweep")
    code, _, errors = here(*arguments)
    assert code in (1, 2)
    assert words in errors


# ---- A directory that was changed meanwhile ------------------------------------------------------------


@pytest.fixture
def copy(home: Path, tmp_path: Path) -> Path:
    """A sweep with one point to resume."""
    return shutil.copytree(home / "sweep", tmp_path / "sweep")


@pytest.fixture
def at_once(copy: Path, monkeypatch: pytest.MonkeyPatch) -> FakeLauncher:
    """Whatever is missing is completed without training: how a sweep is resumed is decided before."""
    launcher = FakeLauncher(begun_points(copy), completes, jobs=1, without_room="")
    monkeypatch.setattr(sweep, "open_launcher", lambda launch, threads: launcher)
    return launcher


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("begun", [True, False])
def test_an_edited_point_is_refused(begun: bool, copy: Path) -> None:
    if not begun:
        shutil.rmtree(copy / LOST)
    edit(copy / "points" / f"{LOST}.yaml", "learning_rate: 0.001", "learning_rate: 0.01")
    with pytest.raises(ChangedError, match="as it was begun"):
        resume_sweep(copy)


def test_a_point_under_another_name_is_refused(copy: Path) -> None:
    edit(copy / "points" / f"{LOST}.yaml", "lambda: 0.1", "lambda: 7.0")
    with pytest.raises(
        ChangedError, match=rf"{LOST}.yaml was changed: it is the config of lambda7-alpha0.5-seed0 now"
    ):
        resume_sweep(copy)


def test_swapped_runs_are_refused(copy: Path) -> None:
    first, second = (copy / name for name in OTHERS)
    first.rename(copy / "aside")
    second.rename(first)
    (copy / "aside").rename(second)
    with pytest.raises(ChangedError, match="was begun with another config"):
        resume_sweep(copy)


def test_the_reason_of_a_point_that_cannot_start_is_that_of_its_last_start(copy: Path) -> None:
    edit(copy / LOST / "checkpoints" / "step-00000003" / "config.yaml", "batch_size: 20", "batch_size: 21")
    resign(copy / LOST / "checkpoints" / "step-00000003")
    manifest = json.loads((copy / LOST / "run.json").read_text())
    stopped = {**manifest, "status": "failed", "reason": "stopped long ago"}
    (copy / LOST / "run.json").write_text(json.dumps(stopped))
    (copy / "logs" / f"{LOST}.log").write_text("error: something of an earlier day\n")
    done = cl("sweep", "--resume", "sweep", cwd=copy.parent)
    assert done.returncode == 1
    assert f"1 of 3 points did not complete: {LOST}: " in done.stderr
    assert "was changed after step-00000003 was saved" in done.stderr
    assert "long ago" not in done.stderr
    assert "earlier day" not in done.stderr


def resign(checkpoint: Path) -> None:
    (checkpoint / "SHA256SUMS").write_bytes(checkpoint_files._sums(checkpoint))


@pytest.mark.usefixtures("at_once")
def test_a_lost_summary_is_written_anew_and_a_damaged_run_costs_no_other(copy: Path) -> None:
    (copy / "summary.json").write_text("{")
    (copy / OTHERS[0] / "run.json").write_text("{")
    warnings: list[str] = []
    states = resume_sweep(copy, warn=warnings.append)
    assert [(state.point.name, state.status) for state in states] == [
        (OTHERS[0], "failed"),
        (LOST, "completed"),
        (OTHERS[1], "completed"),
    ]
    damaged = f"is damaged: put it back from a copy, or move {copy / OTHERS[0]} away"
    assert damaged in str(states[0].reason)
    assert "it is written anew" in warnings[0]
    assert [row["status"] for row in rows(copy).values()] == ["failed", "completed", "completed"]


@pytest.mark.usefixtures("at_once")
def test_a_run_that_lost_its_manifest_or_its_config_is_named(copy: Path) -> None:
    (copy / "summary.json").unlink()
    (copy / OTHERS[0] / "run.json").unlink()
    (copy / "points" / f"{OTHERS[1]}.yaml").unlink()
    warnings: list[str] = []
    states = resume_sweep(copy, warn=warnings.append)
    assert [(state.point.name, state.status) for state in states] == [
        (OTHERS[0], "failed"),
        (LOST, "completed"),
    ]
    lost = f"run.json is lost: put it back from a copy, or move {copy / OTHERS[0]} away"
    assert lost in str(states[0].reason)
    assert warnings[1:] == [
        f"{copy / OTHERS[1]} is not a point of this sweep: {copy / 'points'} has no config for it"
    ]


def test_a_sweep_is_resumed_with_the_threads_that_it_was_begun_with(
    copy: Path, at_once: FakeLauncher
) -> None:
    summary = json.loads((copy / "summary.json").read_text())
    assert (summary["jobs"], summary["threads"]) == (1, threads_of_this_process())
    resume_sweep(copy, launch=Launch(jobs=2))
    assert [started.task.threads for started in at_once.started] == [summary["threads"]]


def test_the_threads_are_those_of_the_points_where_the_summary_is_lost(
    copy: Path, at_once: FakeLauncher
) -> None:
    path = copy / "summary.json"
    path.unlink()
    for name in OTHERS:
        manifest = json.loads((copy / name / "run.json").read_text())
        (copy / name / "run.json").write_text(json.dumps({**manifest, "threads": 1}))
    shutil.rmtree(copy / LOST)  # so that it begins anew
    resume_sweep(copy, launch=Launch(jobs=2))
    assert [started.task.threads for started in at_once.started] == [1]
    assert json.loads(path.read_text())["threads"] == 1


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("known", ["all", "nothing"])
def test_a_version_that_knows_a_setting_more_resumes_again_and_again(known: str, copy: Path) -> None:
    shutil.rmtree(copy / "logs")
    for path in (copy / "points").glob("*.yaml"):
        edit(path, "  tensorboard: false\n", "")
    summary = json.loads((copy / "summary.json").read_text())
    if known == "nothing":
        (copy / "summary.json").unlink()
    else:
        (copy / "summary.json").write_text(json.dumps({**summary, "points": grid.fingerprint(copy)}))
    for _ in range(2):
        assert {state.status for state in resume_sweep(copy)} == {"completed"}


@pytest.mark.usefixtures("at_once")
def test_flags_of_a_resume_are_compared_with_what_the_sweep_is(copy: Path, here: Any) -> None:
    # Begun with other flags, its config file does not say what it is.
    edit(copy / "sweep.yaml", "iterations: 3", "iterations: 99")
    same = ("--lambda", "1,0.1,0", "--alpha", "0.5", "--seed", "0", "--device", "auto")
    code, _, errors = here("sweep", "--resume", "sweep", *same, "--set", "train.iterations=3")
    assert (code, errors) == (0, "")
    for other, difference in (
        (("--set", "train.iterations=4"), "train.iterations: 3; asked for now: 4"),
        (("--lambda", "0,0.2", "--device", "cpu"), "train.device: auto; asked for now: cpu"),
        (
            ("--set", "loss.lambda=3"),
            "the sweep varies loss.lambda; give its values with --lambda",
        ),
    ):
        code, _, errors = here("sweep", "--resume", "sweep", *other)
        assert code == 2
        assert difference in errors
        assert len(errors.splitlines()) <= 2


def test_a_sweep_of_another_format_is_refused(copy: Path, here: Any) -> None:
    edit(copy / "summary.json", '"format": 2', '"format": 99')
    code, _, errors = here("sweep", "--resume", "sweep")
    assert code == 1
    assert "summary.json: is of format 99, and this version of centerloss knows 2" in errors


@pytest.mark.usefixtures("at_once")
def test_the_same_values_in_another_order_are_the_same_sweep(copy: Path) -> None:
    (copy / "summary.json").unlink()
    asked = points_with(copy, begun_points(copy), Flags(axes={"loss.lambda": [1.0, 0.1, 0.0]}))
    assert {state.status for state in resume_sweep(copy, asked=asked)} == {"completed"}


@pytest.mark.usefixtures("at_once")
def test_a_summary_that_cannot_be_written_costs_no_point(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0

    def full_in_between(*arguments: Any) -> None:
        nonlocal written
        written += 1
        if written == 2:
            raise OSError(28, "No space left on device", str(copy / "summary.json"))
        write_summary(*arguments)

    monkeypatch.setattr(conductor, "write_summary", full_in_between)
    monkeypatch.setattr(conductor, "_BETWEEN_SUMMARIES", 0.0)
    assert {state.status for state in resume_sweep(copy)} == {"completed"}
    assert written > 2
