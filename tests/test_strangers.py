"""Directories from strangers: nothing outside them is written to, and nothing in them is waited for or swallowed."""

import os
from pathlib import Path

import pytest

from centerloss_core.config import load_document
from centerloss_core.runs import Run
from centerloss_core.sweeps import Point, plan, resume_sweep
from centerloss_core.sweeps.grid import write_points

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
