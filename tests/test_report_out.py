"""`cl report --out` writes HTML files and replaces nothing else."""

from pathlib import Path
from typing import Any

import pytest
from made_runs import make_run, make_sweep
from typer.testing import CliRunner

from centerloss_core.report import ReportError
from cli.app import app


def report(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def contents(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name",
    ["features/test-final.npz", "run.json", "report", ".html", "a.html.gz"],
)
def test_a_file_of_the_run_is_not_replaced(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "run")
    before = contents(tmp_path)
    result = report(run, "--out", run / name)
    assert isinstance(result.exception, ReportError)
    assert result.exception.exit_code == 1  # as for `cl plot --out`
    assert str(result.exception) == f"{run / name}: the name must end in one of .html, .htm"
    assert contents(tmp_path) == before


def test_the_name_is_refused_before_anything_else_is_done(tmp_path: Path) -> None:
    result = report(tmp_path / "nowhere", "--out", tmp_path / "run.json")
    assert "the name must end in" in str(result.exception)


@pytest.mark.parametrize("name", ["other.html", "OTHER.HTM"])
def test_html_is_written(tmp_path: Path, name: str) -> None:
    result = report(make_run(tmp_path / "run"), "--out", tmp_path / name)
    assert result.exit_code == 0, result.output
    written, note = result.stdout.splitlines()
    assert written.startswith(f"report: {tmp_path / name} (")
    assert note == "note: The images are not shown, because no run has a config that says where they are."
    assert (tmp_path / name).read_text().startswith("<!DOCTYPE html>")


def test_a_directory_is_told_from_a_wrong_name(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep")
    result = report(sweep, "--out", sweep)
    assert str(result.exception) == f"{sweep} is a directory; name a file: --out {sweep / 'report.html'}"
