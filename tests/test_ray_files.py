"""Files of a point that trains on another machine. The actor's methods are called as Ray would, without Ray."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from centerloss_core.run_directory.lock import DirectoryLock, holder
from centerloss_core.sweeps.launchers import Task, child, on_ray
from centerloss_core.sweeps.launchers.ray_actor import PointHost
from centerloss_core.sweeps.launchers.ray_files import Mirror, save_below

POINT = "lambda0-alpha0.5-seed0"


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """A point of a sweep that has begun, here."""
    directory = tmp_path / "sweep"
    for part in ("points", "logs"):
        (directory / part).mkdir(parents=True)
    (directory / "points" / f"{POINT}.yaml").write_text("config")
    return Task(POINT, directory, 1)


def settled(task: Task, mirror: Mirror) -> PointHost:
    """The actor of a point on a machine that has not the directory, with the files that it needs."""
    host = PointHost()
    host.settle(task)
    for path in mirror.files():
        host.receive(path.relative_to(task.directory).as_posix(), path.read_bytes())
    return host


@pytest.fixture
def mirror(task: Task) -> Iterator[Mirror]:
    mirror = Mirror(task)
    yield mirror
    mirror.close()


@pytest.fixture
def host(task: Task, mirror: Mirror) -> Iterator[PointHost]:
    """The actor of a point that has not begun."""
    host = settled(task, mirror)
    yield host
    host.leave()


def pull(host: PointHost, mirror: Mirror, after_packing: Callable[[], None] = lambda: None) -> list[str]:
    """Bring what is new; return the names of the files that came."""
    checkpoints = host.pack()
    after_packing()
    if checkpoints is None:
        return []
    files = []
    while (sent := host.send()) is not None:
        files.append(sent)
    merge(mirror, files, checkpoints)
    return [name for name, _ in files]


def merge(mirror: Mirror, files: list[tuple[str, bytes]], checkpoints: list[str]) -> None:
    """Take over files that have come, as the driver does."""
    with mirror.folder() as name:
        mirror.merge(Path(name), [save_below(Path(name), *each) for each in files], checkpoints)


def there(host: PointHost) -> Path:
    assert host._scratch is not None
    return host._scratch / POINT


def put(path: Path, text: str) -> None:
    """Replace a file as a run does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / ".new.tmp").write_text(text)
    (path.parent / ".new.tmp").rename(path)


def begin_run(host: PointHost) -> Path:
    run_directory = there(host)
    put(run_directory / "config.yaml", "config")
    put(run_directory / "run.json", '{"status": "running"}')
    put(run_directory / "metrics.jsonl", "one\n")
    put(run_directory / "lock", "theirs")
    with (run_directory.parent / "logs" / f"{POINT}.log").open("a") as log:
        log.write("hello\n")
    return run_directory


def checkpoint(run_directory: Path, step: int, content: str = "state") -> None:
    for name in ("state.npz", "position.json", "config.yaml", "SHA256SUMS"):
        put(run_directory / "checkpoints" / f"step-{step:08d}" / name, f"{content} of step {step}")


def steps(task: Task) -> list[str]:
    return sorted(path.name for path in (task.path / "checkpoints").iterdir())


def test_a_directory_is_shared_if_it_has_the_lock_that_the_sweep_holds(task: Task) -> None:
    with DirectoryLock(task.directory):
        signature = on_ray.signature(task.directory)
        assert signature
        assert PointHost().shares(task.directory, signature)
        assert not PointHost().shares(task.directory, b"")
        assert not PointHost().shares(task.directory, signature + b" ")
        assert not PointHost().shares(task.directory / "elsewhere", signature)


def test_files_of_a_run_come_back(task: Task, host: PointHost, mirror: Mirror) -> None:
    assert (there(host).parent / "points" / f"{POINT}.yaml").read_text() == "config"
    assert pull(host, mirror) == []
    assert not task.path.exists()  # it has not begun
    theirs = begin_run(host)
    put(theirs / "features" / "test-final.npz", "0123456789")
    pull(host, mirror)
    assert (task.path / "run.json").read_text() == '{"status": "running"}'
    assert (task.path / "features" / "test-final.npz").read_text() == "0123456789"
    assert task.log.read_text() == "hello\n"
    assert holder(task.path) is not None  # no other process may resume it here
    assert pull(host, mirror) == []
    with (theirs / "metrics.jsonl").open("a") as file:
        file.write("two\n")
    assert pull(host, mirror) == [f"{POINT}/metrics.jsonl"]
    assert (task.path / "metrics.jsonl").read_text() == "one\ntwo\n"
    # The same file: a resumed run cuts it, and takes the steps again.
    (theirs / "metrics.jsonl").write_text("another one\n")
    pull(host, mirror)
    assert (task.path / "metrics.jsonl").read_text() == "another one\n"
    mirror.close()
    assert holder(task.path) is None
    assert not list(task.directory.rglob("*.tmp"))


def test_the_log_of_a_point_names_files_as_they_are_here(task: Task) -> None:
    task.log.write_text("earlier\n")
    mirror = Mirror(task)
    host = settled(task, mirror)
    with (there(host).parent / "logs" / f"{POINT}.log").open("a") as log:
        log.write(f"error: stopped\nresume it: cl train --resume {there(host)}\nlast wor")
        log.flush()
        pull(host, mirror)
        assert not task.path.exists()  # it failed before its run began
        log.write("ds")
    pull(host, mirror)
    assert task.log.read_text() == (
        f"earlier\nerror: stopped\nresume it: cl train --resume {task.path}\nlast words"
    )
    host.leave()
    assert not there(host).parent.exists()


def test_a_checkpoint_comes_whole_and_the_old_one_goes_last(
    task: Task, host: PointHost, mirror: Mirror
) -> None:
    theirs = begin_run(host)
    checkpoint(theirs, 1)
    pull(host, mirror)
    assert steps(task) == ["step-00000001"]
    checkpoint(theirs, 2)
    put(theirs / "run.json", '{"status": "completed"}')

    def go_on() -> None:
        """What the run does while its files are on their way."""
        (theirs / "checkpoints" / "step-00000001").rename(theirs / "checkpoints" / ".step-1.tmp")
        put(theirs / "checkpoints" / "step-00000002" / "state.npz", "another")

    names = pull(host, mirror, go_on)
    assert names[-1] == f"{POINT}/run.json"  # what is completed has its checkpoint
    assert steps(task) == ["step-00000001", "step-00000002"]
    assert (task.path / "checkpoints" / "step-00000002" / "state.npz").read_text() == "state of step 2"
    pull(host, mirror)
    assert steps(task) == ["step-00000002"]
    assert (task.path / "checkpoints" / "step-00000002" / "state.npz").read_text() == "another"
    assert (task.path / "run.json").read_text() == '{"status": "completed"}'


def test_a_checkpoint_that_is_removed_while_it_is_read_does_not_come(
    task: Task, host: PointHost, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = begin_run(host)
    checkpoint(theirs, 1)
    checkpoint(theirs, 2)
    opened = Path.open

    def open_(path: Path, *how: Any, **more: Any) -> IO[Any]:
        if path.parent.name == "step-00000001" and path.name == "position.json":
            path.parent.rename(path.parent.with_name(".step-1.tmp"))
        return opened(path, *how, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_)
        names = pull(host, mirror)
    assert not [name for name in names if "step-00000001" in name]
    assert steps(task) == ["step-00000002"]


def test_a_transfer_that_breaks_off_leaves_no_partial_files(
    task: Task, host: PointHost, mirror: Mirror
) -> None:
    theirs = begin_run(host)
    pull(host, mirror)
    checkpoint(theirs, 1, "state" * 1000)
    before = sorted(task.directory.rglob("*"))
    assert host.pack() is not None
    sent = host.send()
    assert sent is not None
    with mirror.folder() as folder:
        save_below(Path(folder), *sent)
    assert sorted(task.directory.rglob("*")) == before


def test_a_run_is_resumed_there_with_the_files_from_here(task: Task) -> None:
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
    (task.path / "link").symlink_to("run.json")
    mirror = Mirror(task)
    host = settled(task, mirror)
    sent = {path.relative_to(there(host)).as_posix() for path in there(host).rglob("*") if path.is_file()}
    kept = ("state.npz", "position.json", "config.yaml", "SHA256SUMS")
    assert sent == {*begun, *(f"checkpoints/step-00000007/{name}" for name in kept)}
    assert (there(host) / "checkpoints/step-00000007/state.npz").read_text() == "state of step 7"
    assert pull(host, mirror) == []  # all of it is here
    mirror.close()
    host.leave()


def test_only_files_of_the_point_are_taken(task: Task, tmp_path: Path, mirror: Mirror) -> None:
    before = sorted(tmp_path.rglob("*"))
    for name in ("../evil", f"{POINT}/../../evil", str(tmp_path / "evil")):
        with pytest.raises(OSError, match="would lie elsewhere"):
            merge(mirror, [(name, b"x")], [])
    for name in ("sweep.yaml", "points/x.yaml", "logs/other.log", "other/run.json"):
        merge(mirror, [(name, b"x")], [])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_point_that_is_stopped_before_it_has_a_process_never_starts(task: Task) -> None:
    host = PointHost()
    host.interrupt(signal.SIGTERM)
    host.begin(task, child.passed_variables())
    assert host.poll(0) == (True, None)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_point_waits_for_a_process_that_still_saves_there(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = threading.Event()
    monkeypatch.setattr(child, "start", lambda *_: started.set())
    monkeypatch.setattr(os, "environ", dict(os.environ))
    task.path.mkdir()
    host = PointHost()
    with DirectoryLock(task.path):
        beginning = threading.Thread(target=host.begin, args=(task, {}))
        beginning.start()
        assert not started.wait(0.2)
    beginning.join(10)
    assert started.is_set()
