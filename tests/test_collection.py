"""A folder of runs, or several runs, are shown as a sweep is: told apart by what varies."""

import json
from pathlib import Path
from typing import Any

import pytest
from made_runs import grid_of, make_run, make_sweep

from centerloss_core.metrics.directory import evaluate_directory
from centerloss_core.plotting.drawing import read_cells
from centerloss_core.plotting.grid import arrange
from centerloss_core.run_directory.collection import row_of
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.reader import SweepRecord, read_directory


def config(rate: float = 0.001, **train: Any) -> dict[str, Any]:
    loss = {"lambda": 0.01, "alpha": 0.5}
    return {"data": {"name": "mnist"}, "loss": loss, "train": {"seed": 0, "learning_rate": rate, **train}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three runs made by hand, that differ in the rate and in how often they log."""
    for number, rate in enumerate((0.1, 0.01, 0.001)):
        metrics = {"test": {"accuracy": 0.9}, "seconds": 1.0, "images_per_second": 1.0}
        make_run(
            tmp_path / "runs" / f"run{number}",
            config=config(rate, log_every=number + 1),
            metrics=metrics,
            data={"title": "MNIST", "test": 1000},
        )
    return tmp_path / "runs"


def collection(*paths: Path) -> SweepRecord:
    record = read_directory(list(paths))
    assert isinstance(record, SweepRecord)
    assert record.is_collection
    return record


def titles(record: SweepRecord) -> list[str]:
    grid = arrange(read_cells(record, "test")[0], record.axes)
    return [grid.cell_title(cell) for _, _, cell in grid.places]


def test_a_folder_of_runs_is_told_apart_by_what_varies_and_changes_results(folder: Path) -> None:
    record = collection(folder)
    assert record.axes == ("loss.lambda", "loss.alpha", "train.learning_rate", "train.seed")
    assert titles(record) == [f"learning_rate = {rate}" for rate in ("0.001", "0.01", "0.1")]
    assert [row_of(run)["accuracy"] for run in record.runs] == [0.9] * 3


def test_a_folder_is_plotted_reported_and_evaluated_as_a_sweep_is(folder: Path, here: Any) -> None:
    code, output, errors = here("plot", folder, "--figures", "panel")
    assert (code, errors) == (0, "")
    assert output.splitlines()[-1] == f"figure: {folder / 'plots' / 'panel-test.png'}"
    assert "learning_rate" in output
    assert "90.00 ± 0.95 %" in output  # of 1,000 images
    code, output, errors = here("report", folder)
    assert (code, errors) == (0, "")
    assert "3 of 3 runs completed" in (folder / "report.html").read_text()
    code, output, _ = here("evaluate", folder, "--split", "test")
    assert code == 0
    assert "Side by side:" in output
    rows = json.loads((folder / "evaluation.json").read_text())["runs"]
    assert [(row["directory"], row["train.learning_rate"]) for row in rows] == [
        ("run0", 0.1),
        ("run1", 0.01),
        ("run2", 0.001),
    ]


def test_a_run_that_is_named_twice_is_taken_once(folder: Path, here: Any) -> None:
    run = folder / "run0"
    assert not isinstance(read_directory([run, folder / ".." / "runs" / "run0"]), SweepRecord)
    assert [each.name for each in collection(run, folder / "run1", run).runs] == ["run0", "run1"]
    assert here("plot", run, run, "--figures", "scatter") == here("plot", run, "--figures", "scatter")


def test_several_runs_are_taken_together(folder: Path, here: Any) -> None:
    record = collection(folder / "run2", folder / "run0")
    assert (record.path.resolve(), [run.name for run in record.runs]) == (folder, ["run2", "run0"])
    code, _, _ = here("plot", folder / "run0", folder / "run1", "--figures", "panel")
    assert code == 0
    assert (folder / "plots" / "panel-test.png").is_file()


def test_runs_of_two_sweeps_have_names_of_their_own_and_leave_the_sweeps_as_they_are(tmp_path: Path) -> None:
    first, second = (make_sweep(tmp_path / name, weights=(0.0, 1.0)) for name in ("a", "b"))
    record = collection(first, second)
    assert record.path.resolve() == tmp_path
    assert len({run.name for run in record.runs}) == 4
    assert titles(record)[0].startswith("a/lambda0-alpha0.5-seed0, λ = 0")  # the settings are the same twice
    points = collection(first / "lambda0-alpha0.5-seed0", first / "lambda1-alpha0.5-seed0")
    assert points.path.resolve() == tmp_path  # not the sweep, whose panel shows all its points
    assert grid_of(first).shape == (1, 2)


def test_runs_of_few_combinations_leave_no_holes_in_the_panel(folder: Path) -> None:
    make_run(folder / "wide", 1.0, config=config(batch_size=10))
    record = collection(folder)
    grid = arrange(read_cells(record, "test")[0], record.axes)
    assert grid.shape == (2, 2)
    assert len(grid.places) == 4


def test_runs_that_differ_in_many_settings_are_told_by_their_names(tmp_path: Path) -> None:
    for name, value in (("plain", 1), ("other", 2)):
        settings = {f"setting{number}": value for number in range(5)}
        make_run(tmp_path / name, config=config(**settings))
    assert titles(collection(tmp_path)) == ["other", "plain"]


def test_a_damaged_run_of_a_folder_stops_none_of_the_others(folder: Path) -> None:
    (folder / "run0" / "run.json").write_text("{")
    report = evaluate_directory(folder, ["test"])
    assert [run.name for run in report.runs] == ["run1", "run2"]
    assert list(report.problems) == ["run0"]


def test_compare_takes_folders_too(folder: Path, here: Any) -> None:
    for run in folder.glob("run?"):
        content = json.loads((run / "run.json").read_text())["config"]
        content["train"] |= {"epochs": 1}
        (run / "config.yaml").write_text(json.dumps(content))  # JSON is YAML
    code, output, errors = here("compare", folder)
    assert (code, errors) == (0, "")
    assert output.splitlines()[0].split()[-3:] == ["run0", "run1", "run2"]
    assert "train.learning_rate" in output


def test_a_folder_without_runs_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"neither a run \(no run\.json\) nor a sweep"):
        read_directory(tmp_path)
    with pytest.raises(RunError, match="no such directory"):
        read_directory([tmp_path / "a", tmp_path / "b"])
