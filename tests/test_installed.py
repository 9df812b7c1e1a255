"""The program as a wheel installs it: its packages have names of its own, and it works beside anybody's `cli`."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
# What the script that pip writes does.
CL = (
    "from importlib.metadata import entry_points; "
    "[command] = entry_points(group='console_scripts', name='cl'); command.load()()"
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel brings, and a package `cli` of somebody else."""
    pytest.importorskip("setuptools", minversion="77")
    home = tmp_path_factory.mktemp("installed")
    checkout, target = home / "checkout", home / "site-packages"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("centerloss_core", "cli", "configs"):
        shutil.copytree(ROOT / name, checkout / name, ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    subprocess.run([sys.executable, "-c", BUILD, str(home)], cwd=checkout, check=True, capture_output=True)
    [wheel] = home.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    (target / "cli").mkdir()  # fails if the wheel brought one
    (target / "cli" / "__init__.py").write_text("WHOSE = 'another'\n")
    return target


def run(installed: Path, *arguments: str, program: str = CL) -> subprocess.CompletedProcess[str]:
    work = installed.parent / "work"
    work.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_brings_three_packages_and_works_beside_another_cli(installed: Path) -> None:
    packages = {path.name for path in installed.iterdir() if path.suffix != ".dist-info"}
    assert packages == {"centerloss_core", "centerloss_cli", "centerloss_configs", "cli"}
    for folder in ("centerloss_core", "cli", "configs"):
        there = installed / (folder if folder == "centerloss_core" else f"centerloss_{folder}")
        names = {
            path.relative_to(ROOT / folder)
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert names == {path.relative_to(there) for path in there.rglob("*") if path.is_file()}
    done = run(installed, "--version")
    assert done.stdout.startswith("cl "), done.stderr
    assert "quickstart" in run(installed, "configs").stdout
    whose = (
        "import cli, centerloss_cli.app; from centerloss_core.installation import COMMAND, HOME; "
        "print(cli.WHOSE, COMMAND, HOME)"
    )
    assert run(installed, program=whose).stdout.split() == ["another", "centerloss_cli", str(installed)]


@pytest.mark.slow
def test_a_sweep_that_is_installed_starts_its_points(installed: Path) -> None:
    config = installed.parent / "tiny.yaml"
    config.write_text(
        "data: {name: digits8}\nmodel: {channels: [4, 8, 8]}\ntrain: {iterations: 2, batch_size: 20}\n"
    )
    done = run(installed, "sweep", "--config", str(config), "--lambda", "0.1", "--run-dir", "sweep")
    assert done.returncode == 0, done.stderr
    assert (installed.parent / "work" / "sweep" / "lambda0.1-alpha0.5-seed0" / "run.json").is_file()
