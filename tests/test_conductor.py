"""What a sweep does with its points, whoever launches them: a stand-in launcher takes the place of the real ones."""

import io
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from centerloss_core.config import Flags, Resources, Slurm, load_document, resolve_sweep
from centerloss_core.devices import threads_of_this_process
from centerloss_core.interrupts import InterruptedRunError
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.lock import DirectoryLock, ReplacedError
from centerloss_core.run_directory.manifest import read_manifest
from centerloss_core.run_directory.writer import Run
from centerloss_core.sweeps import (
    Launch,
    PointState,
    plan_sweep,
    resume_sweep,
    run_sweep,
    summary,
    sweep,
)
from centerloss_core.sweeps.launchers import Ending, LauncherError, Task, child
from cli.app import app
from cli.sweep_view import View, sweep_progress

CONFIG = """
data: {name: digits8}
train: {iterations: 4, batch_size: 20}
sweep: {lambda: [0, 0.1, 1.0], seed: [0, 1]}
"""


# The row of a run that has taken a step.
GOOD = {
    "kind": "steps",
    "step": 1,
    "epoch": 0.5,
    "softmax_loss": 1.0,
    "accuracy": 0.5,
    "images_per_second": 20,
}


@dataclass
class Fake:
    """A started point that ends when the script of its launcher says so."""

    task: Task
    launcher: "FakeLauncher"
    place: str | None = "node"
    signals: list[int] = field(default_factory=list)
    _ending: Ending | None = None

    def ended(self) -> Ending | None:
        if self._ending is None:
            self._ending = self.launcher.script(self)
        return self._ending

    def interrupt(self, signal_number: int) -> None:
        self.signals.append(signal_number)
        self._ending = Ending(None) if self.place is None else self.leave("interrupted", 128 + signal_number)

    def kill(self) -> None:
        self._ending = self._ending or Ending(-signal.SIGKILL)

    def leave(self, status: Any, code: int, reason: str | None = None) -> Ending:
        """Leave what a real run leaves."""
        if self.task.path.exists():
            with Run.open(self.task.path) as run:
                run.resume(1, {})
                run.finish(status, reason=reason)
        else:
            config = next(point.config for point in self.launcher.points if point.name == self.task.name)
            with Run.create(self.task.path, config, {}) as run:
                run.finish(status, reason=reason)
        return Ending(code)


class FakeLauncher:
    """Hands out `Fake` points; `script` says how each of them ends, or None while it runs."""

    def __init__(
        self,
        points: Sequence[Any],
        script: Callable[[Fake], Ending | None],
        jobs: int | None,
        without_room: str,
    ) -> None:
        self.points, self.script, self.jobs = points, script, jobs
        self.without_room = without_room
        self.started: list[Fake] = []
        self.most_at_once = 0
        self.entered = False

    def __enter__(self) -> "FakeLauncher":
        self.entered = True
        return self

    def __exit__(self, *_: object) -> None:
        self.entered = False

    def start(self, tasks: Sequence[Task]) -> list[Fake]:
        assert self.entered
        new = [
            Fake(
                task, self, None if self.without_room and task.name.startswith(self.without_room) else "node"
            )
            for task in tasks
        ]
        self.started += new
        running = sum(fake._ending is None for fake in self.started)
        self.most_at_once = max(self.most_at_once, running)
        return new

    def interrupt(self, signal_number: int) -> None:
        for fake in self.started:
            if fake._ending is None:
                fake.interrupt(signal_number)

    def kill(self) -> None:
        for fake in self.started:
            fake.kill()


@pytest.fixture
def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Run (or resume) a sweep with a script; returns its states and its launcher."""

    def run(
        script: Callable[[Fake], Ending | None],
        *,
        jobs: int | None = 2,
        resume: bool = False,
        without_room: str = "",
        text: str = CONFIG,
        **how: Any,
    ) -> tuple[list[PointState], FakeLauncher]:
        (tmp_path / "tiny.yaml").write_text(text)
        points = resolve_sweep(load_document(tmp_path / "tiny.yaml")).points
        launcher = FakeLauncher(points, script, jobs, without_room)
        monkeypatch.setattr(sweep, "open_launcher", lambda launch, threads: launcher)
        if resume:
            return resume_sweep(tmp_path / "sweep", **how), launcher
        return run_sweep(points, tmp_path / "sweep", text, **how), launcher

    yield run
    assert not list(tmp_path.rglob("*.tmp"))


def completes(fake: Fake) -> Ending:
    return fake.leave("completed", 0)


def statuses(states: Sequence[PointState]) -> list[str]:
    return [state.status for state in states]


def test_a_launcher_has_no_more_in_hand_than_it_says(launched: Callable[..., Any]) -> None:
    states, launcher = launched(completes, jobs=2)
    assert statuses(states) == ["completed"] * 6
    assert launcher.most_at_once == 2
    assert not launcher.entered  # it was told that this is all
    assert [fake.task.name for fake in launcher.started] == [state.point.name for state in states]


def test_a_lost_machine_is_no_failure_of_the_point(launched: Callable[..., Any]) -> None:
    seen: dict[str, int] = {}

    def lost_twice(fake: Fake) -> Ending:
        seen[fake.task.name] = seen.get(fake.task.name, 0) + 1
        if fake.task.name == "lambda0.1-alpha0.5-seed0" and seen[fake.task.name] <= 2:
            if seen[fake.task.name] == 1:
                fake.leave("running", 0)
            return Ending(None, "its node was lost", lost=True)
        return completes(fake)

    states, launcher = launched(lost_twice)
    assert statuses(states) == ["completed"] * 6
    assert len(launcher.started) == 8  # without --retries


def test_a_point_that_takes_machines_down_is_given_up(launched: Callable[..., Any]) -> None:
    def always_lost(fake: Fake) -> Ending:
        if fake.task.name.startswith("lambda1-"):
            return Ending(None, "its node was lost", lost=True)
        return completes(fake)

    states, launcher = launched(always_lost)
    assert statuses(states) == ["completed"] * 4 + ["failed"] * 2
    assert states[-1].reason == "its node was lost"
    assert len(launcher.started) == 4 + 2 * 4


@pytest.mark.parametrize(("reason", "starts"), [("OutOfMemoryError: …", 3), ("DivergedError: …", 1)])
def test_a_failed_point_is_tried_again_unless_it_diverged(
    reason: str, starts: int, launched: Callable[..., Any]
) -> None:
    def one_fails(fake: Fake) -> Ending:
        if fake.task.name == "lambda0-alpha0.5-seed1":
            return fake.leave("failed", 1, reason)
        return completes(fake)

    states, launcher = launched(one_fails, retries=2)
    assert statuses(states) == ["completed", "failed", *["completed"] * 4]
    assert states[1].starts == starts
    assert len(launcher.started) == 5 + starts


def test_a_point_that_something_else_stopped_is_tried_again_when_asked(launched: Callable[..., Any]) -> None:
    def stopped_once(fake: Fake) -> Ending:
        if fake.task.name == "lambda0-alpha0.5-seed1" and not fake.task.path.exists():
            fake.leave("interrupted", 143, "stopped after step 1 of 4")
            return Ending(None, "its job ended without a word")
        return completes(fake)

    states, _ = launched(stopped_once)
    assert (states[1].status, states[1].reason) == (
        "interrupted",
        "its job ended without a word (stopped after step 1 of 4)",
    )
    shutil.rmtree(states[1].path.parent)
    states, _ = launched(stopped_once, retries=1)
    assert statuses(states) == ["completed"] * 6
    assert [state.starts for state in states] == [1, 2, 1, 1, 1, 1]


def test_an_error_of_several_lines_says_where_all_of_it_is(launched: Callable[..., Any]) -> None:
    def complains(fake: Fake) -> Ending:
        fake.task.log.write_text("starting\nerror: MNIST could not be loaded. Tried:\n  nowhere\n")
        return Ending(1)

    states, _ = launched(complains)
    log = states[0].path.parent / "logs" / f"{states[0].point.name}.log"
    assert states[0].reason == f"MNIST could not be loaded. Tried: … (all of it: {log})"


def test_fail_fast_stops_the_others_and_leaves_them_to_be_resumed(launched: Callable[..., Any]) -> None:
    def second_fails_first_runs_on(fake: Fake) -> Ending | None:
        return None if fake.task.name.endswith("lambda0-alpha0.5-seed0") else fake.leave("failed", 1, "bad")

    states, launcher = launched(second_fails_first_runs_on, fail_fast=True)
    assert statuses(states) == ["interrupted", "failed", *["waiting"] * 4]
    assert launcher.started[0].signals == [signal.SIGTERM]
    states, launcher = launched(completes, resume=True)
    assert statuses(states) == ["completed"] * 6


def test_what_would_end_every_point_stops_the_sweep_after_the_first(launched: Callable[..., Any]) -> None:
    def of_another_version(fake: Fake) -> Ending | None:
        if fake.task.name == "lambda0-alpha0.5-seed1":
            return Ending(None, "node7 has centerloss 0.0.9: install the same on all nodes", for_all=True)
        return None

    states, launcher = launched(of_another_version, retries=3)
    assert statuses(states) == ["interrupted", "failed", *["waiting"] * 4]
    assert states[1].reason == "node7 has centerloss 0.0.9: install the same on all nodes"
    assert len(launcher.started) == 2
    assert launcher.started[0].signals == [signal.SIGTERM]


def presses_ctrl_c(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_while_the_launcher_opens_starts_nothing(
    launched: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(FakeLauncher, "__enter__", presses_ctrl_c)
        with pytest.raises(InterruptedRunError, match=r"^stopped before anything was made$") as caught:
            launched(completes)
        assert not hasattr(caught.value, "__notes__")
        assert not (tmp_path / "sweep").exists()
    states, _ = launched(lambda fake: fake.leave("failed", 1, "bad"))
    monkeypatch.setattr(FakeLauncher, "__enter__", presses_ctrl_c)
    with pytest.raises(InterruptedRunError, match="stopped before any point was started") as caught:
        launched(completes, resume=True)
    assert caught.value.__notes__ == [f"resume it: cl sweep --resume {tmp_path / 'sweep'}"]
    assert all(state.manifest()["reason"] == "bad" for state in states)


@pytest.mark.parametrize("where", ["kill", "exit"])
def test_however_often_ctrl_c_is_pressed_the_end_is_told(
    where: str, launched: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begins_and_is_deaf(fake: Fake) -> None:
        if not fake.task.path.exists():
            fake.leave("running", 0)
            if fake.task.name == "lambda0-alpha0.5-seed1":
                presses_ctrl_c()
        elif fake.launcher.started[-1] is fake:
            presses_ctrl_c()

    monkeypatch.setattr(Fake, "interrupt", lambda *_: None)
    monkeypatch.setattr(*((Fake, "kill") if where == "kill" else (FakeLauncher, "__exit__")), presses_ctrl_c)
    with pytest.raises(InterruptedRunError, match="stopped at once by a second signal") as caught:
        launched(begins_and_is_deaf)
    assert caught.value.__notes__ == [f"resume it: cl sweep --resume {tmp_path / 'sweep'}"]
    rows = json.loads((tmp_path / "sweep" / "summary.json").read_text())["runs"]
    assert [row["status"] for row in rows] == [*["interrupted"] * 2, *["waiting"] * 4]


def test_when_the_sweep_itself_fails_what_runs_has_time_to_save(
    launched: Callable[..., Any], tmp_path: Path
) -> None:
    running: list[Fake] = []

    def breaks_once(fake: Fake) -> Ending | None:
        running.append(fake)
        if len(running) == 2:
            raise LauncherError("Slurm did not take the jobs")
        return None

    with pytest.raises(LauncherError, match="did not take") as caught:
        launched(breaks_once)
    assert caught.value.__notes__ == [f"resume it: cl sweep --resume {tmp_path / 'sweep'}"]
    assert [fake.signals for fake in running[0].launcher.started] == [[signal.SIGTERM]] * 2
    rows = json.loads((tmp_path / "sweep" / "summary.json").read_text())["runs"]
    assert [row["status"] for row in rows] == [*["interrupted"] * 2, *["waiting"] * 4]


def test_what_cannot_be_shown_ends_no_sweep(launched: Callable[..., Any]) -> None:
    def show(_: object) -> None:
        raise ValueError

    states, _ = launched(completes, show=show)
    assert statuses(states) == ["completed"] * 6


@pytest.mark.parametrize(
    ("code", "log", "reason"),
    [
        (1, "", "its process ended with exit code 1"),
        (-11, "a line", "its process ended with SIGSEGV; its log.txt ends with: a line"),
        (-6, "what(): std::bad_alloc", "SIGABRT (out of memory?); its log.txt ends with: what(): std"),
        (3, "mmap: Cannot allocate memory", "exit code 3 (out of memory?); its log.txt ends with: mmap: Cannot"),
        (-9, "a line of TensorFlow's", "its process ended with SIGKILL (out of memory?)"),
        (-40, "", "its process ended with signal 40"),
    ],
)  # fmt: skip
def test_a_process_that_said_nothing_is_told_by_how_it_ended(
    code: int, log: str, reason: str, launched: Callable[..., Any]
) -> None:
    def dies(fake: Fake) -> Ending:
        if fake.task.name != "lambda0-alpha0.5-seed0":
            return completes(fake)
        fake.leave("running", 0)
        (fake.task.path / "log.txt").write_text(f"{log}\n\n")
        return Ending(code)

    states, _ = launched(dies)
    assert states[0].status == "failed"
    assert reason in str(states[0].reason)


def test_a_machine_that_is_lost_while_the_sweep_stops_leaves_what_its_run_saved(
    launched: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[int] = []

    def lost(fake: Fake) -> Ending | None:
        if fake.task.name == "lambda0-alpha0.5-seed0" and not stopped:
            stopped.append(signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return None

    def interrupt(self: Fake, _: int) -> None:
        self.leave("interrupted", 0, "stopped after step 1 of 4")
        self._ending = Ending(None, "its node was lost", lost=True)

    monkeypatch.setattr(Fake, "interrupt", interrupt)
    with pytest.raises(InterruptedRunError):
        launched(lost)
    rows = json.loads((tmp_path / "sweep" / "summary.json").read_text())["runs"]
    assert [row["status"] for row in rows] == [*["interrupted"] * 2, *["waiting"] * 4]
    assert rows[0]["reason"] == "stopped after step 1 of 4"


def test_ctrl_c_reaches_each_once_and_what_waits_for_its_resources_never_starts(
    launched: Callable[..., Any], tmp_path: Path
) -> None:
    def ctrl_c(fake: Fake) -> Ending | None:
        if fake.task.name == "lambda0-alpha0.5-seed0":
            return completes(fake)
        if fake.task.name == "lambda0.1-alpha0.5-seed0":
            os.kill(os.getpid(), signal.SIGINT)
        return None

    launchers: list[FakeLauncher] = []

    def remember(fake: Fake) -> Ending | None:
        launchers[:] = [fake.launcher]
        return ctrl_c(fake)

    with pytest.raises(InterruptedRunError, match="stopped with 1 of 6 points completed") as caught:
        launched(
            remember,
            jobs=None,
            without_room="lambda1-",
            launch=Launch(launcher="ray", ray_address="head:6379"),
        )
    assert caught.value.exit_code == 130
    # A cluster is joined only by who names it.
    advice = f"resume it: cl sweep --resume {tmp_path / 'sweep'} --ray-address head:6379"
    assert caught.value.__notes__ == [advice]
    signals = {fake.task.name: fake.signals for fake in launchers[0].started}
    assert all(each == [signal.SIGINT] for name, each in signals.items() if name != "lambda0-alpha0.5-seed0")
    rows = json.loads((tmp_path / "sweep" / "summary.json").read_text())["runs"]
    assert [row["status"] for row in rows] == [
        "completed",
        *["interrupted"] * 3,
        *["waiting"] * 2,  # as if this sweep had never asked for them
    ]

    states, launcher = launched(completes, resume=True, launch=Launch(ray_address="head:6379"))
    assert statuses(states) == ["completed"] * 6
    assert len(launcher.started) == 5
    assert read_manifest(tmp_path / "sweep" / "lambda0-alpha0.5-seed0")["resumed"] == []


def test_a_sweep_is_resumed_as_it_was_begun_unless_something_else_is_asked(
    launched: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched(completes, launch=Launch(launcher="ray", jobs=3, ray_address="head:6379"))
    for index in range(2):
        shutil.rmtree(tmp_path / "sweep" / f"lambda0-alpha0.5-seed{index}")
    assert sweep.ray_address_of(tmp_path / "sweep", Launch()) == "head:6379"
    assert sweep.ray_address_of(tmp_path / "sweep", Launch(launcher="local")) is None
    asked: list[tuple[Launch, int]] = []
    monkeypatch.setattr(summary, "threads_of_this_process", lambda: 16)

    def note(launch: Launch, threads: int) -> Any:
        asked.append((launch, threads))
        raise RuntimeError

    monkeypatch.setattr(sweep, "open_launcher", note)
    words = (
        "was begun on the Ray cluster at head:6379: resume there with --ray-address head:6379, or here with"
    )
    with pytest.raises(LauncherError, match=words):  # a stranger may have written the address
        resume_sweep(tmp_path / "sweep")
    assert asked == []
    launches = (
        Launch(ray_address="head:6379"),
        Launch(launcher="slurm"),
        Launch(launcher="local", jobs=4),
        Launch(ray_address="local"),
    )
    for launch in launches:
        with pytest.raises(RuntimeError):
            resume_sweep(tmp_path / "sweep", launch=launch)
    assert [(launch.launcher, launch.jobs, launch.ray_address, threads) for launch, threads in asked] == [
        ("ray", 3, "head:6379", 1),
        ("slurm", None, None, 1),
        ("local", 4, None, 1),
        ("ray", 3, "local", 1),
    ]


def edit_summary(sweep: Path, **said: Any) -> None:
    path = sweep / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **said}))


@pytest.fixture
def asked(launched: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> list[tuple[Launch, int]]:
    """A sweep in which one point is missing, and the launches that are asked for when it is resumed."""
    states, _ = launched(completes)
    shutil.rmtree(states[0].path)
    launches: list[tuple[Launch, int]] = []

    def note(launch: Launch, threads: int) -> Any:
        launches.append((launch, threads))
        return FakeLauncher([state.point for state in states], lambda _: Ending(1), 1, "")

    monkeypatch.setattr(sweep, "open_launcher", note)
    return launches


@pytest.mark.parametrize("by", ["--set", "--config"])
def test_who_changes_one_thing_about_the_launch_keeps_the_others(
    by: str, asked: list[tuple[Launch, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = {"cpus": 4, "gpus": 1, "memory": 4}
    slurm = {"partition": "short", "account": "me", "cluster": "local"}
    edit_summary(tmp_path / "sweep", launcher="slurm", resources=resources, slurm=slurm, threads=4)
    monkeypatch.chdir(tmp_path)
    settings = ("sweep.resources.memory=8", "sweep.slurm.minutes=7")
    (tmp_path / "more.yaml").write_text(
        CONFIG.replace("seed:", "resources: {memory: 8}, slurm: {minutes: 7}, seed:")
    )
    how = {"--set": [word for each in settings for word in ("--set", each)], "--config": [by, "more.yaml"]}
    assert CliRunner().invoke(app, ["sweep", "--resume", "sweep", *how[by]]).exit_code == 1
    (launch, threads), *_ = asked
    assert launch.resources == Resources(cpus=4, gpus=1, memory=8)
    assert launch.slurm == Slurm(partition="short", account="me", cluster="local", minutes=7)
    assert threads == 4


@pytest.mark.parametrize("said", [10**6, True])
def test_the_sweep_of_a_stranger_asks_no_more_of_a_machine_than_it_has(
    said: object, asked: list[tuple[Launch, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run in tmp_path.glob("sweep/lambda*/run.json"):
        run.write_text(json.dumps({**json.loads(run.read_text()), "threads": said}))
    monkeypatch.setattr(summary, "usable_cores", lambda: 2)
    for launch in (Launch(), Launch(jobs=9)):
        edit_summary(tmp_path / "sweep", launcher="local", jobs=said, jobs_by_launcher=[], threads=said)
        resume_sweep(tmp_path / "sweep", launch=launch)
    assert [launch.jobs for launch, _ in asked] == [1 if said is True else 2, 9]
    assert all(type(threads) is int and threads <= threads_of_this_process() for _, threads in asked)


def test_a_launcher_that_is_come_back_to_has_as_many_jobs_as_it_had(
    asked: list[tuple[Launch, int]], tmp_path: Path
) -> None:
    for launch in (Launch(launcher="slurm", jobs=64), Launch(launcher="local"), Launch(launcher="slurm")):
        resume_sweep(tmp_path / "sweep", launch=launch)
    assert [launch.jobs for launch, _ in asked] == [64, 1, 64]


def test_more_points_than_a_sweep_has_are_refused_before_they_are_read(
    launched: Callable[..., Any], tmp_path: Path
) -> None:
    launched(completes)
    for index in range(1000):
        (tmp_path / "sweep" / "points" / f"x{index}.yaml").touch()
    with pytest.raises(RunError, match="has 1006 configs, and a sweep at most 1000 points"):
        resume_sweep(tmp_path / "sweep")


def test_jobs_that_outlived_their_sweep_are_stopped_whoever_launches_now(
    launched: Callable[..., Any], tmp_path: Path
) -> None:
    launched(lambda fake: fake.leave("failed", 1, "bad"))
    notes = tmp_path / "sweep" / "slurm" / "notes"
    notes.mkdir(parents=True)
    running, ended = "lambda0-alpha0.5-seed0.1", "lambda0-alpha0.5-seed1.1"
    for name in (f"{running}.order", f"{ended}.order", f"{ended}.ended"):
        (notes / name).touch()
    states, _ = launched(completes, resume=True)
    assert statuses(states) == ["completed"] * 6
    assert (notes / f"{running}.order").read_text() == "TERM\n"
    assert (notes / f"{ended}.order").read_text() == ""


def test_a_sweep_whose_directory_was_replaced_leaves_the_other_alone(
    launched: Callable[..., Any], tmp_path: Path
) -> None:
    launched(completes)
    other = (tmp_path / "sweep" / "summary.json").read_bytes()
    (tmp_path / "sweep").rename(tmp_path / "other")

    def replaced(fake: Fake) -> Ending:
        if fake.task.directory.is_dir() and (tmp_path / "other").is_dir():
            shutil.rmtree(fake.task.directory)
            (tmp_path / "other").rename(fake.task.directory)
        return Ending(1)

    with pytest.raises(ReplacedError, match="sweep was replaced") as caught:
        launched(replaced)
    assert not hasattr(caught.value, "__notes__")
    assert (tmp_path / "sweep" / "summary.json").read_bytes() == other
    assert all(run.read_text().count('"completed"') == 1 for run in tmp_path.glob("sweep/lambda*/run.json"))


def test_a_run_that_saves_yet_is_waited_for(
    launched: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states, _ = launched(lambda fake: fake.leave("failed", 1, "bad"))
    saving = DirectoryLock(states[2].path)
    monkeypatch.setattr(child.time, "sleep", lambda seconds: saving.release())
    warnings: list[str] = []
    states, _ = launched(completes, resume=True, warn=warnings.append)
    assert statuses(states) == ["completed"] * 6
    (warning,) = warnings
    assert warning.startswith(f"{states[2].path} is in use by process {os.getpid()} on ")
    assert warning.endswith(": waiting for it to save and end, a minute at most")


def test_the_folder_of_a_run_that_begins_yet_is_not_cleared_away(
    launched: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a job that outlived its sweep: the directory of its run has its hidden name when the sweep is resumed."""
    states, _ = launched(lambda _: Ending(1))
    hidden = tmp_path / "sweep" / ".of-a-job.tmp"
    with Run.create(hidden, states[0].point.config, {}) as run:
        monkeypatch.setattr(child.time, "sleep", lambda _: (hidden.rename(states[0].path), run.close()))
        states, _ = launched(completes, resume=True)
    assert statuses(states) == ["completed"] * 6
    assert len(read_manifest(states[0].path)["resumed"]) == 1


@pytest.mark.parametrize(("width", "height"), [(60, 15), (200, 60)])
def test_the_table_shows_what_runs_and_how_many_wait_in_any_terminal(
    width: int, height: int, tmp_path: Path
) -> None:
    states = points_of(tmp_path, axes={"loss.lambda": [index / 100 for index in range(100)]})
    for state in states[:150]:
        state.status = "completed"
    states[150].status, states[150].place = "running", "node7"
    states[150].path.mkdir()
    (states[150].path / "metrics.jsonl").write_text(json.dumps(GOOD) + "\n")
    lines = drawn(states, width, height).splitlines()
    assert len(lines) <= height - 2
    assert lines[0].startswith("49 waiting, 1 running, 150 completed")
    shown = next(line for line in lines if "running" in line and "lambda" in line)
    assert shown.startswith("lambda0.75-alpha0.5-seed0" if width >= 80 else "lambda0.75…0.5-seed0")
    if width >= 80:
        assert "50.00 %" in shown
        assert "3 s" in shown  # (4 - 1) steps of 20 images at 20 a second
        assert "node7" in shown


def test_whatever_is_in_a_row_it_is_shown_in_one_line(tmp_path: Path) -> None:
    (state, *_) = points_of(tmp_path, settings=["train.epochs=4"])
    state.status = "running"
    state.path.mkdir()
    for value in (None, "x", True, [], 0, -1, 10**400, 1e300, 1e-320, float("nan"), float("-inf")):
        row = dict.fromkeys(list(GOOD)[1:], value)
        (state.path / "metrics.jsonl").write_text(json.dumps({**row, "kind": "steps"}) + "\n")
        shown = drawn([state], 200, 40)
        assert len([line for line in shown.splitlines() if line.strip()]) == 4
        assert "running" in shown
        assert len(max(shown.split(), key=len)) < 100


def test_why_points_compute_in_float32_is_said_once(tmp_path: Path, capsys: Any) -> None:
    states = points_of(tmp_path)
    with sweep_progress(tmp_path / "sweep") as show:
        for index, state in enumerate(states):
            state.status, state.starts = "running", 1
            show(states)  # it has no directory yet
            assert ("bfloat16" in capsys.readouterr().out) is (index == 1)
            Run.create(
                state.path, state.point.config, {"precision_reason": "the processor has no fast bfloat16"}
            )
    with sweep_progress(tmp_path / "sweep") as show:
        Run.create(tmp_path / "fast", states[0].point.config, {"precision_reason": None})
        states[0].path = tmp_path / "fast"
        show(states)
        assert "bfloat16" not in capsys.readouterr().out


def points_of(tmp_path: Path, **flags: Any) -> list[PointState]:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    grid = resolve_sweep(load_document(tmp_path / "tiny.yaml"), Flags(**flags))
    return [PointState(point, tmp_path / point.name) for point in grid.points]


def drawn(states: Sequence[PointState], width: int, height: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width, markup=False).print(View().drawn(states, width, height))
    return file.getvalue()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--ray-address", "auto"],
            "--ray-address is for the launcher ray, and this sweep is launched by local",
        ),
        (["--launcher", "condor"], "'condor' is not one of 'local', 'ray', 'slurm'"),
    ],
)
def test_options_that_do_not_go_together_start_nothing(
    arguments: list[str], words: str, here: Any, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    code, _, errors = here("sweep", "--config", "tiny.yaml", *arguments)
    assert code in (1, 2)
    assert words in errors
    assert not (tmp_path / "runs").exists()


def test_a_resume_can_change_how_points_are_launched(launched: Callable[..., Any], here: Any) -> None:
    """The axes came from flags, so that the file alone would plan another sweep."""
    launched(completes, launch=Launch(launcher="local", jobs=1))
    command = ("sweep", "--resume", "sweep", "--set", "sweep.resources.cpus=97")
    code, _, errors = here(*command)
    assert code == 0, errors
    assert "warning: each point keeps the" in errors
    assert "sweep.resources.cpus is 97" in errors
    assert here(*command, "--set", "train.batch_size=21")[0] == 2


def test_a_plan_tells_the_threads_that_there_will_be(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    flags = Flags(axes={"loss.lambda": [0], "train.seed": [0]})
    plan = plan_sweep(load_document(tmp_path / "tiny.yaml"), tmp_path / "sweep", flags, Launch(jobs=9))
    cores = threads_of_this_process()
    assert plan.launch.in_words() == f"local, {cores} core{'s' * (cores > 1)} each, 1 at a time"


def test_summaries_name_the_axes_and_their_values(launched: Callable[..., Any], tmp_path: Path) -> None:
    text = CONFIG.replace(
        "seed: [0, 1]}", "grid: {model.feature_dim: [2]}, variants: {a: {}, b: {train.momentum: 0.5}}}"
    )
    (tmp_path / "tiny.yaml").write_text(text)
    states, _ = launched(completes, text=text)
    assert len(states) == 6
    summary = json.loads((tmp_path / "sweep" / "summary.json").read_text())
    assert summary["axes"] == ["variant", "loss.lambda", "model.feature_dim"]
    row = summary["runs"][-1]
    assert row["directory"] == "b-lambda1-alpha0.5-seed0-feature_dim2"
    assert row["settings"] == {"variant": "b", "loss.lambda": 1.0, "model.feature_dim": 2}
    header, *_, last = (tmp_path / "sweep" / "summary.csv").read_text().splitlines()
    assert header.endswith(",variant,model.feature_dim")
    assert last.endswith(",b,2")
    (tmp_path / "sweep" / "summary.json").unlink()
    again, _ = launched(completes, resume=True, text=text)
    assert {state.point.name: state.point for state in again} == {
        state.point.name: state.point for state in states
    }


def test_a_sweep_that_is_done_needs_no_cluster_to_say_so(
    launched: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched(completes, launch=Launch(launcher="slurm"))
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path))  # where no sbatch is
    assert statuses(resume_sweep(tmp_path / "sweep")) == ["completed"] * 6
