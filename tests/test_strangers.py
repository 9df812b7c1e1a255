"""Directories from strangers: nothing outside them is written to, and nothing in them is waited for or swallowed."""

import json
import os
import shlex
from pathlib import Path

import pytest
from test_plotting import make_run, make_sweep

from centerloss_core.config import load_document
from centerloss_core.measures import evaluate_directory
from centerloss_core.measures.directory import EvaluationError
from centerloss_core.plotting import plot_directory
from centerloss_core.runs import Run
from centerloss_core.strangers import LinkError
from centerloss_core.sweeps import Point, plan, resume_sweep
from centerloss_core.sweeps import sweep as sweep_module
from centerloss_core.sweeps.grid import write_points
from centerloss_core.sweeps.launchers import LauncherError

NAME = "lambda0.1-alpha0.5-seed0"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A folder of the user's, with what must stay as it is."""
    folder = tmp_path / "precious"
    (folder / ".work.tmp").mkdir(parents=True)
    (folder / ".work.tmp" / "thesis.txt").write_text("mine")
    (folder / ".mine.tmp").write_text("mine")
    (folder / "bashrc").write_text("alias ll='ls -l'\n")
    return folder


def everything(folder: Path) -> dict[Path, str | None]:
    """All that lies in a folder, and what the files say."""
    return {path: path.read_text() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def points(tmp_path: Path) -> list[Point]:
    (tmp_path / "tiny.yaml").write_text(
        "data: {name: mnist5k}\ntrain: {iterations: 1}\nsweep: {lambda: [0.1]}"
    )
    return plan(load_document(tmp_path / "tiny.yaml"))


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A sweep of one point, which was stopped before its first step."""
    directory = tmp_path / "sweep"
    directory.mkdir()
    write_points(directory, points(tmp_path))
    with Run.create(directory / NAME, points(tmp_path)[0].config, {}) as run:
        run.finish("interrupted")
    return directory


# ---- Nothing is written elsewhere ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_the_log_of_a_point_is_never_appended_to_another_file(kind: str, sweep: Path, precious: Path) -> None:
    before = everything(precious)
    log = sweep / "logs" / f"{NAME}.log"
    log.parent.mkdir()
    if kind == "link":
        log.symlink_to(precious / "bashrc")
    else:
        os.mkfifo(log)
    with pytest.raises(
        OSError, match="is not an ordinary file: remove it, or put a copy in its place"
    ) as caught:
        resume_sweep(sweep)
    assert caught.value.filename == str(log)
    assert everything(precious) == before


def test_an_order_to_a_job_is_never_written_over_another_file(sweep: Path, precious: Path) -> None:
    before = everything(precious)
    notes = sweep / "slurm" / "notes"
    notes.mkdir(parents=True)
    (notes / f"{NAME}.1.order").symlink_to(precious / "bashrc")
    (notes / f"{NAME}.2.order").touch()
    (sweep / "logs").mkdir()
    (sweep / "logs" / f"{NAME}.log").symlink_to(
        "nowhere"
    )  # the orders come first, and are all that is wanted here
    with pytest.raises(OSError, match="ordinary"):
        resume_sweep(sweep)
    assert everything(precious) == before
    assert (notes / f"{NAME}.2.order").read_text() == "TERM\n"


LINKED = r"is a link, and nothing is written through one: remove it, or put a copy of the folder"


@pytest.mark.parametrize("name", ["checkpoints", "features", "plots", "tensorboard"])
def test_no_folder_of_a_run_leads_out_of_it(name: str, sweep: Path, precious: Path) -> None:
    before = everything(precious)
    folder = sweep / NAME / name
    if folder.exists():
        folder.rmdir()
    folder.symlink_to(precious)
    for go_on in (lambda: Run.open(sweep / NAME), lambda: resume_sweep(sweep)):
        with pytest.raises(LinkError, match=LINKED) as caught:
            go_on()
        assert str(caught.value).startswith(f"{folder} is a link")
    assert everything(precious) == before
    assert not (sweep / NAME / "lock").exists()
    folder.unlink()
    folder.write_text("")
    with pytest.raises(LinkError, match=f"{name} is in the way of a folder of that name"):
        Run.open(sweep / NAME)


@pytest.mark.parametrize("name", ["points", "logs", "slurm", "slurm/notes", NAME])
def test_no_folder_of_a_sweep_leads_out_of_it(name: str, sweep: Path, tmp_path: Path, precious: Path) -> None:
    folder = sweep / name
    folder.parent.mkdir(exist_ok=True)
    if folder.exists():
        folder.rename(precious / "moved")
    else:
        (precious / "moved").mkdir()
    (precious / "moved" / f"{NAME}.1.order").touch()
    before = everything(precious)
    folder.symlink_to(precious / "moved")
    with pytest.raises(LinkError, match=LINKED) as caught:
        resume_sweep(sweep)
    assert str(caught.value).startswith(f"{folder} is a link")
    assert everything(precious) == before
    assert not (sweep / "summary.json").exists()


def test_the_directory_that_is_named_may_be_a_link(sweep: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(sweep / NAME)
    Run.open(tmp_path / "link").close()


def test_figures_go_through_no_link(tmp_path: Path, precious: Path) -> None:
    before = everything(precious)
    run = make_run(tmp_path / "run")
    (run / "plots").symlink_to(precious)
    with pytest.raises(LinkError, match=LINKED):
        plot_directory(run, figures=["distances"])
    assert plot_directory(run, figures=["distances"], out=tmp_path / "here.png") == [tmp_path / "here.png"]

    sweep = make_sweep(tmp_path / "sweep")
    (sweep / NAME).rename(tmp_path / "moved")
    (sweep / NAME).symlink_to(tmp_path / "moved")
    with pytest.raises(LinkError, match=LINKED):
        plot_directory(sweep, figures=["distances"])
    assert not [path for path in tmp_path.rglob("*.png") if path.parent != tmp_path]
    assert everything(precious) == before


def test_evaluations_go_through_no_link(tmp_path: Path, precious: Path) -> None:
    before = everything(precious)
    run = make_run(tmp_path / "run")
    (run / "checkpoints").symlink_to(precious)
    with pytest.raises(LinkError, match=LINKED):
        evaluate_directory(run)

    sweep = make_sweep(tmp_path / "sweep", dict.fromkeys((0.0, 0.01, 1.0), "missing"))
    (sweep / NAME).rename(tmp_path / "moved")
    moved = sorted((tmp_path / "moved").iterdir())
    (sweep / NAME).symlink_to(tmp_path / "moved")
    with pytest.raises(EvaluationError, match=rf"no point could be evaluated:\n.*{LINKED}"):
        evaluate_directory(sweep)
    assert sorted((tmp_path / "moved").iterdir()) == moved
    assert everything(precious) == before


@pytest.mark.parametrize("address", ["10.0.0.1:6379", "ray://x:10001", "x; rm -rf ~", "\x1b[2J", "x" * 5000])
def test_a_cluster_that_the_directory_names_is_shown_and_not_joined(
    address: str, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "open_launcher", lambda *_: pytest.fail("it was joined"))
    (sweep / "summary.json").write_text(
        json.dumps({"format": 1, "launcher": "ray", "ray_address": address, "runs": []})
    )
    with pytest.raises(LauncherError) as caught:
        resume_sweep(sweep)
    words = str(caught.value)
    assert words.startswith(f"{sweep} was begun on the Ray cluster at ")
    assert words.endswith("or here with --launcher local")
    assert words.isprintable()
    assert len(words) < 800
    command = words.partition("with ")[2].rpartition(", or")[0]
    shown = shlex.split(command)  # whoever pastes it gives an address, and nothing else
    assert shown[0] == "--ray-address"
    assert len(shown) == 2
    assert shown[1] == address or not address.isprintable() or len(address) > 200
