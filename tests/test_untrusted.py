"""Untrusted directories: nothing outside them is written, and nothing in them is waited for or read without limit."""

import json
import os
import shlex
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_runs import make_run, make_sweep
from test_cli import environment

from centerloss_core.config import Point, dump_yaml, load_document, resolve_sweep
from centerloss_core.errors import ExpectedError
from centerloss_core.files import untrusted
from centerloss_core.files.untrusted import LinkError
from centerloss_core.metrics.directory import EvaluationError, evaluate_directory
from centerloss_core.plotting import plot_directory
from centerloss_core.report import write_report
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.history import last_row
from centerloss_core.run_directory.manifest import read_manifest, read_summary
from centerloss_core.run_directory.reader import read_run
from centerloss_core.run_directory.resume_check import begun_config
from centerloss_core.run_directory.writer import Run
from centerloss_core.sweeps import begun_points, resume_sweep
from centerloss_core.sweeps import sweep as sweep_module
from centerloss_core.sweeps.grid import write_points
from centerloss_core.sweeps.launchers import LauncherError, slurm_notes

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
    return resolve_sweep(load_document(tmp_path / "tiny.yaml")).points


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
    (state,) = resume_sweep(sweep)
    words = "is not an ordinary file: remove it, or put a copy in its place"
    assert state.reason == f"its process could not be started: {log}: {words}"
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
    (state,) = resume_sweep(sweep)
    assert "is not an ordinary file" in str(state.reason)
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
        json.dumps({"format": 2, "launcher": "ray", "ray_address": address, "runs": []})
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


# ---- Nothing is waited for, or read without end --------------------------------------------------------------


def put(path: Path, what: str) -> None:
    """Something in the place of a file."""
    path.unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "3 GiB":
        with path.open("wb") as file:
            file.truncate(3 << 30)
    elif what == "60 MB of lists":
        with path.open("wb") as file:
            file.write(b'{"a":[')
            for _ in range(100):
                file.write(b"[]," * 200_000)
            file.write(b"[]]}")
    elif what == "brackets":
        path.write_text('{"kind":"steps","step":1,"a":' + "[" * 30_000 + "\n")
    elif what == "a folder":
        path.mkdir()


WHATS = ["pipe", "device", "3 GiB", "60 MB of lists", "brackets", "a folder"]
MOST_MEMORY = 40 << 20  # 16 MiB of text, and its bytes


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Fail where Python holds much more at once than the largest file that is read."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_MEMORY


def complaint(read: Callable[[], object], path: Path) -> str:
    """The one line that a reader ends with; it names the file."""
    with pytest.raises(ExpectedError) as caught:
        read()
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: ")
    assert len(line) < 600
    return line


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.usefixtures("little_memory")
def test_a_damaged_manifest_is_an_error_in_one_line(what: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    path = run / "run.json"
    put(path, what)
    for read in (read_manifest, Run.open, read_run, begun_config):
        assert "cannot be read" in complaint(lambda read=read: read(run), path)


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.usefixtures("little_memory")
def test_a_damaged_summary_is_an_error_or_is_written_anew(what: str, tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep")
    put(sweep / "summary.json", what)
    complaint(lambda: read_summary(sweep), sweep / "summary.json")
    (sweep / "points").mkdir()
    (sweep / "points" / f"{NAME}.yaml").write_text(dump_yaml(points(tmp_path)[0].config))
    warnings: list[str] = []
    assert [point.name for point in begun_points(sweep, warnings.append)] == [NAME]
    assert warnings[0].startswith(f"{sweep}/summary.json: cannot be read")


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.usefixtures("little_memory")
def test_damaged_metrics_are_an_error_in_one_line(what: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    path = run / "metrics.jsonl"
    put(path, what)
    with pytest.raises(RunError, match=rf"^{path}(: cannot be read|:1: not a row of metrics) \(.*$"):
        read_run(run).history()
    assert last_row(run, kind="epoch") is None


def test_metrics_are_read_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "run")
    rows = (run / "metrics.jsonl").read_text()
    monkeypatch.setattr(untrusted, "ROWS_BYTES", len(rows))
    assert len(read_run(run).history().steps) == 6
    (run / "metrics.jsonl").write_text(rows + '{"kind":"steps","step":700')  # what is still being written
    assert len(read_run(run).history().steps) == 6
    (run / "metrics.jsonl").write_text(rows + '{"kind":"steps","step":700}\n')
    with pytest.raises(
        RunError,
        match=r"metrics\.jsonl: cannot be read \(is larger than 0 MiB, .*larger train.log_every .*\)$",
    ):
        read_run(run).history()


@pytest.mark.parametrize("what", [*WHATS[:3], "a folder"])
@pytest.mark.usefixtures("little_memory")
def test_a_config_that_is_none_of_ours_is_an_error_in_one_line(what: str, sweep: Path) -> None:
    run = sweep / NAME
    put(run / "config.yaml", what)
    complaint(lambda: begun_config(run), run / "config.yaml")
    point = sweep / "points" / f"{NAME}.yaml"
    put(point, what)
    complaint(lambda: resume_sweep(sweep), point)


def test_a_config_that_the_user_names_may_be_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text("data: {name: mnist5k}\ntrain: {iterations: 7}\n")
    done = subprocess.run(
        [
            "bash",
            "-c",
            'exec "$@" --config <(cat tiny.yaml)',
            "-",
            *(sys.executable, "-P", "-m", "cli", "train", "--dry-run"),
        ],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "iterations: 7" in done.stdout


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.usefixtures("little_memory")
def test_a_damaged_note_of_a_job_says_nothing(what: str, tmp_path: Path) -> None:
    for kind in ("order", "began", "ended"):
        put(tmp_path / f"{NAME}.1.{kind}", what)
    ticket = slurm_notes.Ticket(tmp_path, f"{NAME}.1")
    assert (ticket.order(), ticket.host(), ticket.ending()) == (None, None, (None, None))


@pytest.mark.usefixtures("little_memory")
def test_a_log_that_lacks_rows_is_cut_after_its_last_whole_one(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run", points(tmp_path)[0].config, {}) as run:
        path = run.path / "metrics.jsonl"
        path.write_bytes(b'{"kind": "steps"}\n')
        with path.open("r+b") as file:
            file.truncate(200 << 20)
        assert not run.forget_rows_after(1 << 40)
        assert path.read_bytes() == b'{"kind": "steps"}\n'


@pytest.mark.parametrize("name", ["a" * 5000, "é" * 200, "a\0b", "\ud800", "\x1b[2J"])
def test_a_directory_that_no_run_can_have_is_named_with_the_file_and_in_short(
    name: str, tmp_path: Path
) -> None:
    sweep = make_sweep(tmp_path / "sweep")
    path = sweep / "summary.json"
    summary = json.loads(path.read_text())
    summary["runs"][0]["directory"] = name
    path.write_text(json.dumps(summary))
    for read in (read_summary, plot_directory, evaluate_directory, write_report):
        line = complaint(lambda read=read: read(sweep), path)
        assert "which is not a plain name; put the file back as the sweep wrote it" in line
        assert line.isprintable()


def test_a_format_of_another_program_is_shown_in_short(sweep: Path) -> None:
    path = sweep / NAME / "run.json"
    manifest = json.loads(path.read_text())
    for found in ("x" * 3_000_000, ["x"] * 100_000, {"x": [[[[["x" * 3_000_000]]]]]}, "\x1b[2J"):
        path.write_text(json.dumps(manifest | {"format": found}))
        line = complaint(lambda: Run.open(sweep / NAME), path)
        assert line.isprintable()
        assert line.endswith("this version of centerloss knows 2: use the version that wrote it")
