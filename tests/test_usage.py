"""What a newcomer types first: names in place of paths, settings as plain words, flags of other programs, slips."""

from pathlib import Path
from typing import Any

import pytest
from made_runs import make_run

from centerloss_core.config import load_config
from centerloss_core.config.shipped import shipped
from centerloss_core.datasets.mnist import FILES

ROOT = Path(__file__).parent.parent
SMALL = "data: {name: digits8}\nmodel: {channels: [4, 8, 8]}\ntrain: {epochs: 2}\n"


def test_configs_lists_and_prints_what_comes_with_the_program(here: Any) -> None:
    folder = ROOT / "configs"
    files = {
        path.relative_to(folder).with_suffix("").as_posix(): path.read_text()
        for path in folder.rglob("*.yaml")
    }
    _, listed, _ = here("configs")
    for name, text in files.items():
        first = text.splitlines()[0].removeprefix("# ")
        assert any(line.split() == [name, *first.split()] for line in listed.splitlines())
        assert here("configs", name) == (0, text, "")
    code, _, error = here("configs", "quikstart")
    assert code == 2
    assert "did you mean quickstart?" in error


def test_a_name_is_a_config_wherever_the_command_is_run_and_an_existing_file_wins(
    here: Any, tmp_path: Path
) -> None:
    for arguments in (["--config", "quickstart"], ["quickstart"]):
        code, plan, error = here("sweep", *arguments, "--dry-run")
        assert code == 0, error
        assert "mnist5k" in plan
        assert "runs/quickstart-sweep/lambda1-alpha0.5-seed0" in plan
    assert load_config("quickstart") == load_config(shipped()["quickstart"])
    (tmp_path / "quickstart").mkdir()  # as of data or of runs: no config
    assert "mnist5k" in here("train", "quickstart", "--dry-run")[1]
    (tmp_path / "quickstart").rmdir()
    (tmp_path / "quickstart").write_text(SMALL)
    assert "digits8" in here("train", "quickstart", "--dry-run")[1]


def test_the_commands_that_the_help_begins_with_work_outside_a_checkout(here: Any) -> None:
    for said in (here("--help")[1], here("runs")[1]):
        [line] = [line for line in said.splitlines() if "egin with: cl " in line]
        code, _, error = here(*line.partition("egin with: cl ")[2].split(), "--dry-run")
        assert code == 0, error


def test_a_file_and_settings_may_be_given_as_plain_words(here: Any, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    (tmp_path / "seed=3.yaml").write_text(SMALL)
    long = here("train", "--config", "small.yaml", "--set", "train.epochs=7", "--dry-run")
    assert here("train", "small.yaml", "train.epochs=7", "--dry-run") == long
    assert long[0] == 0
    assert "7 epochs" in here("sweep", "small.yaml", "train.epochs=7", "--dry-run")[1]
    assert here("train", "seed=3.yaml", "--dry-run")[0] == 0
    code, _, error = here("train", "small.yaml", "other.yaml")
    assert code == 2
    assert "give one config; a setting is written KEY=VALUE, and several values 0,1, without spaces" in error


@pytest.mark.parametrize(
    ("slip", "answer"),
    [
        (["--lr", "0.01"], "--set train.learning_rate=0.01"),
        (["-lr", "0.01"], "--set train.learning_rate=0.01"),
        (["--learning-rate=0.01"], "--set train.learning_rate=0.01"),
        (["--epochs", "3"], "--set train.epochs=3"),
        (["--num-epochs", "3"], "--set train.epochs=3"),
        (["--max_steps", "300"], "--set train.iterations=300"),
        (["--batch-size", "64"], "--set train.batch_size=64"),
        (["--optimizer", "sgd"], "--set train.optimizer=sgd"),
        (["--lambda-c", "0.1"], "--lambda 0.1"),
        (["--gpu", "0"], "--device gpu:0"),
        (["--cpu"], "--device cpu"),
        (["--output-dir", "out"], "--run-dir out"),
        (["--train.epochs", "3"], "--set train.epochs=3"),
        (["--epochs"], "--set train.epochs=…"),
    ],
)
def test_flags_of_other_programs_are_answered_with_ours(here: Any, slip: list[str], answer: str) -> None:
    code, _, error = here("train", "quickstart", *slip, "--dry-run")
    assert (code, error) == (2, f"error: {' '.join(slip).replace('=', ' ')}: write {answer}\n")


def test_several_flags_of_other_programs_are_answered_at_once_and_in_a_sweep_with_a_grid(here: Any) -> None:
    _, _, error = here("sweep", "quickstart", "--lr", "0.1,0.2", "--epochs", "3")
    assert "--grid train.learning_rate=0.1,0.2" in error
    assert "--set train.epochs=3" in error


def test_the_name_of_a_sweep_is_its_directory_and_no_data_set(here: Any) -> None:
    code, _, error = here("sweep", "quickstart", "--name", "mine", "--dry-run")
    assert (code, error) == (2, "error: --name mine: write --run-dir runs/mine\n")


def test_a_setting_without_its_section_is_answered_with_the_whole_key(here: Any) -> None:
    for word, meant in (("epochs=3", "train.epochs=3"), ("lr=0.1", "train.learning_rate=0.1")):
        code, _, error = here("train", "quickstart", word)
        assert code == 2
        assert f"did you mean {meant}?" in error


def test_files_that_are_not_there_are_answered_with_a_name(here: Any) -> None:
    for given in ("quikstart", "configs/quickstart.yaml", "mnst.yml"):
        code, _, error = here("train", given)
        assert code == 2
        assert "which comes with the program" in error
    assert "`cl configs` lists" in here("train")[2]


def test_a_weight_that_is_wrong_is_named_by_its_flag_and_its_key(here: Any) -> None:
    for command in ("train", "sweep"):
        code, _, error = here(command, "quickstart", "--lambda", "-1")
        expected = "error: --lambda -1: loss.lambda: expected a number ≥ 0; received -1\n"
        assert (code, error) == (2, expected)


def test_a_dry_run_refuses_the_data_that_the_run_would_refuse(here: Any, tmp_path: Path) -> None:
    (tmp_path / "fashion").mkdir()
    for known in FILES:
        (tmp_path / "fashion" / known.name).write_bytes(known.header + bytes(known.body_size))
    for settings, message in (
        (["data.dir=fashion"], "fashion"),
        (["data.dir=nowhere"], "nowhere: no such folder"),
        (["data.validation=60000"], "data.validation is 60000, expected 0 … 59,999"),
        (["data.name=digits8", "data.validation=1437"], "data.validation is 1437, expected 0 … 1,436"),
    ):
        for command in ("train", "sweep"):
            code, plan, refused = here(command, "mnist", *settings, "--dry-run")
            assert (code, plan) == (1, ""), settings
            assert message in refused
        if "validation=60000" not in settings[0]:  # would download
            code, _, error = here("train", "mnist", *settings, "--run-dir", "run")
            assert (code, error) == (1, refused)
    grid = ["data.validation=0,1437"]
    code, _, error = here("sweep", "quickstart", "data.name=digits8", "--grid", *grid, "--dry-run")
    assert code == 1, error


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["plot", "run", "--width", "0"], "width is 0 inches; it must be 2 to 60"),
        (["plot", "run", "--dpi=-1"], "dpi is -1; it must be 20 to 1200"),
        (["plot", "run", "--width=wide"], "--width wide: expected a number"),
        (["plot", "run", "--layout", "col"], "--layout col: 'col' is not one of 'grid', 'row'"),
        (["sweep", "quickstart", "--jobs", "1.5"], "--jobs 1.5: expected a whole number"),
        (
            ["sweep", "quickstart", "--retries", "-1"],
            "--retries -1: expected a number greater than or equal to 0",
        ),
        (["sweep", "quickstart", "--seed", "0", "--seed=1"], "--seed 0 and --seed 1: give it once"),
        (
            ["train", "quickstart", "train.epochs=1", "train.epochs=2"],
            "--set train.epochs=2: train.epochs is also given by --set train.epochs=1; give it once",
        ),
        (
            ["sweep", "quickstart", "--init", "run"],
            "--init run: write cl train --init RUN with the settings of each point, because a sweep begins all its "
            "points anew",
        ),
    ],
)
def test_values_that_an_option_cannot_have_are_answered_plainly(
    here: Any, arguments: list[str], answer: str
) -> None:
    assert here(*arguments) == (2, "", f"error: {answer}\n")


@pytest.mark.parametrize(
    ("run", "settings", "name"),
    [
        ("plain", [], "plain-repeat"),
        ("plain", ["train.device=cpu"], "plain-repeat"),
        ("plain", ["--lambda", "0.1"], "plain-lambda0.1"),
        ("plain", ["train.iterations=3", "model.feature_dim=3"], "plain-feature_dim3-iterations3"),
        ("small-lambda0.01-alpha0.5-seed0", ["--lambda", "0.1"], "small-lambda0.1-alpha0.5-seed0"),
        ("lambda0.01-alpha0.5-seed0", ["--seed", "1"], "lambda0.01-alpha0.5-seed1"),
        ("lambda0.01-alpha0.5-seed0", ["train.batch_size=50"], "lambda0.01-alpha0.5-seed0-batch_size50"),
    ],
)
def test_a_run_with_the_config_of_another_is_named_by_what_it_changes(
    here: Any, tmp_path: Path, run: str, settings: list[str], name: str
) -> None:
    config = make_run(tmp_path / run) / "config.yaml"
    config.write_text(SMALL)
    code, plan, error = here("train", "--config", config, *settings, "--dry-run")
    assert (code, error) == (0, "")
    assert f"runs/{name} " in plan


def test_short_help_works_everywhere(here: Any) -> None:
    for arguments in (["-h"], ["train", "-h"], ["configs", "-h"]):
        code, said, _ = here(*arguments)
        assert code == 0
        assert said.startswith("Usage: ")
