"""`cl sweep --resume` with more values of an axis adds their points; where the data was moved, it goes on there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_conductor import Fake, FakeLauncher, completes

from centerloss_core.config import Flags, load_config, load_document, resolve_sweep
from centerloss_core.datasets import load_dataset
from centerloss_core.run_directory.reader import read_sweep
from centerloss_core.sweeps import begun_points, plan_sweep, run_sweep, sweep
from centerloss_core.sweeps.launchers import Ending, Launch, Task, child

CONFIG = """
data: {name: mnist, dir: /mnt/old}
train: {iterations: 4}
sweep: {lambda: [0, 1.0]}
overrides: [{when: {loss.lambda: 1.0}, set: {train.iterations: 9}}]
"""
VARIANTS = """
data: {name: digits8}
train: {iterations: 4}
sweep:
  - {lambda: [0.1], variants: {plain: {}, small: {model.channels: [4, 8, 8]}}}
  - {variants: {softmax: {loss.term: none}}}
"""
Begin = Callable[..., Path]


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Make the sweep `sweep`, all of whose points are completed without training, as are those that are added."""
    launcher = FakeLauncher([], completes, jobs=None, without_room="")

    def script(fake: Fake) -> Ending | None:
        launcher.points = begun_points(tmp_path / "sweep")
        return completes(fake)

    launcher.script = script
    monkeypatch.setattr(sweep, "open_launcher", lambda launch, threads: launcher)
    monkeypatch.setattr("centerloss_core.datasets.load_dataset", lambda *_, **__: None)

    def run(text: str, **axes: Any) -> Path:
        (tmp_path / "file.yaml").write_text(text)
        plan = plan_sweep(
            load_document(tmp_path / "file.yaml"), tmp_path / "sweep", Flags(axes=axes), Launch()
        )
        run_sweep(plan.points, plan.directory, text)
        return tmp_path / "sweep"

    return run


def names(directory: Path) -> list[str]:
    return [run.name for run in read_sweep(directory).runs]


def files(directory: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in directory.glob("lambda*/*") if path.is_file()}


def test_more_seeds_make_the_sweep_that_would_have_been_begun_with_them(begin: Begin, here: Any) -> None:
    directory = begin(CONFIG)
    before = files(directory)
    code, output, errors = here("sweep", "--resume", "sweep", "--seed", "0,1,2")
    assert (code, errors) == (0, "")
    assert output.startswith(
        "note: 4 new: lambda0-alpha0.5-seed1, lambda0-alpha0.5-seed2, lambda1-alpha0.5-seed1, "
    )
    grid = resolve_sweep(load_document(directory / "sweep.yaml"), Flags(axes={"train.seed": [0, 1, 2]}))
    assert names(directory) == [point.name for point in grid.points]
    assert {path: time for path, time in files(directory).items() if path in before} == before
    for point in grid.points:
        for path in (directory / "points" / f"{point.name}.yaml", directory / point.name / "config.yaml"):
            assert load_config(path) == point.config
    summary = json.loads((directory / "summary.json").read_text())
    assert {row["status"] for row in summary["runs"]} == {"completed"}
    assert [row["seed"] for row in summary["runs"]] == [0, 1, 2, 0, 1, 2]
    assert summary["axes"] == ["loss.lambda", "train.seed"]
    (added,) = summary["added"]
    assert (len(added["runs"]), added["command"]) == (4, "cl sweep --resume sweep --seed 0,1,2")
    # Once more, and with fewer: there is nothing to add, and nothing is removed.
    code, output, _ = here("sweep", "--resume", "sweep", "--seed", "1")
    assert (code, "new" in output, len(names(directory))) == (0, False, 6)


def test_an_override_holds_for_the_values_that_it_names(begin: Begin, here: Any) -> None:
    directory = begin(CONFIG)
    assert here("sweep", "--resume", "sweep", "--lambda", "0.5")[0] == 0
    assert names(directory) == [f"lambda{weight}-alpha0.5-seed0" for weight in ("0", "0.5", "1")]
    assert load_config(directory / "lambda0.5-alpha0.5-seed0" / "config.yaml").train.iterations == 4
    assert here("sweep", "--resume", "sweep", "--alpha", "0.1")[0] == 0
    assert load_config(directory / "lambda1-alpha0.1-seed0" / "config.yaml").train.iterations == 9


def test_what_an_override_makes_of_a_new_value_is_asked_of_the_file(begin: Begin, here: Any) -> None:
    directory = begin(CONFIG, **{"loss.lambda": [0]})
    code, _, errors = here("sweep", "--resume", "sweep", "--lambda", "1")
    assert code == 1
    assert "cl sweep --resume sweep --config sweep/sweep.yaml" in errors
    code, _, errors = here("sweep", "--resume", "sweep", "--config", "sweep/sweep.yaml", "--lambda", "0,1")
    assert (code, errors) == (0, "")
    assert load_config(directory / "lambda1-alpha0.5-seed0" / "config.yaml").train.iterations == 9


def test_a_new_axis_names_the_new_points_and_shows_in_the_old(begin: Begin, here: Any) -> None:
    directory = begin(CONFIG)
    assert here("sweep", "--resume", "sweep", "--grid", "model.feature_dim=2,8")[0] == 0
    assert sorted(names(directory)) == [
        "lambda0-alpha0.5-seed0",
        "lambda0-alpha0.5-seed0-feature_dim8",
        "lambda1-alpha0.5-seed0",
        "lambda1-alpha0.5-seed0-feature_dim8",
    ]
    record = read_sweep(directory)
    assert sorted(run.settings["model.feature_dim"] for run in record.runs) == [2, 2, 8, 8]
    assert "model.feature_dim" in record.axes
    code, _, errors = here("sweep", "--resume", "sweep")
    assert (code, errors) == (0, "")


def test_each_variant_gets_the_new_values_that_mean_something_to_it(begin: Begin, here: Any) -> None:
    directory = begin(VARIANTS)
    before = names(directory)
    assert here("sweep", "--resume", "sweep", "--lambda", "0.1,1")[0] == 0
    assert {*names(directory)} - {*before} == {"plain-lambda1-alpha0.5-seed0", "small-lambda1-alpha0.5-seed0"}
    small = load_config(directory / "small-lambda1-alpha0.5-seed0" / "config.yaml")
    assert small.model.channels == (4, 8, 8)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--lambda", "-1"), "expected a number ≥ 0"),
        (("--grid", "model.feature_dims=8"), "did you mean 'feature_dim'"),
        (("--grid", "model.channels=[2,4,4]"), "variants.small.model.channels: the sweep also varies it"),
        (("--seed", "0,0"), "is there twice"),
    ],
)
def test_values_that_no_sweep_could_have_are_refused_with_their_flag(
    flags: tuple[str, str], words: str, begin: Begin, here: Any
) -> None:
    directory = begin(VARIANTS)
    before = (directory / "summary.json").read_bytes()
    code, _, errors = here("sweep", "--resume", "sweep", *flags)
    assert code == 2
    assert words in errors
    assert (directory / "summary.json").read_bytes() == before


def test_a_directory_in_the_way_of_a_new_point_is_named(begin: Begin, here: Any) -> None:
    directory = begin(CONFIG)
    (directory / "lambda0-alpha0.5-seed1").mkdir()
    code, _, errors = here("sweep", "--resume", "sweep", "--seed", "1")
    assert code == 1
    assert "sweep/lambda0-alpha0.5-seed1 is in the way of a new point" in errors


# ---- Data that was moved --------------------------------------------------------------------------------------------


def test_a_sweep_goes_on_where_its_data_is_now(
    begin: Begin, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = begin(CONFIG)
    (directory / "lambda1-alpha0.5-seed0").rename(directory.parent / "lost")  # one to train
    looked_at: list[Any] = []
    monkeypatch.setattr("centerloss_core.datasets.load_dataset", lambda data: looked_at.append(data.dir))
    code, _, errors = here("sweep", "--resume", "sweep", "--set", "data.dir=/mnt/new")
    assert (code, errors, looked_at) == (0, "", ["/mnt/new"])
    for _ in range(2):
        configs = [load_config(path) for path in sorted(directory.glob("points/*.yaml"))]
        assert [config.data.dir for config in configs] == ["/mnt/new"] * 2
        assert load_config(directory / "lambda1-alpha0.5-seed0" / "config.yaml").data.dir == "/mnt/new"
        assert (
            load_config(directory / "lambda0-alpha0.5-seed0" / "config.yaml").data.dir == "/mnt/old"
        )  # untouched
        assert here("sweep", "--resume", "sweep")[0] == 0  # the new place is its own now


def test_a_file_that_does_not_say_where_the_data_is_changes_nothing(
    begin: Begin, here: Any, tmp_path: Path
) -> None:
    directory = begin(CONFIG)
    (tmp_path / "file.yaml").write_text(CONFIG.replace(", dir: /mnt/old", ""))
    assert here("sweep", "--resume", "sweep", "--config", "file.yaml")[0] == 0
    assert {load_config(path).data.dir for path in directory.glob("points/*.yaml")} == {"/mnt/old"}


def test_data_that_is_gone_is_an_error_with_the_way_out(
    begin: Begin, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = begin(CONFIG)
    monkeypatch.setattr("centerloss_core.datasets.load_dataset", load_dataset)
    code, _, errors = here("sweep", "--resume", directory.name)
    assert code == 1
    assert "/mnt/old: no such folder" in errors
    assert errors.splitlines()[-1] == ("if the data was moved: cl sweep --resume sweep --set data.dir=FOLDER")


def test_the_process_of_a_point_gets_its_config_also_when_it_resumes(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = begin(CONFIG)
    task = Task("lambda0-alpha0.5-seed0", directory, 1)
    started: list[list[str]] = []
    monkeypatch.setattr(child.subprocess, "Popen", lambda command, **_: started.append(command))
    child.start(task)
    assert ["--config", str(task.config), "--resume", str(task.path)] == started[0][-5:-1]
