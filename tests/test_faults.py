"""Every write, fsync and rename of a save fails, or is the last thing the process does; and the disk is full."""

import contextlib
import errno
import io
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import config, outcome
from test_cli import QUICKSTART, cl

from centerloss_core.config import load_config
from centerloss_core.errors import DivergedError, OutOfMemoryError
from centerloss_core.files.atomic import (
    atomic_directory,
    atomic_entries,
    atomic_write,
    new_file,
    remove_directory,
)
from centerloss_core.run_directory import writer as runs
from centerloss_core.run_directory.checkpoints import (
    DamagedCheckpointError,
    Position,
    read_position,
    read_state,
    verify_checkpoint,
    write_checkpoint,
)
from centerloss_core.run_directory.feature_dumps import (
    FeatureDump,
    FeatureFileError,
    read_features,
    write_features,
)
from centerloss_core.run_directory.manifest import read_manifest
from centerloss_core.run_directory.writer import Run
from centerloss_core.training.run import resume, train
from centerloss_core.training.step import TrainStep

pytestmark = pytest.mark.usefixtures("kept_programs")
CALLS = ("open", "mkdir", "fsync", "replace", "rename", "unlink", "rmdir")


class FaultyFile(io.BufferedWriter):
    """A file whose writes are counted; the one that is to fail writes half of its bytes first."""

    fault: Callable[[Callable[[], object]], None]

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        half = bytes(view[: len(view) // 2])

        def write_half() -> None:
            io.BufferedWriter.write(self, half)
            self.flush()

        FaultyFile.fault(write_half)
        return super().write(view)


def with_fault(patch: pytest.MonkeyPatch, number: int, act: Callable[[], None]) -> Callable[[], int]:
    """Let call number `number` of all that reach the disk do `act`; returns a function that counts them."""
    count = 0

    def fault(before: Callable[[], object] = lambda: None) -> None:
        nonlocal count
        count += 1
        if count == number:
            before()
            act()

    for name in CALLS:
        real = getattr(os, name)

        def call(*arguments: Any, real: Callable[..., Any] = real, **options: Any) -> Any:
            fault()
            return real(*arguments, **options)

        patch.setattr(os, name, call)

    real_open = Path.open

    def open_path(self: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode != "xb":
            return real_open(self, mode, *arguments, **options)
        fault()
        return FaultyFile(io.FileIO(self, "xb"))

    FaultyFile.fault = staticmethod(fault)
    patch.setattr(Path, "open", open_path)
    return lambda: count


ARRAYS = {
    "weights": np.arange(3000, dtype=np.float32).reshape(-1, 3),
    "steps": np.int64(7) * np.ones((), np.int64),
}
POSITION = Position(3, "sha256:0", 10, 1, {"softmax_loss": 0.1, "accuracy": 0.3}, 1.5, 1.0, 1, 0.0)


def save(folder: Path, step: int) -> None:
    """What a run does: write the new one, then remove the one before the one before."""
    write_checkpoint(folder / f"step-{step:08d}", ARRAYS, POSITION, "data: {}\n")
    for outdated in sorted(folder.glob("step-*"))[:-2]:
        remove_directory(outdated)


def dump(seed: int) -> FeatureDump:
    rng = np.random.default_rng(seed)
    labels = np.arange(50, dtype=np.uint8) % 10
    return FeatureDump(
        rng.normal(size=(50, 2)).astype(np.float32),
        labels,
        labels,
        rng.normal(size=(10, 2)).astype(np.float32),
    )


def fail() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def die() -> None:
    os._exit(9)


def in_a_child(work: Callable[[], None]) -> int:
    """Do it in a copy of this process, which may die without a word."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except OSError:
            os._exit(1)
        except BaseException:
            os._exit(2)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def faults_of(work: Callable[[], None], before: Callable[[], None], after: Callable[[int], None]) -> int:
    """Do `work` once for each call that reaches the disk and each kind of fault; return how many there were."""
    with pytest.MonkeyPatch.context() as patch:
        before()
        count = with_fault(patch, 0, die)
        work()
        calls = count()
    after(0)
    for act, code in ((fail, 1), (die, 9)):
        for number in range(1, calls + 1):
            before()

            def broken(number: int = number, act: Callable[[], None] = act) -> None:
                with pytest.MonkeyPatch.context() as patch:
                    with_fault(patch, number, act)
                    work()

            # A failure to clear away what is hidden anyway is no error.
            assert in_a_child(broken) in (code, 0)
            after(number)
    return calls


def test_a_save_that_breaks_off_anywhere_leaves_whole_checkpoints_only(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"

    def before() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        save(folder, 1)
        save(folder, 2)

    def after(_: int) -> None:
        names = sorted(path.name for path in folder.glob("step-*"))
        assert "step-00000002" in names
        for name in names:
            verify_checkpoint(folder / name)
            assert read_position(folder / name) == POSITION
            assert np.array_equal(read_state(folder / name, lambda _: None)["weights"], ARRAYS["weights"])
        if _ == 0:
            assert names == ["step-00000002", "step-00000003"]

    calls = faults_of(lambda: save(folder, 3), before, after)
    print(f"{2 * calls} faults")
    assert calls > 20


def test_a_new_run_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "run"
    begun = load_config(QUICKSTART)

    def before() -> None:
        shutil.rmtree(path, ignore_errors=True)

    def create() -> None:
        try:
            Run.create(path, begun, {}).close()
        except Exception as error:
            raise OSError(str(error)) from error  # RunError: cannot be made

    def after(_: int) -> None:
        if path.exists():
            assert read_manifest(path)["status"] == "running"
            assert load_config(path / "config.yaml") == begun
            Run.open(path).close()

    assert faults_of(create, before, after) > 10


@pytest.mark.parametrize("is_folder", [False, True])
def test_an_export_is_there_whole_and_with_its_description_or_not_at_all(
    is_folder: bool, tmp_path: Path
) -> None:
    model, beside = tmp_path / "export" / "model", tmp_path / "export" / "model.json"

    def before() -> None:
        shutil.rmtree(model.parent, ignore_errors=True)
        model.parent.mkdir()

    def export() -> None:
        with atomic_entries(beside, model) as folder:
            if is_folder:
                (folder / "model").mkdir()
            for name in ("model/weights" if is_folder else "model", "model.json"):
                with new_file(folder / name) as file:
                    file.write(b"whole")

    def after(_: int) -> None:
        if model.exists():
            assert (model / "weights" if is_folder else model).read_bytes() == b"whole"
            assert beside.exists()
        if beside.exists():
            assert beside.read_bytes() == b"whole"

    assert faults_of(export, before, after) > 10


@pytest.mark.parametrize("name", ["run.json", "test-final.npz"])
def test_a_file_that_is_replaced_is_the_old_one_or_the_new_one(name: str, tmp_path: Path) -> None:
    path = tmp_path / name

    def write(version: int) -> None:
        if path.suffix == ".npz":
            write_features(path, dump(version))
        else:
            with atomic_write(path) as file:
                file.write(json.dumps({"version": version}).encode())

    versions = set()
    for version in (1, 2):
        write(version)
        versions.add(path.read_bytes())

    def after(_: int) -> None:
        assert path.read_bytes() in versions

    assert faults_of(lambda: write(2), lambda: write(1), after) >= 4


# ---- Damage -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["state.npz", "position.json", "config.yaml", "SHA256SUMS"])
def test_every_flipped_bit_and_every_cut_is_found(name: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / "step-00000003"
    write_checkpoint(checkpoint, ARRAYS, POSITION, "data: {name: mnist5k}\ntrain: {epochs: 1}\n")
    path = checkpoint / name
    whole = path.read_bytes()
    chance = random.Random(name)
    for _ in range(64):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(DamagedCheckpointError, match="step-00000003"):
            verify_checkpoint(checkpoint)
    for _ in range(64):
        path.write_bytes(whole[: chance.randrange(len(whole))])
        with pytest.raises(DamagedCheckpointError, match="step-00000003"):
            verify_checkpoint(checkpoint)
    path.write_bytes(whole)
    verify_checkpoint(checkpoint)
    path.unlink()
    with pytest.raises(DamagedCheckpointError, match=name):
        verify_checkpoint(checkpoint)


@pytest.mark.parametrize("offset", range(4))
def test_damaged_feature_dumps_are_found(offset: int, tmp_path: Path) -> None:
    """The sums inside the zip format cover the numbers; a flip elsewhere must not change them."""
    path = tmp_path / "test-final.npz"
    write_features(path, dump(0))
    whole, chance = path.read_bytes(), random.Random(offset)
    for _ in range(64):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with contextlib.suppress(FeatureFileError):
            read = read_features(path)
            assert np.array_equal(read.features, dump(0).features)
            assert np.array_equal(read.labels, dump(0).labels)


# ---- A full disk --------------------------------------------------------------------------------------------

# In the order in which a run comes to them.
KINDS = [
    "metrics.jsonl",
    "state.npz",
    "position.json",
    "config.yaml",
    "SHA256SUMS",
    "test-epoch-0001.npz",
    "run.json",
    "test-final.npz",
    "train-final.npz",
]


@pytest.mark.parametrize(
    "kinds", [KINDS[:8:3], pytest.param(KINDS, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_a_disk_that_is_full_for_each_kind_of_file_in_turn_costs_nothing_that_was_there(
    kinds: list[str], straight: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "run"
    for kind in kinds:
        with pytest.MonkeyPatch.context() as patch:
            make_full(patch, path, kind)
            with pytest.raises(OSError, match="No space left on device") as caught:
                resume(path) if path.exists() else train(config(), path)
        assert kind in str(caught.value)
        assert caught.value.__notes__ == [f"resume it: cl train --resume {path}"]
        assert read_manifest(path)["status"] == "failed"  # also for run.json: it is what the time before left
        for checkpoint in (path / "checkpoints").glob("step-*"):
            verify_checkpoint(checkpoint)
    resume(path)
    assert outcome(path) == straight


def make_full(patch: pytest.MonkeyPatch, path: Path, kind: str) -> None:
    """Refuse to open files of a kind for writing, once training has begun."""
    real_open, real_open_in_place = Path.open, runs.open_own_file

    def refuse(file: Path) -> None:
        begun = (path / "metrics.jsonl").exists()  # not yet, while the directory is made
        if kind in file.name and begun and (kind != "metrics.jsonl" or _rows(path) >= 1):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))

    def full(self: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if "r" not in mode:
            refuse(self)
        return real_open(self, mode, *arguments, **options)

    def full_in_place(file: Path, flags: int) -> int:
        refuse(file)
        return real_open_in_place(file, flags)

    patch.setattr(Path, "open", full)
    patch.setattr(runs, "open_own_file", full_in_place)


def _rows(path: Path) -> int:
    return len((path / "metrics.jsonl").read_bytes().splitlines())


@pytest.mark.slow
def test_a_real_limit_on_the_size_of_files_is_a_clear_error_and_no_traceback(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    (tmp_path / "tiny.yaml").write_text(
        "data: {name: digits8}\nmodel: {batch_norm: false, channels: [8, 32, 64]}\n"
        "train: {iterations: 3, batch_size: 20, learning_rate: 1e-3, dump_train: 100}\n"
    )
    command = ("train", "--config", "tiny.yaml", "--run-dir", "run")
    done = cl(
        *command, cwd=tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, -1))
    )
    assert done.returncode == 1
    error, advice = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert "state.npz: File too large" in error
    assert advice == "resume it: cl train --resume run"
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []
    again = cl("train", "--resume", "run", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert read_manifest(tmp_path / "run")["status"] == "completed"


# ---- Numbers and memory -------------------------------------------------------------------------------------


def test_nan_keeps_the_last_finite_checkpoint(tmp_path: Path) -> None:
    path, take, taken = tmp_path / "run", TrainStep.take, 0

    def poisoned(self: TrainStep, *arguments: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken == 6:
            self.term.centers.assign(np.full((10, 2), np.nan))
        return take(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainStep, "take", poisoned)
        with pytest.raises(DivergedError, match="at step 6 the loss became NaN"):
            train(config("train.checkpoint_every=1"), path)
    assert read_manifest(path)["status"] == "failed"
    newest = max((path / "checkpoints").iterdir())
    assert newest.name == "step-00000005"
    arrays = read_state(newest, lambda _: None)
    assert all(np.isfinite(array).all() for array in arrays.values())


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's own."""


@pytest.mark.parametrize("error", [MemoryError(), ResourceExhaustedError("OOM when allocating tensor")])
def test_out_of_memory_is_said_and_kept(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(TrainStep, "take", exhausted)
    with pytest.raises(
        OutOfMemoryError, match=r"out of memory at batches of 134 images: lower train.batch_size"
    ):
        train(config(), tmp_path / "run")
    manifest = read_manifest(tmp_path / "run")
    assert manifest["status"] == "failed"
    assert "out of memory" in manifest["reason"]


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from centerloss_core.run_directory.errors import RunError

    Run.create(tmp_path / "run", config(), {}).close()
    real = os.open

    def read_only(path: Any, flags: int, *arguments: Any) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, flags, *arguments)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(RunError, match=r"run cannot be written \(Read-only file system\): make it writable"):
        resume(tmp_path / "run")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_becomes_read_only_names_the_file_that_a_person_knows(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hidden sibling cannot be cleared away either, and that is not what went wrong."""

    def read_only(path: Any, *_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), None if isinstance(path, int) else str(path))

    def write() -> None:
        with atomic_write(tmp_path / "run.json") as file:
            file.write(b"{}")

    monkeypatch.setattr(os, call, read_only)
    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(OSError, match="Read-only file system") as caught:
        write()
    assert caught.value.filename == str(tmp_path / "run.json")


def test_a_folder_that_cannot_be_made_is_named_as_a_person_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: Any, *_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "mkdir", read_only)
    with (
        pytest.raises(OSError, match="Read-only file system") as caught,
        atomic_directory(tmp_path / "step-00000003"),
    ):
        pass
    assert caught.value.filename == str(tmp_path / "step-00000003")
