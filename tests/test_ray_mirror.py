"""Files of a point that trains on another machine. The actor's methods are called as Ray would, without Ray."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from centerloss_core.run_directory.lock import DirectoryLock, holder
from centerloss_core.sweeps.launchers import LauncherError, Task, on_ray, ray_mirror, ray_worker
from centerloss_core.sweeps.launchers.ray_mirror import Mirror
from centerloss_core.sweeps.launchers.ray_paths import checked, is_passed_on
from centerloss_core.sweeps.launchers.ray_worker import PointHost

POINT = "lambda0-alpha0.5-seed0"


class Direct:
    """Stands in for the handle of an actor: a call is made when its answer is wanted."""

    def __init__(self, host: PointHost) -> None:
        self.host = host
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.before: Callable[[str, tuple[Any, ...]], None] = lambda name, arguments: None

    def __getattr__(self, name: str) -> Any:
        def remote(*arguments: Any) -> Callable[[], Any]:
            def call() -> Any:
                self.before(name, arguments)
                self.calls.append((name, arguments))
                return getattr(self.host, name)(*arguments)

            return call

        return type("Method", (), {"remote": staticmethod(remote)})


def run(calls: Any) -> Any:
    """Make the calls of a generator, and return what it returns."""
    answer = None
    try:
        while True:
            answer = calls.send(answer)()
    except StopIteration as end:
        return end.value


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """A point of a sweep that has begun, here."""
    directory = tmp_path / "sweep"
    for part in ("points", "logs"):
        (directory / part).mkdir(parents=True)
    (directory / "points" / f"{POINT}.yaml").write_text("config")
    return Task(POINT, directory, 1)


@pytest.fixture
def direct(task: Task, monkeypatch: pytest.MonkeyPatch) -> Iterator[Direct]:
    """The actor for that point on a machine that has not the directory; pieces are of three bytes."""
    monkeypatch.setattr(ray_worker, "PIECE", 3)
    monkeypatch.setattr(ray_mirror, "PIECE", 3)
    host = PointHost()
    assert not host.settle(task, b"")
    yield Direct(host)
    host.leave()


def there(direct: Direct) -> Path:
    assert direct.host._scratch is not None
    return direct.host._scratch / POINT


def put(path: Path, text: str) -> None:
    """Replace a file as a run does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / ".new.tmp").write_text(text)
    (path.parent / ".new.tmp").rename(path)


def begin_run(direct: Direct) -> Path:
    run_directory = there(direct)
    put(run_directory / "config.yaml", "config")
    put(run_directory / "run.json", '{"status": "running"}')
    put(run_directory / "metrics.jsonl", "one\n")
    put(run_directory / "lock", "theirs")
    put(run_directory.parent / "logs" / f"{POINT}.log", "hello\n")
    return run_directory


def test_a_directory_is_shared_if_it_has_the_lock_that_the_sweep_holds(task: Task) -> None:
    with DirectoryLock(task.directory):
        signature = on_ray.signature(task.directory)
        assert signature
        host = PointHost()
        assert host.settle(task, signature)
        assert host._scratch is None
        for other in (b"", signature + b" "):
            host = PointHost()
            assert not host.settle(task, other)
            assert host._scratch is not None
            host.leave()
            assert not host._scratch.exists()


def test_only_folders_of_dead_actors_are_cleared(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever process number is in their names: one in another container has a number that is nobody's here."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = ("left", "saves", "lives", "unknown")
    folders = {name: tmp_path / f"centerloss-ray-{gone.pid}-{name}" for name in names}
    for name, folder in folders.items():
        (folder / POINT).mkdir(parents=True)
        if name != "unknown":
            (folder / "lock").touch()
    # A point that has yet to notice that its actor is gone; an actor.
    with DirectoryLock(folders["saves"] / POINT), DirectoryLock(folders["lives"]):
        host = PointHost()
        host.settle(task, b"")
        left = {name for name, folder in folders.items() if folder.exists()}
    assert left == {"saves", "lives", "unknown"}
    assert host._scratch is not None
    PointHost().settle(task, b"")
    assert host._scratch.exists()
    host.leave()
    assert not host._scratch.exists()


def test_the_log_of_a_point_names_files_as_they_are_here(task: Task, direct: Direct) -> None:
    begin_run(direct)
    scratch = there(direct).parent
    log = scratch / "logs" / f"{POINT}.log"
    log.write_text(f"error: stopped\nresume it: cl train --resume {scratch / POINT}\nlast wor")
    task.log.write_text("earlier\n")
    mirror = Mirror(direct, task)
    assert run(mirror.pull())
    with log.open("a") as file:
        file.write("ds")
    assert run(mirror.pull())
    mirror.close()
    assert task.log.read_text() == (
        f"earlier\nerror: stopped\nresume it: cl train --resume {task.path}\nlast words"
    )


def test_files_of_a_run_come_back_in_pieces(task: Task, direct: Direct) -> None:
    mirror = Mirror(direct, task)
    run(mirror.push())
    assert (there(direct).parent / "points" / f"{POINT}.yaml").read_text() == "config"
    assert run(mirror.pull())
    assert not task.path.exists()  # it has not begun
    theirs = begin_run(direct)
    put(theirs / "features" / "test-final.npz", "0123456789")
    task.log.write_text("earlier\n")
    mirror = Mirror(direct, task)
    assert run(mirror.pull())
    assert (task.path / "run.json").read_text() == '{"status": "running"}'
    assert (task.path / "features" / "test-final.npz").read_text() == "0123456789"
    assert task.log.read_text() == "earlier\nhello\n"
    assert holder(task.path) is not None  # nobody else may go on with it here
    direct.calls.clear()
    assert run(mirror.pull())
    assert [name for name, _ in direct.calls] == ["listing"]
    with (theirs / "metrics.jsonl").open("a") as file:
        file.write("two\n")
    assert run(mirror.pull())
    assert (task.path / "metrics.jsonl").read_text() == "one\ntwo\n"
    mirror.close()
    assert holder(task.path) is None
    assert not list(task.directory.rglob("*.tmp"))


def test_rows_are_replaced_where_a_resumed_run_cut_them(task: Task, direct: Direct) -> None:
    theirs = begin_run(direct)
    mirror = Mirror(direct, task)
    assert run(mirror.pull())
    with (theirs / "metrics.jsonl").open(
        "w"
    ) as file:  # the same file: a resumed run cuts it, and takes the steps again
        file.write("another one\n")
    assert run(mirror.pull())
    assert (task.path / "metrics.jsonl").read_text() == "another one\n"


def checkpoint(run_directory: Path, step: int) -> None:
    for name in ("state.npz", "position.json", "config.yaml", "SHA256SUMS"):
        put(run_directory / "checkpoints" / f"step-{step:08d}" / name, f"{name} of step {step}")


def steps(task: Task) -> list[str]:
    return sorted(path.name for path in (task.path / "checkpoints").iterdir())


def test_a_checkpoint_comes_whole_or_not_at_all_and_the_old_one_goes_last(task: Task, direct: Direct) -> None:
    theirs = begin_run(direct)
    checkpoint(theirs, 1)
    mirror = Mirror(direct, task)
    assert run(mirror.pull())
    assert steps(task) == ["step-00000001"]
    checkpoint(theirs, 2)
    put(theirs / "run.json", '{"status": "completed"}')
    (theirs / "checkpoints" / "step-00000001").rename(theirs / "checkpoints" / ".step-1.tmp")

    def vanish(name: str, arguments: tuple[Any, ...]) -> None:
        assert "step-00000001" in steps(task)
        if name == "read" and arguments[0].endswith("step-00000002/state.npz") and arguments[1] > 0:
            put(theirs / "checkpoints" / "step-00000002" / "state.npz", "another")

    direct.before = vanish
    assert not run(mirror.pull())
    assert steps(task) == ["step-00000001"]
    assert (
        task.path / "run.json"
    ).read_text() == '{"status": "running"}'  # what is completed has its checkpoint
    direct.before = lambda name, arguments: None
    assert run(mirror.pull())
    assert steps(task) == ["step-00000002"]
    assert (task.path / "checkpoints" / "step-00000002" / "state.npz").read_text() == "another"
    assert (task.path / "run.json").read_text() == '{"status": "completed"}'


def test_a_lost_actor_leaves_no_partial_files(task: Task, direct: Direct) -> None:
    theirs = begin_run(direct)
    checkpoint(theirs, 1)
    mirror = Mirror(direct, task)
    calls = mirror.pull()
    answer = None
    while not list(task.path.glob("checkpoints/.*.tmp/state.npz")):
        answer = calls.send(answer)()
    with pytest.raises(ConnectionError):
        calls.throw(ConnectionError())
    assert not list(task.directory.rglob("*.tmp"))
    assert (task.path / "run.json").exists()


def test_a_run_is_resumed_there_with_the_files_from_here(task: Task, direct: Direct) -> None:
    task.path.mkdir()
    begun = {
        "run.json": "{}",
        "config.yaml": "config",
        "metrics.jsonl": "one\n",
        "features/test-epoch-0001.npz": "dump",
    }
    for name, text in begun.items():
        put(task.path / name, text)
    checkpoint(task.path, 7)
    put(task.path / "checkpoints" / ".half.tmp", "half")
    mirror = Mirror(direct, task)
    run(mirror.push())
    sent = {path.relative_to(there(direct)).as_posix() for path in there(direct).rglob("*") if path.is_file()}
    assert sent == {
        *begun,
        *(f"checkpoints/step-00000007/{name}" for name in ("state.npz", "position.json")),
    } | {f"checkpoints/step-00000007/{name}" for name in ("config.yaml", "SHA256SUMS")}
    assert (
        there(direct) / "checkpoints" / "step-00000007" / "state.npz"
    ).read_text() == "state.npz of step 7"
    direct.calls.clear()
    assert run(mirror.pull())
    assert [name for name, _ in direct.calls] == ["listing"]  # all of it is here


def test_only_names_of_files_of_the_point_are_accepted(task: Task, direct: Direct) -> None:
    assert is_passed_on(f"logs/{POINT}.log", POINT)
    assert is_passed_on(f"{POINT}/checkpoints/step-00000001/state.npz", POINT)
    before = sorted(task.directory.rglob("*"))
    for name in (
        *(
            "/etc/passwd",
            f"{POINT}/../../evil",
            f"{POINT}//x",
            f"{POINT}/./x",
            f"{POINT}\\..\\x",
            f"{POINT}/a\0b",
        ),
        *(
            f"{POINT}/lock",
            f"{POINT}/.x.tmp",
            "sweep.yaml",
            "points/x.yaml",
            "logs/other.log",
            "other/run.json",
        ),
        *(POINT, "", ".."),
    ):
        with pytest.raises(LauncherError, match="not one of the point's"):
            checked(name, POINT, task.directory)
        direct.host.listing = lambda name=name: [(name, (1, 1, 1))]  # type: ignore[misc]
        with pytest.raises(LauncherError, match="not one of the point's"):
            run(Mirror(direct, task).pull())
    assert sorted(task.directory.rglob("*")) == before


def test_a_point_that_is_stopped_before_it_has_a_process_never_starts(task: Task) -> None:
    host = PointHost()
    assert not host.settle(replace(task), b"")
    host.begin({})
    host.interrupt(signal.SIGTERM)
    assert host.poll(0) == ("ended", None)
    assert host._process is None
    host.leave()


def test_a_point_waits_for_a_process_that_still_saves_there(task: Task) -> None:
    with DirectoryLock(task.directory) as _:
        host = PointHost()
        host.settle(task, on_ray.signature(task.directory))
        task.path.mkdir()
        lock = DirectoryLock(task.path)
        host.begin({})
        assert host.poll(0.1) == ("waiting", None)
        host.interrupt(signal.SIGTERM)
        lock.release()
        assert host.poll(0) == ("ended", None)
