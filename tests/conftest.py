"""Runs that several files of tests look at; trained once."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fast
import pytest

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as a run does, before a test imports TensorFlow

# Each file goes to one of three processes: the longest first, so that none is left alone with one at the end.
_LONGEST = (
    "ray_cluster",
    "resume",
    "ray_launcher",
    "sweep_resume",
    "jax_backend",
    "kills",
    "slurm_jobs",
    "tensorboard",
    "training",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help=fast.__doc__)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    ignored = config.option.fast and collection_path.suffix == ".py" and fast.is_heavy_file(collection_path)
    return True if ignored else None


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    names = [f"test_{name}.py" for name in _LONGEST]
    items.sort(key=lambda item: names.index(item.path.name) if item.path.name in names else len(names))
    if config.option.fast:
        kept = [item for item in items if fast.is_fast(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


@pytest.fixture(scope="session")
def straight_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `comparing.config` that is never stopped; to be copied, not changed."""
    from comparing import config  # imports Keras, which most tests do without

    from centerloss_core.training import train

    path = tmp_path_factory.mktemp("straight") / "run"
    train(config(), path)
    return path


@pytest.fixture(scope="session")
def straight(straight_run: Path) -> dict[str, Any]:
    """What that run ends with."""
    from comparing import outcome

    return outcome(straight_run)


@pytest.fixture(scope="session")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, stopped after step 13, with a checkpoint at step 10 before that; to be copied, not changed."""
    from comparing import stopped_run

    path = tmp_path_factory.mktemp("stopped") / "run"
    stopped_run(path, 13)
    return path


@pytest.fixture(scope="session")
def open_set_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that knows six digits of ten; stopped on its way, and resumed."""
    from comparing import stopped_run

    from centerloss_core.training import resume

    path = tmp_path_factory.mktemp("open_set") / "run"
    stopped_run(path, 7, "data.known=[2, 4, 5, 9, 8, 3]")
    resume(path)
    return path


@pytest.fixture(scope="module")
def kept_programs() -> Iterator[None]:
    """Let runs of one file share a compiled step where it would be the same: compiling takes longest in a small run."""
    from centerloss_core.training import reuse

    with reuse.programs_are_kept():
        yield


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run `cl` in this process and in `tmp_path`: returns its exit code, and what it printed to either stream."""
    from cli.app import main

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["cl", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return run


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their number: processes that share the tests must name each alike, and packed data has a date."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
