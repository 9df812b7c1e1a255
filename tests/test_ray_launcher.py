"""Points on Ray: an instance of our own that nobody else can reach, and files that come back from another machine."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_cli import cl, environment
from test_sweep_resume import SWEEP

from centerloss_core.run_directory.lock import DirectoryLock, holder
from centerloss_core.sweeps.launchers import (
    LauncherError,
    Task,
    on_ray,
    ray_mirror,
    ray_session,
    ray_watcher,
    ray_worker,
)
from centerloss_core.sweeps.launchers.on_ray import RayLauncher
from centerloss_core.sweeps.launchers.ray_mirror import Mirror
from centerloss_core.sweeps.launchers.ray_paths import checked, is_passed_on
from centerloss_core.sweeps.launchers.ray_worker import PointHost

POINT = "lambda0-alpha0.5-seed0"
RAY = ("sweep", "--config", "tiny.yaml", "--launcher", "ray")
DUMPS = ("features/test-final.npz", "features/train-final.npz")


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def until(condition: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> Any:
    """Wait for something, and not longer than for the process that is to bring it about."""
    deadline = time.monotonic() + 120
    while not (found := condition()):
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)
    return found


# ---- Without Ray -------------------------------------------------------------------------------------------------


def test_without_ray_the_mend_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'ray': raise ImportError(name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
    )
    done = cl(*RAY, cwd=tmp_path, PYTHONPATH=f"{environment()['PYTHONPATH']}:{tmp_path}")
    assert done.returncode == 1
    assert lines(done.stderr) == ["error: the launcher ray needs Ray: pip install 'centerloss[ray]'"]
    assert not (tmp_path / "runs").exists()


pytest.importorskip("ray")


def test_an_old_ray_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_session.importlib.metadata, "version", lambda name: "2.9.3")
    with pytest.raises(LauncherError, match=r"needs Ray 2\.54 or newer, and 2\.9\.3 is installed"):
        RayLauncher(None, None, {})


# ---- Addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nothing_listens_is_one_line_and_nothing_is_made(
    scheme: str, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    with socket.socket() as held:  # bound and not listening: nobody else can take the port meanwhile
        held.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{held.getsockname()[1]}"
        done = cl(*RAY, "--ray-address", address, "--run-dir", "sweep", cwd=tmp_path)
    assert done.returncode == 1
    assert len(lines(done.stderr)) == 1
    assert f"error: no Ray cluster answers at {address} (Connection refused)" in done.stderr
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:6379", "host:port", ":1", "ray://"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(
        LauncherError, match=r"--ray-address must be auto, local, HOST:PORT or ray://HOST:PORT"
    ):
        RayLauncher(address, None, {})


REFUSAL = (
    "Initialization failure from server:\nTraceback (most recent call last):\n"
    '  File "proxier.py", line 1, in Datapath\n    raise\nRuntimeError: Proxy failed to connect to backend!\n'
)


def test_a_head_that_gives_up_on_a_client_is_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(times: int, error: Exception) -> None:
        def init(address: str) -> None:
            asked.append(address)
            if len(asked) <= times:
                raise error

        asked.clear()
        monkeypatch.setattr(ray_session, "_init", init)

    address = "ray://head:10001"
    refuse(1, ConnectionAbortedError(REFUSAL))
    ray_session._join(address)
    assert asked == [address] * 2
    refuse(2, ConnectionAbortedError(REFUSAL))
    with pytest.raises(LauncherError) as caught:
        ray_session._join(address)
    assert str(caught.value).startswith(
        "no Ray cluster answers at ray://head:10001 "
        "(Initialization failure from server: RuntimeError: Proxy failed to connect to backend!): check"
    )
    refuse(1, ConnectionError("ray client connection timeout"))
    with pytest.raises(LauncherError, match=r"\(ray client connection timeout\)"):
        ray_session._join(address)
    assert asked == [address]


# ---- What a point takes ------------------------------------------------------------------------------------------


def test_the_client_shows_the_token_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ray_session.client_token("ray://head:10001") == {}
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("secret")
    assert ray_session.client_token("ray://head:10001") == {"RAY_AUTH_MODE": "token"}
    assert ray_session.client_token("head:6379") == {}  # drivers do so by themselves
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert ray_session.client_token("ray://head:10001") == {}


def test_a_point_that_no_node_can_hold_is_refused_with_both_figures() -> None:
    nodes = [{"CPU": 4.0, "memory": 8.0 * 2**30}, {"CPU": 2.0, "GPU": 1.0, "memory": 64.0 * 2**30}]
    on_ray._refuse_too_large({"CPU": 2, "GPU": 0.5}, nodes)
    with pytest.raises(LauncherError) as caught:
        on_ray._refuse_too_large({"CPU": 6, "memory": 16 * 2**30}, nodes)
    assert str(caught.value) == (
        "a point asks for 6 cores, 16 GiB, and the largest node of the Ray cluster has 4 cores, 8 GiB: "
        "lower sweep.resources, or add such a node"
    )
    with pytest.raises(LauncherError, match=r"1 core, 2 GPUs, and the largest .* has 4 cores, 0 GPUs"):
        on_ray._refuse_too_large({"CPU": 1, "GPU": 2}, nodes)


def test_as_many_points_as_fit() -> None:
    assert on_ray._room({"CPU": 16.0, "GPU": 1.0}, {"CPU": 2, "GPU": 0.25}) == 4
    assert on_ray._room({"CPU": 16.0, "GPU": 0.6}, {"CPU": 1, "GPU": 0.2}) == 3
    assert on_ray._room({"CPU": 16.0}, {"CPU": 1, "GPU": 1}) == 0


def test_a_sweep_that_was_stopped_itself_does_not_take_its_cluster_for_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(ray_watcher.time, "monotonic", lambda: now)
    watcher = ray_watcher.Watcher(ray_session.RaySession("auto", 1))
    now += 100  # as after Ctrl-Z and `fg`
    watcher.check()
    watcher._heard = now
    now += 10
    watcher.check()
    now += 100
    watcher.check()
    now += 10
    with pytest.raises(LauncherError, match="the Ray cluster went away"):
        watcher.check()


# ---- An instance of our own --------------------------------------------------------------------------------------


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {each for each, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listening(pids: set[int]) -> dict[str, str]:
    """The addresses, in hexadecimal, on which these processes listen, and the command of each."""
    inodes: dict[str, int] = {}
    for pid in pids:
        for path in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                if match := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(path)):
                    inodes[match[1]] = pid
    found = {}
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found[fields[1]] = Path(f"/proc/{inodes[fields[9]]}/cmdline").read_text()
    return found


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_local_instance_is_alone_quiet_and_computes_what_processes_compute(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    same = ("--lambda", "0,1", "--set", "sweep.resources.cpus=1")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", *RAY, *same, "--run-dir", "ray"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(
        lambda: any((tmp_path / "ray").glob("lambda*/run.json")), process
    )  # all that Ray needs runs by then
    ours = family(process.pid)
    found = listening(ours)
    assert any("raylet" in command for command in found.values())
    assert {address.partition(":")[0] for address in found} <= LOOPBACK, found
    folders = {
        match[0]
        for command in found.values()
        if (match := re.search(r"/[^\0=]*/clray-[\w-]+", command)) is not None
    }
    assert len(folders) == 1
    stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stderr) == (0, "")
    told = stdout.splitlines()
    assert told[0] == "sweep → ray"
    assert all(re.match(r"\[[12]/2\] lambda[01]-\S+ (running|completed: )", line) for line in told[1:5]), (
        stdout
    )
    assert told[5:7] == ["", "On the test images:"]
    until(lambda: not [pid for pid in ours if Path(f"/proc/{pid}/exe").exists()])
    assert not any(Path(folder).exists() for folder in folders)

    done = cl("sweep", "--config", "tiny.yaml", *same, "--run-dir", "local", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in (POINT, "lambda1-alpha0.5-seed0"):
        for dump in DUMPS:
            assert (tmp_path / "ray" / name / dump).read_bytes() == (
                tmp_path / "local" / name / dump
            ).read_bytes()
    assert (tmp_path / "ray" / "logs" / f"{POINT}.log").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="has no groups of processes")
def test_what_is_told_to_all_processes_of_a_sweep_costs_its_points_nothing(tmp_path: Path) -> None:
    """As by a closed terminal, `timeout` or a service manager; Ray's own processes are in that group."""
    (tmp_path / "tiny.yaml").write_text(
        SWEEP.replace("iterations: 3", "iterations: 100000").replace("checkpoint_every: 1,", "")
    )
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", *RAY, "--lambda", "0", "--run-dir", "sweep"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log = tmp_path / "sweep" / POINT / "metrics.jsonl"
    try:
        until(lambda: log.exists() and log.stat().st_size, process)
        os.killpg(process.pid, signal.SIGTERM)  # SIGHUP says nothing to tests that nohup has begun
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()  # which its point notices
    assert process.returncode == 128 + signal.SIGTERM
    assert lines(stderr) == [
        "error: stopped with 0 of 1 points completed",
        "resume it: cl sweep --resume sweep",
    ]
    manifest = json.loads((tmp_path / "sweep" / POINT / "run.json").read_text())
    assert manifest["status"] == "interrupted"
    step = int(re.findall(r"stopped after step (\d+) of", manifest["reason"])[0])
    assert (tmp_path / "sweep" / POINT / "checkpoints" / f"step-{step:08d}").is_dir()


@pytest.mark.parametrize("moment", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_sweep_that_is_stopped_while_ray_starts_says_so_and_leaves_nothing(
    moment: int, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", *RAY, "--run-dir", "sweep"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    places = {"/tmp", tempfile.gettempdir()}

    def folders() -> list[Path]:
        return [path for place in places for path in Path(place).glob(f"clray-{process.pid}-*")]

    def has_begun() -> bool:
        return bool(folders() if moment == 0 else list(folders()[0].glob("session_2*/sockets/raylet*")))

    until(lambda: folders() and has_begun(), process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, lines(stderr)) == (143, ["error: stopped before anything was made"])
    assert not (tmp_path / "sweep").exists()
    assert not folders()


# ---- Files from another machine: the actor's methods, called as Ray would, without Ray ------------------------


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


def test_folders_of_actors_that_are_gone_are_cleared_and_no_others(
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


def test_what_a_point_printed_names_files_as_they_are_here(task: Task, direct: Direct) -> None:
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


def test_what_a_run_writes_comes_back_in_pieces(task: Task, direct: Direct) -> None:
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


def test_rows_that_were_taken_back_are_replaced(task: Task, direct: Direct) -> None:
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


def test_an_actor_that_is_lost_leaves_no_halves(task: Task, direct: Direct) -> None:
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


def test_a_run_goes_on_there_with_what_is_here(task: Task, direct: Direct) -> None:
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


@pytest.mark.parametrize(
    "name",
    [
        *(
            "/etc/passwd",
            f"{POINT}/../../evil",
            f"{POINT}//x",
            f"{POINT}/./x",
            f"{POINT}/lock",
            f"{POINT}/.x.tmp",
        ),
        *(
            "sweep.yaml",
            "points/x.yaml",
            "logs/other.log",
            "other/run.json",
            POINT,
            "",
            "..",
            f"{POINT}/a\0b",
        ),
        f"{POINT}\\..\\x",
    ],
)
def test_a_name_that_is_none_of_the_points_is_refused(name: str, task: Task, direct: Direct) -> None:
    with pytest.raises(LauncherError, match="not one of the point's"):
        checked(name, POINT, task.directory)
    before = sorted(task.directory.rglob("*"))
    direct.host.listing = lambda: [(name, (1, 1, 1))]  # type: ignore[method-assign]
    with pytest.raises(LauncherError, match="not one of the point's"):
        run(Mirror(direct, task).pull())
    assert sorted(task.directory.rglob("*")) == before


def test_the_log_and_the_files_of_the_run_are_passed_on() -> None:
    assert is_passed_on(f"logs/{POINT}.log", POINT)
    assert is_passed_on(f"{POINT}/checkpoints/step-00000001/state.npz", POINT)


# ---- The process -------------------------------------------------------------------------------------------------


def test_a_point_that_is_stopped_before_its_process_is_there_never_starts(task: Task) -> None:
    host = PointHost()
    assert not host.settle(replace(task), b"")
    host.begin({})
    host.interrupt(signal.SIGTERM)
    assert host.poll(0) == ("ended", None)
    assert host._process is None
    host.leave()


def test_a_point_waits_for_whoever_still_saves_there(task: Task) -> None:
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


def test_what_a_killed_sweep_left_of_its_ray_is_cleared_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ray_session, "_LONGEST_FOLDER", 1000)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in ("clray-1-left", f"clray-{dead.pid}-lives", "clray-unknown", "else-1-left"):
        (tmp_path / name / "session").mkdir(parents=True)
        if name != "clray-unknown":
            (tmp_path / name / "lock").touch()
    with DirectoryLock(tmp_path / f"clray-{dead.pid}-lives"), contextlib.ExitStack() as cleanup:
        folder = Path(ray_session._short_folder(cleanup))
        assert folder.name.startswith(f"clray-{os.getpid()}-")
        left = {path.name for path in tmp_path.iterdir()} - {folder.name}
    assert left == {f"clray-{dead.pid}-lives", "clray-unknown", "else-1-left"}
    assert not folder.exists()
