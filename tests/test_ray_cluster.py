"""A real Ray cluster of several nodes, all on this machine: nodes are lost, and other machines lend their disks."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_cli import ROOT, cl, environment
from test_ray_launcher import DUMPS, lines, until

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="nodes of a cluster on the loopback alone"),
]

POINTS = """
data: {name: digits8}
model: {batch_norm: false, channels: [4, 8, 8]}
train: {iterations: 400, batch_size: 20, learning_rate: 1e-3, log_every: 1, checkpoint_every: 10}
"""

# Holds a head without cores, and nodes as they are asked for on its standard input; ends with that.
_CLUSTER = """
import json, sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False,
                                                        "ray_client_server_port": int(sys.argv[1])})
def tell(node, **more):
    pids = {kind: [each.process.pid for each in all] for kind, all in node.all_processes.items()}
    print(json.dumps({"raylet": pids["raylet"][0], **more}), flush=True)
tell(cluster.head_node, address=cluster.address, gcs=cluster.head_node.all_processes["gcs_server"][0].process.pid)
for line in sys.stdin:
    tell(cluster.add_node(**json.loads(line)))
cluster.shutdown()
"""

# Python reads this when it starts: each process of a point leaves word of what it was given.
_WITNESS = """
import json, os, sys
if "train" in sys.orig_argv and "RAY_WITNESS" in os.environ:
    names = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "PJRT_NPROC", "CENTERLOSS_DATA_DIR")
    with open(os.path.join(os.environ["RAY_WITNESS"], str(os.getpid())), "w") as file:
        json.dump({"arguments": sys.orig_argv, **{name: os.environ.get(name) for name in names}}, file)
"""

# A worker takes the sweep's directory for another machine's, as it would where the file systems differ.
_UNSHARED = """
import sys
from centerloss_core.sweeps.launchers import on_ray
on_ray.signature = lambda directory: b""
from cli.__main__ import run
run()
"""


class Cluster:
    """A cluster that only this machine can reach, and only with its token."""

    def __init__(self, home: Path) -> None:
        self.witness = home / "witness"
        self.witness.mkdir()
        (home / "sitecustomize.py").write_text(_WITNESS)
        self.client_port = 20000 + os.getpid() % 10000
        self.variables = {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the loopback alone
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CLUSTER, str(self.client_port)],
            env={
                **environment(),
                **self.variables,
                "PYTHONPATH": f"{ROOT}:{home}",
                "RAY_WITNESS": str(self.witness),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(home / "cluster.log").open("w"),
            text=True,
        )
        head = self._told()
        self.address, self.gcs = head["address"], head["gcs"]
        self.raylets: set[int] = set()

    def add(self, **what: float) -> int:
        """Add a node; the process to kill for it to be lost."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        raylet = int(self._told()["raylet"])
        self.raylets.add(raylet)
        return raylet

    def _told(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def sweep(self, home: Path, *arguments: str, unshared: bool = False) -> subprocess.Popen[str]:
        program = ["-c", _UNSHARED] if unshared else ["-m", "cli"]
        return subprocess.Popen(
            [sys.executable, "-P", *program, "sweep", *arguments],
            cwd=home,
            env={**environment(), **self.variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A head and a node with a core and what passes for a GPU."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.add(num_cpus=2, num_gpus=1)
    yield cluster
    cluster.end()


def config(home: Path, sweep: str) -> None:
    (home / "tiny.yaml").write_text(f"{POINTS}sweep: {sweep}\n")


def manifests(sweep: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(sweep.glob("lambda*/run.json"))]


def steps(run: Path) -> list[int]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row["step"] for row in rows if row["kind"] == "steps"]


def begun_on(raylets: set[int]) -> dict[int, Path]:
    """The runs of these nodes that have a checkpoint, by their processes."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
            parent = (path.parent / "stat").read_text().rpartition(")")[2].split()[1]
            grandparent = Path("/proc", parent, "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if "train" in words and "--run-dir" in words and int(grandparent) in raylets:
            run = Path(words[words.index("--run-dir") + 1])
            if list(run.glob("checkpoints/step-*")):
                found[int(path.parent.name)] = run
    return found


def is_interrupted(process: int) -> bool:
    """Whether SIGINT waits for a process that is stopped."""
    (waiting,) = re.findall(r"ShdPnd:\s*(\w+)", Path(f"/proc/{process}/status").read_text())
    return bool(int(waiting, 16) & 1 << signal.SIGINT - 1)


def lose_a_node(cluster: Cluster, home: Path, *, lambdas: int, seeds: int) -> None:
    """Every point is completed, and none was begun twice."""
    lost = cluster.add(num_cpus=1)
    values = [0.01 * number for number in range(lambdas)]
    config(home, f"{{lambda: {values}, seed: {list(range(seeds))}}}")
    process = cluster.sweep(
        home,
        *("--config", "tiny.yaml", "--run-dir", "sweep", "--launcher", "ray"),
        "--ray-address",
        cluster.address,
    )

    hit = until(lambda: begun_on({lost}), process).values()
    os.kill(lost, signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=600)
    assert (process.returncode, stderr) == (0, ""), stdout
    assert "raylet" not in stdout
    for run in hit:
        assert stdout.count(f"] {run.name} running") == 2
    runs = sorted((home / "sweep").glob("lambda*/"))
    assert len(runs) == lambdas * seeds
    for run in runs:
        manifest = json.loads((run / "run.json").read_text())
        assert manifest["status"] == "completed"
        assert steps(run) == list(range(1, 401))
        for resumed in manifest["resumed"]:
            assert resumed["step"] > 0
    for run in hit:
        assert json.loads((run / "run.json").read_text())["resumed"]


def test_points_of_a_lost_node_go_on_elsewhere(cluster: Cluster, tmp_path: Path) -> None:
    lose_a_node(cluster, tmp_path, lambdas=2, seeds=2)


def test_of_24_points_none_is_lost_and_none_is_done_twice(cluster: Cluster, tmp_path: Path) -> None:
    cluster.add(num_cpus=1)
    lose_a_node(cluster, tmp_path, lambdas=8, seeds=3)


def test_gpus_are_shared_as_asked_and_threads_are_what_they_would_be_here(
    cluster: Cluster, tmp_path: Path
) -> None:
    config(tmp_path, "{lambda: [0, 1.0], resources: {cpus: 1, gpus: 0.5}}")
    for path in cluster.witness.iterdir():
        path.unlink()
    process = cluster.sweep(
        tmp_path,
        *("--config", "tiny.yaml", "--run-dir", "sweep", "--launcher", "ray", "--set", "train.iterations=2"),
        *("--device", "cpu", "--ray-address", f"ray://127.0.0.1:{cluster.client_port}"),
    )
    stdout, stderr = process.communicate(timeout=180)
    assert (process.returncode, stderr) == (0, ""), stdout
    assert stdout.count(" gpu 0\n") == 2
    said = [json.loads(path.read_text()) for path in cluster.witness.iterdir()]
    assert len(said) == 2
    for each in said:
        assert each["CUDA_VISIBLE_DEVICES"] == "0"
        assert each["OMP_NUM_THREADS"] == each["TF_NUM_INTRAOP_THREADS"]

    done = cl(
        *("sweep", "--config", "tiny.yaml", "--run-dir", "more", "--launcher", "ray"),
        *("--set", "sweep.resources.gpus=2", "--ray-address", cluster.address),
        cwd=tmp_path,
        **cluster.variables,
    )
    assert done.returncode == 1
    assert (
        "error: a point asks for 1 core, 2 GPUs, and the largest node of the Ray cluster has " in done.stderr
    )
    assert len(lines(done.stderr)) == 1
    assert not (tmp_path / "more").exists()


def test_without_a_shared_disk_a_sweep_is_stopped_and_goes_on_with_what_came_back(
    cluster: Cluster, tmp_path: Path
) -> None:
    config(tmp_path, "{lambda: [0.1], resources: {cpus: 1}}")
    address = ("--launcher", "ray", "--ray-address", f"ray://127.0.0.1:{cluster.client_port}")
    process = cluster.sweep(tmp_path, "--config", "tiny.yaml", "--run-dir", "sweep", *address, unshared=True)
    (point,) = until(lambda: begun_on(cluster.raylets), process)
    os.kill(point, signal.SIGSTOP)  # or it could be done before the signal reaches it
    until(lambda: list((tmp_path / "sweep").glob("lambda*/checkpoints/step-*")), process)
    process.send_signal(signal.SIGINT)
    until(lambda: is_interrupted(point), process)
    os.kill(point, signal.SIGCONT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    (manifest,) = manifests(tmp_path / "sweep")
    assert manifest["status"] == "interrupted"
    (run,) = (tmp_path / "sweep").glob("lambda*/")
    saved = steps(run)
    assert saved == list(range(1, len(saved) + 1))

    process = cluster.sweep(tmp_path, "--resume", "sweep", *address[2:], unshared=True)
    _, stderr = process.communicate(timeout=180)
    assert (process.returncode, stderr) == (0, "")
    (manifest,) = manifests(tmp_path / "sweep")
    assert manifest["status"] == "completed"
    assert [resumed["step"] for resumed in manifest["resumed"]] == [len(saved)]
    assert steps(run) == list(range(1, 401))
    assert not (run / "lock").exists()
    assert not list((tmp_path / "sweep").rglob("*.tmp"))

    done = cl(
        *("sweep", "--config", "tiny.yaml", "--run-dir", "local", "--set", "sweep.resources.cpus=1"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    for dump in DUMPS:
        assert (run / dump).read_bytes() == (tmp_path / "local" / run.name / dump).read_bytes()
