"""One sweep by every launcher, and one sweep that every launcher did a part of: the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from comparing import without_clocks
from test_cli import cl, environment

SWEEP = """
data: {name: digits8, validation: 200}
model: {batch_norm: false, channels: [4, 8, 8]}
train: {iterations: 200, batch_size: 20, learning_rate: 1e-3, log_every: 5, checkpoint_every: 20}
sweep: {lambda: [0, 0.01, 0.1, 1.0], resources: {cpus: 1}, slurm: {cluster: local}}
"""
POINTS = [f"lambda{value}-alpha0.5-seed0" for value in ("0", "0.01", "0.1", "1")]
LAUNCHERS = ("local", "ray", "slurm")


def outcome(sweep: Path) -> dict[str, Any]:
    """Every dump, byte for byte, and every row of every point but for its clock."""
    found: dict[str, Any] = {}
    for name in POINTS:
        assert json.loads((sweep / name / "run.json").read_text())["status"] == "completed"
        for path in (sweep / name / "features").iterdir():
            found[f"{name}/{path.name}"] = path.read_bytes()
        rows = (sweep / name / "metrics.jsonl").read_text().splitlines()
        found[name] = [without_clocks(json.loads(row)) for row in rows]
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sweep `straight`, trained here, one point at a time."""
    pytest.importorskip("ray")
    pytest.importorskip("submitit")
    home = tmp_path_factory.mktemp("launchers")
    (home / "tiny.yaml").write_text(SWEEP)
    done = cl("sweep", "--config", "tiny.yaml", "--run-dir", "straight", cwd=home)
    assert done.returncode == 0, done.stderr
    return home


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_launcher_gives_the_same_bytes(launcher: str, home: Path) -> None:
    done = cl(
        *("sweep", "--config", "tiny.yaml", "--run-dir", launcher, "--launcher", launcher, "--jobs", "2"),
        cwd=home,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert outcome(home / launcher) == outcome(home / "straight")


@pytest.mark.slow
@pytest.mark.parametrize("first", LAUNCHERS)
def test_a_sweep_that_is_stopped_goes_on_with_another_launcher(first: str, home: Path) -> None:
    """Ctrl-C once a point is completed and another one trains; the next launcher does exactly the rest."""
    directory = home / f"begun-by-{first}"
    begin = ["--config", "tiny.yaml", "--run-dir", directory, "--launcher", first, "--jobs", "1"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", "sweep", *begin],
        cwd=home,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (directory / POINTS[1] / "metrics.jsonl").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert errors.startswith("error: stopped with 1 of 4 points completed")
    done_before = (directory / POINTS[0] / "run.json").read_bytes()

    second = LAUNCHERS[LAUNCHERS.index(first) - 1]
    done = cl("sweep", "--resume", directory, "--launcher", second, cwd=home)
    assert (done.returncode, done.stderr) == (0, "")
    assert (directory / POINTS[0] / "run.json").read_bytes() == done_before
    resumed = [json.loads((directory / name / "run.json").read_text())["resumed"] for name in POINTS]
    assert [len(each) for each in resumed] == [0, 1, 0, 0]
    assert outcome(directory) == outcome(home / "straight")
