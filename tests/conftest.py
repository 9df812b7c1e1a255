"""Runs that several files of tests look at; trained once."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fast
import pytest

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as a run does, before a test imports TensorFlow

# Each file goes to one of three processes: the longest first and those without a framework last, so that none is left
# alone with one at the end.
_LONGEST = (
    "jax_backend",
    "network_runs",
    "export",
    "using_a_model",
    "resume",
    "center_loss_in_models",
    "report",
    "plotting",
    "training",
    "isolation",
    "sweep_resume",
    "ray_launcher",
    "diagnosis",
    "kills",
    "api",
    "extend",
    "interrupts",
    "sweeps",
    "slurm_jobs",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help=fast.__doc__)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    ignored = config.option.fast and collection_path.suffix == ".py" and fast.is_heavy_file(collection_path)
    return True if ignored else None


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    names = [f"test_{name}.py" for name in _LONGEST]
    places = {path: _place(path, names) for path in {item.path for item in items}}
    items.sort(key=lambda item: places[item.path])
    if config.option.fast:
        kept = [item for item in items if fast.is_fast(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def _place(path: Path, names: list[str]) -> int:
    if path.name in names:
        return names.index(path.name)
    return len(names) + (not fast.is_heavy_file(path))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Have a run made by the first of the processes that ask for it; the others wait, and get the same."""
    import fcntl

    own = tmp_path_factory.getbasetemp()
    home = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name: str, make: Callable[[Path], object]) -> Path:
        path = home / name / "run"
        path.parent.mkdir(exist_ok=True)
        with (home / name / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.fstat(lock.fileno()).st_size:  # nobody has made it
                make(path)
                lock.write("made")
        return path

    return made


@pytest.fixture(scope="session")
def straight_run(made_once: Callable[..., Path]) -> Path:
    """A run of `comparing.config` that is never stopped; to be copied, not changed."""
    from comparing import config  # imports Keras, which most tests do without

    from centerloss_core.training import train

    return made_once("straight", lambda path: train(config(), path))


@pytest.fixture(scope="session")
def straight(straight_run: Path) -> dict[str, Any]:
    """What that run ends with."""
    from comparing import outcome

    return outcome(straight_run)


@pytest.fixture(scope="session")
def stopped(made_once: Callable[..., Path]) -> Path:
    """The same, stopped after step 13, with a checkpoint at step 10 before that; to be copied, not changed."""
    from comparing import stopped_run

    return made_once("stopped", lambda path: stopped_run(path, 13))


@pytest.fixture(scope="session")
def open_set_run(made_once: Callable[..., Path]) -> Path:
    """A run that knows six digits of ten; stopped on its way, and resumed; to be copied, not changed."""
    from comparing import stopped_run

    from centerloss_core.training import resume

    def make(path: Path) -> None:
        stopped_run(path, 7, "data.known=[2, 4, 5, 9, 8, 3]")
        resume(path)

    return made_once("open_set", make)


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
    return _commands(tmp_path, monkeypatch, capsys)


@pytest.fixture
def here_in_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The same with what is printed while a run trains, when Python's own streams are out of the way."""
    return _commands(tmp_path, monkeypatch, capfd)


def _commands(
    home: Path, monkeypatch: pytest.MonkeyPatch, streams: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    from cli.app import main

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.chdir(home)
        monkeypatch.setattr(sys, "argv", ["cl", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *streams.readouterr()

    return run


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their number: processes that share the tests must name each alike, and packed data has a date."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
