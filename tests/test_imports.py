"""What is not loaded until it is needed: commands that only read answer at once, and wait for no framework.

One process takes the steps one after the other, each of which may load more than the one before.
"""

import json
import subprocess
import sys

import pytest
from made_runs import make_run
from test_cli import environment

FRAMEWORKS = ["tensorflow", "keras", "jax"]
# What is done, and what is not loaded after that; `run` is a run that another process has trained.
STEPS: dict[str, tuple[str, list[str]]] = {
    "the package, and the reader of a run": (
        "import centerloss_core; centerloss_core.read_run(run)",
        ["numpy", "pydantic", "matplotlib"],
    ),
    "the axes of a sweep": ("import centerloss_core.config.axes", ["numpy", "pydantic", "yaml"]),
    "a list of runs": (
        "cl('runs', '.')",
        ["numpy", "matplotlib", "yaml", "rich.table", "centerloss_core.config.schema"],
    ),
    "the writer of a run": (
        "import centerloss_core.run_directory.writer",
        ["numpy", "tensorboard", "PIL", "matplotlib"],
    ),
    "the configs": (
        "import centerloss_core; centerloss_core.load_config",
        ["numpy", "matplotlib", "sklearn", "mlxtend"],
    ),
    "the figures, before one is drawn": (
        "from centerloss_core.plotting import plot_directory",
        ["matplotlib"],
    ),
    "the report, before it is written": (
        "from centerloss_core.report import write_report",
        ["bokeh", "matplotlib"],
    ),
    "the metrics, before any is computed": (
        "import centerloss_core.metrics.directory, cli.evaluate",
        ["sklearn", "scipy"],
    ),
    "a figure": ("cl('plot', run, '--figures', 'distances')", ["sklearn", "matplotlib.pyplot"]),
    "a report": ("cl('report', run)", ["sklearn", "tornado"]),
    "the metrics": ("cl('evaluate', run)", []),
}
PROGRAM = """
import json, sys
run = sys.argv[1]

def cl(*arguments):
    from cli.app import main
    sys.argv = ["cl", *arguments]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, arguments

for name, (step, names) in json.loads(sys.argv[2]).items():
    exec(step)
    print("LOADED", json.dumps([name, [each for each in names if each in sys.modules]]))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Of each step, what it loaded and should not have."""
    home = tmp_path_factory.mktemp("imports")
    make_run(home / "run")
    asked = {name: (step, [*FRAMEWORKS, *names]) for name, (step, names) in STEPS.items()}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "run", json.dumps(asked)],
        cwd=home,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return dict(json.loads(line.removeprefix("LOADED ")) for line in lines if line.startswith("LOADED "))


@pytest.mark.parametrize("step", STEPS)
def test_it_loads_none_of_them(step: str, loaded: dict[str, list[str]]) -> None:
    assert loaded[step] == []
