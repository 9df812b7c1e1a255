"""A run that was stopped and resumed ends, to the byte, as one that was never stopped."""

import errno
import json
import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import LAST_STEP, STEPS_PER_EPOCH, config, outcome, stop_at, stopped_run

from centerloss_core.config import Train
from centerloss_core.errors import ExpectedError
from centerloss_core.interrupts import InterruptedRunError
from centerloss_core.run_directory import checkpoints as checkpoint_files
from centerloss_core.run_directory.checkpoints import CheckpointError
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.lock import DirectoryLock, InUseError, ReplacedError
from centerloss_core.run_directory.names import checkpoint_path
from centerloss_core.run_directory.resume_check import ChangedError
from centerloss_core.run_directory.writer import Run
from centerloss_core.training import fit as fitting
from centerloss_core.training import run as training
from centerloss_core.training import saving
from centerloss_core.training.run import resume, train
from centerloss_core.training.step import TrainStep

pytestmark = pytest.mark.usefixtures("kept_programs")
WITHIN_EPOCHS = random.Random(0).sample(sorted(set(range(1, LAST_STEP)) - {STEPS_PER_EPOCH}), 2)


@pytest.mark.parametrize("step", [STEPS_PER_EPOCH, LAST_STEP, *WITHIN_EPOCHS])
def test_stopped_after_any_step_and_resumed_it_ends_the_same(
    step: int, straight: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "run"
    stopped_run(path, step)
    manifest = json.loads((path / "run.json").read_text())
    assert (manifest["status"], manifest["finished"] is None) == ("interrupted", False)
    resume(path)
    assert outcome(path) == straight
    manifest = json.loads((path / "run.json").read_text())
    assert [each["step"] for each in manifest["resumed"]] == [step]
    assert not (path / "lock").exists()


def test_however_long_an_interval_is_a_checkpoint_says_it_in_a_few_bytes(
    straight: dict[str, Any], tmp_path: Path
) -> None:
    """Ten thousand steps without a row must not make a position that is too long to be read."""
    path = tmp_path / "run"
    stopped_run(path, 13, "train.log_every=1000")
    position = path / "checkpoints" / "step-00000013" / "position.json"
    assert json.loads(position.read_text())["interval_steps"] == 13
    assert position.stat().st_size < 1000
    resume(path)
    ended = outcome(path)
    assert ended["state.npz"] == straight["state.npz"]
    # One row for all twenty steps: the mean of the five that a run with a row for every four has.
    (row,) = (row for row in ended["rows"] if row["kind"] == "steps")
    rows = [row for row in straight["rows"] if row["kind"] == "steps"]
    for figure in ("softmax_loss", "center_loss", "accuracy", "center_shift"):
        assert row[figure] == pytest.approx(np.mean([each[figure] for each in rows]), rel=1e-12)


def test_stopped_twice_it_ends_the_same(stopped: Path, straight: dict[str, Any], tmp_path: Path) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        stop_at(2, patch)
        with pytest.raises(InterruptedRunError, match="stopped after step 15 of 20"):
            resume(path)
    resume(path)
    assert outcome(path) == straight


def test_rows_and_dumps_after_the_checkpoint_are_of_steps_taken_again(
    stopped: Path, straight: dict[str, Any], tmp_path: Path
) -> None:
    """As after a kill: the log is ahead of the checkpoint, and its last row is torn."""
    path = shutil.copytree(stopped, tmp_path / "run")
    with (path / "metrics.jsonl").open("a") as log:
        log.write('{"kind": "steps", "step": 16, "accuracy": 0.5}\n{"kind": "st')
    (path / "checkpoints" / ".step-00000016.0123abcd.tmp").mkdir()
    resume(path)
    assert outcome(path) == straight
    assert not list((path / "checkpoints").glob(".*"))


def test_a_run_without_a_checkpoint_begins_anew(straight: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run"
    stopped_run(path, 5)
    shutil.rmtree(path / "checkpoints" / "step-00000005")
    resume(path)
    assert outcome(path) == straight


def test_a_damaged_checkpoint_is_put_aside_with_a_warning_and_the_one_before_is_used(
    stopped: Path, straight: dict[str, Any], tmp_path: Path
) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    newest = path / "checkpoints" / "step-00000013" / "state.npz"
    newest.write_bytes(newest.read_bytes()[:-1])
    warnings: list[str] = []
    resume(path, warn=warnings.append)
    assert "step-00000013: damaged" in warnings[0]
    assert warnings[1] == "resuming from the checkpoint before, step-00000010"
    manifest = json.loads((path / "run.json").read_text())
    assert warnings[0] in manifest["warnings"]
    assert [each["step"] for each in manifest["resumed"]] == [10]
    assert outcome(path) == {**straight, "warnings": {*warnings[:2], *straight["warnings"]}}
    assert len(list((path / "checkpoints").glob("damaged-step-00000013-*"))) == 1


def test_a_changed_config_is_refused_with_the_difference(stopped: Path, tmp_path: Path) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    text = (path / "config.yaml").read_text()
    (path / "config.yaml").write_text(text.replace("learning_rate: 0.04", "learning_rate: 0.01"))
    with pytest.raises(ChangedError) as caught:
        resume(path)
    message = str(caught.value)
    assert "config.yaml was changed after the run was begun" in message
    assert "-  learning_rate: 0.04" in message
    assert "+  learning_rate: 0.01" in message
    assert "batch_size: 134" not in message  # a difference, not both files
    assert json.loads((path / "run.json").read_text())["status"] == "interrupted"


def test_a_config_whose_lines_end_otherwise_is_the_same_config(stopped: Path, tmp_path: Path) -> None:
    """As an editor on Windows leaves it."""
    path = shutil.copytree(stopped, tmp_path / "run")
    config = path / "config.yaml"
    config.write_bytes(config.read_bytes().replace(b"\n", b"\r\n"))
    resume(path)
    assert json.loads((path / "run.json").read_text())["status"] == "completed"


def test_a_number_beyond_all_numbers_is_an_error_and_no_traceback(stopped: Path, tmp_path: Path) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    manifest = path / "run.json"
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"note": 1e400,\n  "seed": 0', 1))
    with pytest.raises(RunError, match=r"run\.json: cannot be read \(a number is larger than any"):
        resume(path)


def test_other_data_is_refused(stopped: Path, tmp_path: Path) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    position = path / "checkpoints" / "step-00000013" / "position.json"
    content = json.loads(position.read_text())
    position.write_text(json.dumps({**content, "data": "sha256:another"}) + "\n")
    resign(path / "checkpoints" / "step-00000013")
    with pytest.raises(ChangedError, match="the data is not what the run was begun with"):
        resume(path)


@pytest.mark.parametrize("change", ["config", "data"])
def test_a_change_is_refused_also_where_no_checkpoint_could_tell(
    change: str, stopped: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(stopped, tmp_path / "run")
    shutil.rmtree(run / "checkpoints")
    if change == "config":
        text = (run / "config.yaml").read_text()
        (run / "config.yaml").write_text(text.replace("alpha: 0.5", "alpha: 0.25"))
        words = r"(?s)was changed after the run was begun.*-  alpha: 0.5.*\+  alpha: 0.25"
    else:
        text = (run / "run.json").read_text()
        (run / "run.json").write_text(text.replace('"fingerprint": "', '"fingerprint": "x'))
        words = "the data is not what the run was begun with"
    before = (run / "run.json").read_bytes()
    with pytest.raises(ChangedError, match=words):
        resume(run)
    assert (run / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["lock", "metrics.jsonl", "log.txt"])
def test_a_link_in_a_run_of_a_stranger_leads_nowhere(name: str, stopped: Path, tmp_path: Path) -> None:
    run = shutil.copytree(stopped, tmp_path / "run")
    (run / name).unlink(missing_ok=True)
    (tmp_path / "precious").write_text("mine")
    (run / name).symlink_to(tmp_path / "precious")
    with pytest.raises((OSError, RunError)):
        resume(run)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_run_of_another_format_is_refused(stopped: Path, tmp_path: Path) -> None:
    run = shutil.copytree(stopped, tmp_path / "run")
    text = (run / "run.json").read_text()
    (run / "run.json").write_text(text.replace('"format": 2', '"format": 99'))
    with pytest.raises(RunError, match="is of format 99, and this version of centerloss knows 2"):
        resume(run)
    assert "99" in (run / "run.json").read_text()


def resign(checkpoint: Path) -> None:
    """Make SHA256SUMS agree with whatever is there, as a stranger can."""
    from centerloss_core.run_directory import checkpoints as checkpoint_files

    (checkpoint / "SHA256SUMS").write_bytes(checkpoint_files._sums(checkpoint))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("position.json", b"[]", "is not the position of a run"),
        ("position.json", b"{" * 100_000, "is not the position of a run"),
        ("position.json", b'{"step": NaN}', "NaN is not JSON"),
        ("state.npz", b"hello", "not an .npz file"),
    ],
)
def test_a_checkpoint_of_another_program_is_refused(
    name: str, content: bytes, words: str, stopped: Path, tmp_path: Path
) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    checkpoint = path / "checkpoints" / "step-00000013"
    (checkpoint / name).write_bytes(content)
    resign(checkpoint)
    with pytest.raises(CheckpointError, match=words) as caught:
        resume(path)
    assert name in str(caught.value)


def test_a_completed_run_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "run"
    result = train(config("train.epochs=1", "train.batch_size=500"), path)
    before = {each: each.stat().st_mtime_ns for each in path.rglob("*") if each.is_file()}
    assert resume(path).metrics == result.metrics
    assert {each: each.stat().st_mtime_ns for each in path.rglob("*") if each.is_file()} == before


def test_what_makes_the_bits_differ_is_said(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    manifest = json.loads((path / "run.json").read_text())
    other = {"threads": 64, "onednn": not manifest["onednn"]}
    (path / "run.json").write_text(json.dumps({**manifest, **other}))
    warnings: list[str] = []
    resume(path, warn=warnings.append)
    assert warnings[0].startswith("resumed with threads ")
    assert "begun with 64" in warnings[0]
    assert warnings[1].startswith(f"resumed with onednn {manifest['onednn']}, begun with {other['onednn']}: ")
    assert json.loads((path / "run.json").read_text())["warnings"] == [*manifest["warnings"], *warnings]


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run directory"):
        resume(tmp_path)


def test_missing_rows_do_not_cost_the_weights(
    stopped: Path, straight: dict[str, Any], tmp_path: Path
) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    (path / "metrics.jsonl").unlink()
    warnings: list[str] = []
    resume(path, warn=warnings.append)
    assert warnings[0].startswith("metrics.jsonl lacks rows from before the checkpoint")
    ended = outcome(path)
    for name in ("test-final.npz", "state.npz", "metrics"):
        assert ended[name] == straight[name]


def test_without_a_whole_checkpoint_it_begins_anew_and_says_so(
    stopped: Path, straight: dict[str, Any], tmp_path: Path
) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    for state in path.glob("checkpoints/*/state.npz"):
        state.write_bytes(b"")
    warnings: list[str] = []
    resume(path, warn=warnings.append)
    assert warnings[2] == "no whole checkpoint is left: the run begins anew"
    assert outcome(path)["state.npz"] == straight["state.npz"]


def test_the_sums_are_those_of_sha256sum(stopped: Path) -> None:
    import hashlib

    checkpoint = stopped / "checkpoints" / "step-00000013"
    lines = dict(reversed(line.split("  ")) for line in (checkpoint / "SHA256SUMS").read_text().splitlines())
    assert set(lines) == {path.name for path in checkpoint.iterdir()} - {"SHA256SUMS"}
    for name, digest in lines.items():
        assert hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() == digest
    with np.load(checkpoint / "state.npz", allow_pickle=False) as arrays:
        assert "center_loss/centers" in arrays.files


def test_a_checkpoint_is_due_by_count_by_epoch_and_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(saving.time, "monotonic", lambda: now)

    def schedule(**settings: Any) -> Callable[..., bool]:
        return saving.CheckpointSchedule(Train(epochs=1, **settings)).is_due

    by_count = schedule(checkpoint_every=3, checkpoint_seconds=None)
    due = [by_count(step, epoch_ends=step == 5, run_ends=step == 7) for step in range(1, 8)]
    assert due == [False, False, True, False, False, True, True]
    by_epoch = schedule(checkpoint_seconds=None)
    assert [by_epoch(step, epoch_ends=step == 5, run_ends=False) for step in (4, 5, 6)] == [
        False,
        True,
        False,
    ]
    by_clock = schedule(checkpoint_every=1000, checkpoint_seconds=10.0)
    due = []
    for now in (105.0, 110.0, 115.0, 121.0):  # noqa: B007, read by the clock above
        due.append(by_clock(1, epoch_ends=False, run_ends=False))
    assert due == [False, True, False, True]


# ---- A directory that is not the run's any more ----------------------------------------------------------------


class Replacement:
    """Lets another run take the place of the one that goes on, at a moment of that one's life."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run: Run | None = None
        self.before: dict[Path, bytes] = {}

    def __call__(self) -> None:
        if self.run is not None:
            return
        self.path.rename(self.path.with_name("elsewhere"))
        self.run = Run.create(self.path, config(), {})
        for step in range(3):
            saved = checkpoint_path(self.run.path, step)
            saved.mkdir()
            (saved / "state.npz").write_bytes(b"another's")
        self.run.log_row({"kind": "steps", "step": 1})
        self.run.finish("completed", metrics={})
        self.before = self.files()

    def files(self) -> dict[Path, bytes]:
        return {each: each.read_bytes() for each in self.path.rglob("*") if each.is_file()}

    def at(self, module: Any, name: str, patch: pytest.MonkeyPatch, *, before: bool) -> None:
        """Come to pass just before a function is called, or just after."""
        real = getattr(module, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if before:
                self()
            result = real(*arguments, **options)
            self()
            return result

        patch.setattr(module, name, call)


@pytest.mark.skipif(os.name == "nt", reason="a folder with an open file stays where it is")
@pytest.mark.parametrize(
    ("module", "name", "then"),
    [
        (TrainStep, "take", None),  # the next row
        (TrainStep, "take", "SIGTERM"),
        (TrainStep, "take", "failure"),
        (checkpoint_files, "write_arrays", None),  # in the middle of a checkpoint
        (checkpoint_files, "write_checkpoint", "at its end"),  # what is outdated then is not the run's
        (fitting.Recorder, "on_end", None),
        (fitting.Diagnosis, "at_end", None),  # the final word
        (training, "say_what_differs", None),  # before the first step
    ],
)
def test_a_run_whose_directory_was_replaced_ends_and_leaves_the_other_as_it_is(
    module: Any, name: str, then: str | None, stopped: Path, tmp_path: Path
) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    replace = Replacement(path)
    with pytest.MonkeyPatch.context() as patch:
        replace.at(module, name, patch, before=then != "at its end")
        if then in ("SIGTERM", "failure"):
            replaced = TrainStep.take

            def step(self: Any, *arguments: Any) -> Any:
                figures = replaced(self, *arguments)
                if then == "failure":
                    raise OSError("the disk is gone")
                signal.raise_signal(signal.SIGTERM)
                return figures

            patch.setattr(TrainStep, "take", step)
        with pytest.raises(ReplacedError, match=r"run was replaced, .*: nothing more is") as caught:
            resume(path)
    assert not hasattr(caught.value, "__notes__")  # no advice to resume what is another's
    assert replace.run is not None
    assert replace.files() == replace.before
    with pytest.raises(InUseError):
        DirectoryLock(path)
    replace.run.close()


def test_a_checkpoint_that_somebody_else_put_there_is_not_taken_for_the_runs_own(
    stopped: Path, tmp_path: Path
) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    strange = path / "checkpoints" / "step-00000020"

    def put(*_: Any) -> None:
        strange.mkdir()
        (strange / "state.npz").write_bytes(b"another's")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "say_what_differs", put)
        with pytest.raises(FileExistsError, match=r"exists already.*step-00000020"):
            resume(path)
    assert (strange / "state.npz").read_bytes() == b"another's"
    assert json.loads((path / "run.json").read_text())["status"] == "failed"


@pytest.mark.parametrize(
    "hidden", ["checkpoints/step-00000013/state.npz", "checkpoints", "run.json", "config.yaml"]
)
def test_what_cannot_be_read_is_not_taken_for_damage_or_absence(
    hidden: str, stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A permission, a cable: once that is mended the run must go on from where it was."""
    path = shutil.copytree(stopped, tmp_path / "run")
    target = path / hidden
    refused = PermissionError(errno.EACCES, "Permission denied", str(target))
    # Not by their modes, which root does not heed.

    def refusing(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(name: Any, *arguments: Any, **options: Any) -> Any:
            if str(name) == str(target):
                raise refused
            return call(name, *arguments, **options)

        return called

    before = files(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refusing(os.open))
        patch.setattr(os, "listdir", refusing(os.listdir))
        with pytest.raises(
            ExpectedError,
            match=rf"{target.name}.*Permission denied.*make it readable",
        ):
            resume(path)
    after = files(path)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} <= {"log.txt"}


def files(path: Path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}


@pytest.mark.parametrize("name", ["state.npz", "position.json", "config.yaml", "SHA256SUMS"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
def test_whatever_is_damaged_the_checkpoint_before_is_taken(
    damage: str, name: str, stopped: Path, tmp_path: Path
) -> None:
    path = shutil.copytree(stopped, tmp_path / "run")
    newest, before = (path / "checkpoints" / f"step-{step:08d}" for step in (13, 10))
    content = bytearray((newest / name).read_bytes())
    content[len(content) // 2] ^= 1
    (newest / name).unlink()
    if damage != "missing":
        (newest / name).write_bytes(content if damage == "flipped" else content[: len(content) // 2])
    warnings: list[str] = []
    with Run.open(path) as run:
        saved = saving.find_saved_state(run, run.manifest["data"]["fingerprint"], warnings.append)
    assert saved is not None
    assert (saved.path, saved.position.step) == (before, 10)
    assert newest.name in warnings[0]
    assert warnings[1] == "resuming from the checkpoint before, step-00000010"
