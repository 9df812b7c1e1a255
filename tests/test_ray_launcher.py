"""Points on Ray: an instance of our own that nobody else can reach."""

import contextlib
import importlib.metadata
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_cli import environment

from centerloss_core.sweeps.launchers import LauncherError, on_ray, ray_session
from centerloss_core.sweeps.launchers.on_ray import RayLauncher

SWEEP = """
data: {name: digits8}
model: {batch_norm: false, channels: [4, 8, 8]}
train: {iterations: 3, batch_size: 20, learning_rate: 1e-3, log_every: 1, checkpoint_every: 1}
sweep: {lambda: [0, 1.0], resources: {cpus: 1}}
"""
POINT = "lambda0-alpha0.5-seed0"
RAY = ("sweep", "--config", "tiny.yaml", "--launcher", "ray")
DUMPS = ("features/test-final.npz", "features/train-final.npz")


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a sweep on Ray, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", *RAY, *arguments],
        cwd=home,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


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


def test_without_ray_or_with_an_old_one_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_: str) -> str:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(LauncherError, match=r"^the launcher ray needs Ray: pip install 'centerloss\[ray\]'$"):
        RayLauncher(None, None, 1)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.9.3")
    with pytest.raises(LauncherError, match=r"needs Ray 2\.54 or newer, and 2\.9\.3 is installed"):
        RayLauncher(None, None, 1)


pytest.importorskip("ray")


# ---- Addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nothing_listens_is_refused(scheme: str) -> None:
    with socket.socket() as held:  # bound and not listening: no other process can take the port meanwhile
        held.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(LauncherError) as caught:
            RayLauncher(address, None, 1)
    assert str(caught.value).startswith(f"no Ray cluster answers at {address} (Connection refused): check")


def test_a_wrong_address_is_refused() -> None:
    for address in ("nonsense", "http://127.0.0.1:6379", "host:port", ":1", "ray://"):
        with pytest.raises(LauncherError, match=r"must be auto, local, HOST:PORT or ray://HOST:PORT"):
            RayLauncher(address, None, 1)


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


def test_a_node_has_room_for_as_many_points_as_fit() -> None:
    assert on_ray._room({"CPU": 16.0, "GPU": 1.0}, {"CPU": 2, "GPU": 0.25}) == 4
    assert on_ray._room({"CPU": 16.0, "GPU": 0.6}, {"CPU": 1, "GPU": 0.2}) == 3
    assert on_ray._room({"CPU": 16.0}, {"CPU": 1, "GPU": 1}) == 0


def test_a_cluster_that_does_not_let_us_in_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def join(_: str) -> None:
        raise LauncherError("no Ray cluster answers")

    monkeypatch.setattr(ray_session, "_join", join)
    monkeypatch.setattr(on_ray, "knock", lambda _: None)
    with pytest.raises(LauncherError, match="no Ray cluster answers"):
        RayLauncher("head:6379", None, 1).__enter__()


def test_a_suspended_sweep_does_not_take_its_cluster_for_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(ray_session.time, "monotonic", lambda: now)
    thread = ray_session.RayThread("auto", 1)
    now += 100  # as after Ctrl-Z and `fg`
    thread.check()
    for _ in range(60):
        now += 1
        thread.check()
    now += 1
    with pytest.raises(LauncherError, match="the Ray cluster went away"):
        thread.check()


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
def test_a_local_instance_is_alone_and_quiet(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    process = start(tmp_path, "--lambda", "0", "--run-dir", "ray")
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
    of_the_point = told[1 : told.index("")]
    assert of_the_point[0].startswith(f"[1/1] {POINT} running"), stdout
    assert of_the_point[-1].startswith(f"[1/1] {POINT} completed: "), stdout
    assert told[told.index("") + 1] == "On the test images:"
    until(lambda: not [pid for pid in ours if Path(f"/proc/{pid}/exe").exists()])
    assert not any(Path(folder).exists() for folder in folders)
    assert (tmp_path / "ray" / "logs" / f"{POINT}.log").exists()
    assert all((tmp_path / "ray" / POINT / dump).exists() for dump in DUMPS)


@pytest.mark.slow
def test_a_signal_to_all_processes_of_a_sweep_has_its_points_save(tmp_path: Path) -> None:
    """As by a closed terminal, `timeout` or a service manager; Ray's own processes are in that group."""
    (tmp_path / "tiny.yaml").write_text(
        SWEEP.replace("iterations: 3", "iterations: 100000").replace("checkpoint_every: 1,", "")
    )
    process = start(tmp_path, "--lambda", "0", "--run-dir", "sweep")
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


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0, 1])
def test_a_sweep_that_is_stopped_while_ray_starts_says_so_and_leaves_nothing(
    moment: int, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    process = start(tmp_path, "--run-dir", "sweep")
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
