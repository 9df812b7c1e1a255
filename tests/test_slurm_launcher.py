"""Points as Slurm jobs, with stand-ins for Slurm's commands."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_slurm_jobs import manifest, notes_of, text_of, until, write_sweep

from centerloss_core.config import ConfigError, Slurm, load_document, resolve_sweep
from centerloss_core.run_directory.lock import holder
from centerloss_core.sweeps import Launch, resume_sweep
from centerloss_core.sweeps.launchers import LauncherError, Task, open_launcher, slurm_notes
from centerloss_core.sweeps.launchers import on_slurm as launcher_module
from centerloss_core.sweeps.launchers.on_slurm import SlurmLauncher, SlurmPoint
from centerloss_core.sweeps.launchers.slurm_job import PointJob

pytest.importorskip("submitit")

STAND_INS = {
    "sbatch": """
count=$(ls "$HERE" | grep -c ^script)
cp "$1" "$HERE/script.$count"
env > "$HERE/environment"
echo "Submitted batch job 7$((count + 1))"
""",
    "srun": "exit 1",
    "scancel": 'echo "$@" >> "$HERE/cancelled"',
    "sacct": 'echo "$@" >> "$HERE/asked"\n[ -e "$HERE/sacct.out" ] || exit 1\ncat "$HERE/sacct.out"',
    "squeue": '[ -e "$HERE/squeue.out" ] || exit 1\ncat "$HERE/squeue.out"',
}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the scripts that sbatch was given, and what the other commands were asked."""
    folder = tmp_path / "stand-ins"
    folder.mkdir()
    for name, body in STAND_INS.items():
        (folder / name).write_text(f"#!/bin/bash\nHERE={folder}\n{body}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    yield folder
    assert not list(tmp_path.rglob("*.tmp"))


def tasks(directory: Path, count: int) -> list[Task]:
    return [Task(f"lambda{index}-alpha0.5-seed0", directory, 1) for index in range(count)]


def options(script: Path) -> dict[str, str]:
    lines = [line.removeprefix("#SBATCH --") for line in script.read_text().splitlines() if "#SBATCH" in line]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def test_all_settings_reach_slurm_in_one_array(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm = Slurm(partition="gpu,big", account="a1", qos="high", constraint="v100", minutes=90)
    sweep = tmp_path / "my sweep; x"
    launcher = SlurmLauncher(slurm, 2, 4, 1, 2.5)
    assert launcher.jobs is None
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "1")  # of a job that the sweep runs in
    with launcher:
        points = launcher.start([Task(name, sweep, 4) for name in ("a", "b", "c")])
        assert [point.job for point in points] == ["71_0", "71_1", "71_2"]
        assert [point.place for point in points] == [None] * 3
        (cluster / "sacct.out").write_text("JobID|State|NodeList\n71_[0-2]|COMPLETED|\n")
        for point in points:
            slurm_notes.Ticket(sweep / "slurm" / "notes", f"{point._task.name}.1").say_ended(1, None)
    variables = (cluster / "environment").read_text().splitlines()
    assert "PYTHONSAFEPATH=1" in variables
    assert not [line for line in variables if line.startswith("SLURM_")]
    assert os.environ["SLURM_MEM_PER_CPU"] == "1"
    script = cluster / "script.0"
    (folder,) = (sweep / "slurm").glob("jobs-*")
    log = f"'{folder}/%A_%a_0_log"
    assert options(script) == {
        "account": "a1",
        "array": "0-2%2",
        "constraint": "v100",
        "cpus-per-task": "4",
        "error": f"{log}.err'",
        "gpus-per-node": "1",
        "job-name": "my_sweep__x",
        "mem": "2560M",
        "nodes": "1",
        "open-mode": "append",
        "output": f"{log}.out'",
        "partition": "gpu,big",
        "qos": "high",
        "requeue": "",
        "signal": "USR2@90",
        "time": "90",
    }
    last = script.read_text().splitlines()[-1]
    assert last.startswith("srun --unbuffered ")
    assert "--cpus-per-task=4 env PYTHONPATH=" in last
    assert f"{sys.executable} -P -u -m submitit.core._submit '{folder}'" in last
    assert not (cluster / "cancelled").exists()


def test_the_cluster_decides_what_is_not_set(cluster: Path, tmp_path: Path) -> None:
    with SlurmLauncher(Slurm(minutes=1), None) as launcher:
        (point,) = launcher.start(tasks(tmp_path / "sweep", 1))
        assert point.job == "71"
        slurm_notes.Ticket(tmp_path / "sweep" / "slurm" / "notes", "lambda0-alpha0.5-seed0.1").say_ended(
            1, None
        )
    assert set(options(cluster / "script.0")) == {
        *("cpus-per-task", "error", "job-name", "nodes", "open-mode", "output", "requeue", "signal", "time"),
    }
    assert options(cluster / "script.0")["signal"] == "USR2@30"


def test_a_retry_waits_for_what_jobs_bounds(cluster: Path, tmp_path: Path) -> None:
    with SlurmLauncher(Slurm(), 2) as launcher:
        launcher.start(tasks(tmp_path / "sweep", 3))
        launcher.start(tasks(tmp_path / "sweep", 1))
        launcher.start(tasks(tmp_path / "sweep", 1))
    found = [options(cluster / f"script.{index}").get("dependency") for index in range(3)]
    assert found == [None, "afterany:71", "afterany:72"]


def test_a_job_sees_no_gpu_that_it_did_not_ask_for(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every cluster hides the others."""
    submitted: list[PointJob] = []

    def submit(jobs: list[PointJob], *_: object) -> list[str]:
        submitted.extend(jobs)
        return ["71"]

    for gpus in (None, 1):
        launcher = SlurmLauncher(Slurm(), None, 1, gpus)
        monkeypatch.setattr(launcher.cluster, "submit", submit)
        launcher.start(tasks(tmp_path, 1))
    assert [job.variables.get("CUDA_VISIBLE_DEVICES") for job in submitted] == ["", None]


def started(directory: Path, count: int = 2) -> tuple[SlurmLauncher, list[SlurmPoint], Path]:
    launcher = SlurmLauncher(Slurm(), None)
    points = launcher.start(tasks(directory, count))
    return launcher, points, slurm_notes.notes_folder(directory)


def impatient(launcher: SlurmLauncher, grace: float = 0.0) -> None:
    launcher.cluster.grace = grace
    launcher.cluster.pause = 0.05
    launcher._next_question = 0.0


def test_an_end_without_a_note_is_reported_in_words(cluster: Path, tmp_path: Path) -> None:
    launcher, points, _ = started(tmp_path / "sweep", 7)
    (folder,) = (tmp_path / "sweep" / "slurm").glob("jobs-*")
    ends = {
        "NODE_FAIL": ("its node failed", True),
        "PREEMPTED": ("its job was preempted", True),
        "OUT_OF_MEMORY": ("its job ran out of memory: raise sweep.resources.memory", False),
        "TIMEOUT": ("its job was over its time limit: raise sweep.slurm.minutes", False),
        "CANCELLED by 1000": ("its job was cancelled", False),
        "FAILED": (f"its job failed, see {folder}/71_6_0_log.err", False),
    }
    rows = [f"71_{index}|{state}|n1" for index, state in enumerate(["RUNNING", *ends])]
    (cluster / "sacct.out").write_text("\n".join(["JobID|State|NodeList", *rows, "71_6.batch|FAILED|n1", ""]))
    impatient(launcher)
    until(lambda: all(point.ended() for point in points[1:]), 10)
    assert [point.ended() for point in points] == [
        None,
        *(launcher_module.Ending(None, words, lost) for words, lost in ends.values()),
    ]


def test_a_job_that_is_requeued_is_not_lost(cluster: Path, tmp_path: Path) -> None:
    launcher, (point,), notes = started(tmp_path / "sweep", 1)
    (cluster / "sacct.out").write_text("JobID|State|NodeList\n71|NODE_FAIL|n1\n")
    impatient(launcher, grace=1000)
    assert point.ended() is None
    (cluster / "sacct.out").write_text("JobID|State|NodeList\n71|PENDING|n1\n")
    until(lambda: point.ended() is None and point._over_since is None, 10)
    slurm_notes.Ticket(notes, "lambda0-alpha0.5-seed0.1").say_ended(9, None)
    until(lambda: point.ended() is not None, 10)
    assert point.ended() == launcher_module.Ending(9)


def test_slurm_is_not_asked_as_long_as_there_is_no_need(cluster: Path, tmp_path: Path) -> None:
    _, points, _ = started(tmp_path / "sweep", 3)
    for _ in range(200):
        assert [point.ended() for point in points] == [None] * 3
        assert [point.place for point in points] == [None] * 3
    assert not (cluster / "asked").exists()


def test_without_accounts_squeue_answers(cluster: Path, tmp_path: Path) -> None:
    launcher, (first, second), _ = started(tmp_path / "sweep")
    (cluster / "squeue.out").write_text("71_0|PENDING|\n")
    impatient(launcher)
    until(lambda: second.ended() is not None, 10)
    assert first.ended() is None
    (cluster / "squeue.out").unlink()  # a controller that does not answer
    for _ in range(20):
        assert first.ended() is None


def test_an_interrupt_cancels_what_waits_and_tells_what_runs(cluster: Path, tmp_path: Path) -> None:
    launcher, points, notes = started(tmp_path / "sweep", 3)
    slurm_notes.Ticket(notes, "lambda0-alpha0.5-seed0.1").say_began()
    until(lambda: points[0].place is not None, 10)
    launcher.interrupt(signal.SIGINT)
    assert (cluster / "cancelled").read_text() == "--state=PENDING 71_1 71_2\n"
    assert {slurm_notes.Ticket(notes, f"lambda{index}-alpha0.5-seed0.1").order() for index in range(3)} == {
        "TERM"
    }
    (cluster / "sacct.out").write_text("JobID|State|NodeList\n71_0|RUNNING|n1\n71_[1-2]|CANCELLED by 1000|\n")
    impatient(launcher)
    until(lambda: points[1].ended() and points[2].ended(), 20)
    assert points[1].ended() == launcher_module.Ending(None, "cancelled before it began")
    slurm_notes.Ticket(notes, "lambda0-alpha0.5-seed0.1").say_ended(143, None)
    until(lambda: points[0].ended() is not None, 10)
    with launcher:
        pass
    assert len((cluster / "cancelled").read_text().splitlines()) == 1


def test_a_cancelled_job_that_slurm_does_not_know_is_given_up(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher_module, "_LONGEST_DELAY", 0.0)
    launcher, (runs, waits), notes = started(tmp_path / "sweep")
    slurm_notes.Ticket(notes, "lambda0-alpha0.5-seed0.1").say_began()
    until(lambda: runs.place is not None, 10)
    impatient(launcher)
    assert waits.ended() is None
    launcher.interrupt(signal.SIGINT)
    until(lambda: waits.ended() is not None, 10)
    assert waits.ended() == launcher_module.Ending(None, "cancelled before it began")
    assert runs.ended() is None


def test_a_kill_does_not_wait_for_ever(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher_module, "_LONGEST_KILL", 0.1)
    launcher, points, notes = started(tmp_path / "sweep")
    launcher.kill()
    for point in points:
        ending = point.ended()
        assert ending is not None
        assert ending.reason == "its job was cancelled, and its end was not seen"
    assert (cluster / "cancelled").read_text() == "71_0 71_1\n"
    assert slurm_notes.Ticket(notes, "lambda0-alpha0.5-seed0.1").order() == slurm_notes.KILL


def test_jobs_that_slurm_refuses_are_an_error_in_one_line(cluster: Path, tmp_path: Path) -> None:
    (cluster / "sbatch").write_text("#!/bin/bash\necho 'sbatch: error: invalid partition: x' >&2\nexit 1\n")
    with (
        SlurmLauncher(Slurm(partition="x"), None) as launcher,
        pytest.raises(
            LauncherError, match=r"^Slurm did not take the jobs: invalid partition: x; check sweep.slurm"
        ),
    ):
        launcher.start(tasks(tmp_path / "sweep", 2))
    notes = slurm_notes.notes_folder(tmp_path / "sweep")
    assert slurm_notes.Ticket(notes, "lambda0-alpha0.5-seed0.1").order() == slurm_notes.TERM


# A node: srun is what is behind its options, and a job that is requeued runs its script again.
NODE = {
    "sbatch": """
cp "$1" "$HERE/script"
echo "Submitted batch job 71"
setsid "$HERE/node" > /dev/null 2>&1 &
""",
    "node": """
export SLURM_JOB_ID=71 SLURM_NTASKS=1 SLURM_PROCID=0 OMP_NUM_THREADS=9 SLURM_CPU_BIND=none
exec bash "$HERE/script"
""",
    "srun": 'while [ "$1" != env ]; do shift; done\nexec "$@" >> "$HERE/log" 2>&1',
    "scontrol": 'echo "$@" >> "$HERE/requeued"\n(sleep 0.2; setsid "$HERE/node") > /dev/null 2>&1 &',
}  # fmt: skip


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """A point of a sweep directory, not begun, which takes some seconds."""
    return write_sweep(tmp_path)


@pytest.fixture
def node(cluster: Path) -> Path:
    """The same cluster with a node, on which jobs do run."""
    for name, body in NODE.items():
        (cluster / name).write_text(f"#!/bin/bash\nHERE={cluster}\n{body}\n")
        (cluster / name).chmod(0o755)
    return cluster


def pids_of(task: Task) -> tuple[int, int]:
    """The job's process and the run's, once that has taken a step."""
    until(lambda: '"step"' in text_of(task.path / "metrics.jsonl"))
    job = json.loads((notes_of(task) / f"{task.name}.1.began").read_text())["pid"]
    return job, json.loads((task.path / "lock").read_text())["pid"]


# How a cluster tracks processes (its ProctrackType) decides whom a signal of Slurm's reaches.
THE_JOB, ALL = slice(0, 1), slice(0, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signals", "reached"),
    [
        pytest.param(["SIGTERM", "SIGUSR2"], THE_JOB, id="preempted, the job is told"),
        pytest.param(["SIGUSR2"], ALL, id="time is over, all processes are told"),
        pytest.param(["SIGTERM", "SIGUSR2"], ALL, id="preempted, all are told"),
        pytest.param(["SIGUSR2"], THE_JOB, id="time is over, the job is told"),
    ],
)
def test_a_job_that_slurm_takes_back_saves_once_and_resumes(
    signals: list[str], reached: slice, node: Path, task: Task
) -> None:
    cluster = node
    with SlurmLauncher(Slurm(), None) as launcher:
        (point,) = launcher.start([task])
        for name in signals:
            for pid in pids_of(task)[reached]:
                os.kill(pid, getattr(signal, name))
        until(lambda: point.ended() is not None)
        assert point.ended() == launcher_module.Ending(0), text_of(cluster / "log")
    assert (cluster / "requeued").read_text() == "requeue 71\n"
    assert manifest(task.path)["status"] == "completed"
    assert [row["step"] > 0 for row in manifest(task.path)["resumed"]] == [True]
    assert manifest(task.path)["threads"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("reached", [THE_JOB, ALL], ids=["only the job", "all processes"])
def test_a_run_saves_when_its_job_is_cancelled_by_hand(reached: slice, node: Path, task: Task) -> None:
    launcher = SlurmLauncher(Slurm(), None)
    launcher.start([task])
    job, run = pids_of(task)
    for pid in (job, run)[reached]:
        os.kill(pid, signal.SIGTERM)
    until(lambda: manifest(task.path)["status"] != "running")
    os.kill(job, signal.SIGKILL)  # what follows half a minute later
    assert manifest(task.path)["status"] == "interrupted"
    assert any((task.path / "checkpoints").iterdir())
    until(lambda: holder(task.path) is None)


# ---- Errors ---------------------------------------------------------------------------------------------------


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(LauncherError) as caught:
        open_launcher(Launch(launcher="slurm"), 1)
    assert str(caught.value) == "the launcher slurm needs submitit: pip install 'centerloss[slurm]'"


def test_a_machine_without_slurm_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LauncherError, match="there is no sbatch on this machine: run this where Slurm is"):
        SlurmLauncher(Slurm(), None)


def test_a_part_of_a_gpu_is_refused(cluster: Path) -> None:
    with pytest.raises(
        LauncherError, match=r"^Slurm gives whole GPUs, and sweep.resources.gpus is 0.5: set it to 1"
    ):
        SlurmLauncher(Slurm(), None, 1, 0.5)


def test_a_name_cannot_add_to_the_batch_script(tmp_path: Path) -> None:
    names = ["x\n#SBATCH --uid=0", "x\n", "x y", "-x", "$(id)", "`id`", "x;id", "", "%j"]
    cases = [("partition", name) for name in names] + [
        (key, "x y") for key in ("account", "qos", "constraint")
    ]
    for key, name in cases:
        (tmp_path / "tiny.yaml").write_text(
            f"data: {{name: digits8}}\nsweep: {{slurm: {{{key}: {json.dumps(name)}}}}}\n"
        )
        with pytest.raises(ConfigError, match=rf"sweep.slurm.{key}: "):
            resolve_sweep(load_document(tmp_path / "tiny.yaml"))


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
@pytest.mark.parametrize("name", ["x\n#SBATCH --uid=0", "x%j", "x\\y"])
def test_a_path_that_slurm_would_change_is_refused_before_anything_is_made(
    name: str, more: list[str], cluster: Path, tmp_path: Path, here: Any
) -> None:
    (tmp_path / "tiny.yaml").write_text("data: {name: digits8}\ntrain: {epochs: 1}\n")
    before = set(tmp_path.iterdir())
    code, said, errors = here(
        "sweep", "--config", "tiny.yaml", "--launcher", "slurm", "--run-dir", tmp_path / name, *more
    )
    assert (code, said) == (1, "")
    assert errors.startswith("error: the path of a sweep under Slurm must have no")
    assert "--run-dir" in errors
    assert "--resume" not in errors
    assert set(tmp_path.iterdir()) == before
    assert not list(cluster.glob("script*"))


def test_a_sweep_that_lies_where_slurm_cannot_work_is_not_resumed_there(tmp_path: Path) -> None:
    (tmp_path / "50%").mkdir()
    with pytest.raises(LauncherError, match="move the sweep"):
        resume_sweep(write_sweep(tmp_path / "50%").directory, launch=Launch(launcher="slurm"))


@pytest.mark.parametrize("name", ["-a b'c; λ", 'x"; touch y', "$(touch y)"])
def test_an_unusual_path_is_quoted(name: str, cluster: Path, tmp_path: Path) -> None:
    with SlurmLauncher(Slurm(), None) as launcher:
        launcher.start(tasks(tmp_path / name, 1))
    script = cluster / "script.0"
    (cluster / "srun").write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" > {cluster}/arguments\n')
    subprocess.run(["bash", str(script)], cwd=tmp_path, check=True)
    (folder,) = (tmp_path / name / "slurm").glob("jobs-*")
    assert (cluster / "arguments").read_text().splitlines()[-1] == str(folder)
    assert not (tmp_path / "y").exists()


def test_a_job_does_not_unpickle_a_file_that_was_there_before(cluster: Path, tmp_path: Path) -> None:
    """Whoever made the directory may have put a pickle for each number there."""
    laid = tmp_path / "sweep" / "slurm" / "71_0_submitted.pkl"
    laid.parent.mkdir(parents=True)
    laid.write_bytes(b"mine")
    with SlurmLauncher(Slurm(), None) as launcher:
        launcher.start(tasks(tmp_path / "sweep", 2))
    (pickled,) = laid.parent.rglob("*/71_0_submitted.pkl")
    assert str(pickled.parent) in (cluster / "script.0").read_text()
    assert laid.read_bytes() == b"mine"


def test_the_launcher_is_given_what_a_point_takes(cluster: Path) -> None:
    launcher = open_launcher(Launch(launcher="slurm", slurm=Slurm(cluster="local")), 10_000)
    assert launcher.jobs == 1
