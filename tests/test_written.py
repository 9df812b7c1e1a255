"""Figures and settings as a reader meets them: on the terminal, in titles, on the page."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from made_runs import make_run
from test_measures import make_run as make_measured_run
from typer.testing import CliRunner

from centerloss_core.formatting import exact, number
from centerloss_core.plotting.titles import run_title
from centerloss_core.report import write_report
from centerloss_core.run_directory.reader import read_run
from cli.app import app


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (20261124, "20261124"),
        (2**63 - 1, "9223372036854775807"),
        (20261124.0, "20261124"),
        (0.0, "0"),
        (1.0, "1"),
        (0.01, "0.01"),
        (1e-5, "1e-05"),
        (0.1234567, "0.1234567"),
        (123456.5, "123456.5"),
        (None, "–"),
        ("x", "–"),
        (float("nan"), "–"),
    ],
)
def test_a_setting_is_written_whole(value: Any, words: str) -> None:
    assert exact(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.6, "0.600"),
        (0.599, "0.599"),
        (18.0, "18.0"),
        (17.2, "17.2"),
        (179, "179"),
        (1234, "1.23e+03"),
        (0, "0"),
        (-2.5, "-2.50"),
        (None, "–"),
    ],
)
def test_figures_of_a_column_have_the_same_digits(value: Any, words: str) -> None:
    assert number(value) == words


def sweep_of_large_seeds(path: Path) -> Path:
    rows = []
    for weight in (0.1234567, 0.1234568):
        for seed in (20261124, 20261125):
            name = f"lambda{weight}-seed{seed}"
            make_run(path / name, weight, seed=seed)
            rows.append(
                {"directory": name, "lambda": weight, "alpha": 0.5, "seed": seed, "status": "completed"}
            )
    (path / "summary.json").write_text(json.dumps({"format": 2, "runs": rows}))
    return path


def test_seeds_and_weights_that_differ_are_never_written_alike(tmp_path: Path) -> None:
    sweep = sweep_of_large_seeds(tmp_path / "sweep")
    done = CliRunner().invoke(app, ["plot", str(sweep), "--figures", "panel"])
    assert done.exit_code == 0, done.output
    for words in ("0.1234567", "0.1234568", "20261124", "20261125"):
        assert words in done.output
    page = write_report(sweep).read_text(encoding="utf-8")
    assert "λ = 0.1234568 (λ_eq = 12.3457), seed 20261125" in page
    assert "2.02611e+07" not in page
    assert ">20261125</td>" in page
    run = next(each for each in sweep.iterdir() if each.name == "lambda0.1234568-seed20261124")
    assert run_title(read_run(run)).startswith("λ = 0.1234568 (λ_eq = 12.3457), α = 0.5, seed 20261124 ·")


def test_the_heading_of_an_evaluation_has_the_whole_seed(tmp_path: Path) -> None:
    run = make_measured_run(tmp_path / "run", seed=20261124)
    done = CliRunner().invoke(app, ["evaluate", str(run), "--split", "test"])
    assert re.search(r"run: λ = 0\.01, seed 20261124$", done.output, re.MULTILINE)
