"""The actor that Ray runs for a point, on a node of its choice: it starts the point's process and hands over its files.

It is an actor and not a task, because a task takes no calls while it runs, and a request to stop or for a file cannot
wait. The actor itself computes nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from centerloss_core.run_directory.lock import holder
from centerloss_core.run_directory.provenance import provenance
from centerloss_core.sweeps.launchers import child
from centerloss_core.sweeps.launchers.launcher import Task
from centerloss_core.sweeps.launchers.ray_paths import Stamp, inside, is_passed_on, stamp_of
from centerloss_core.sweeps.launchers.ray_session import (
    STOPS,
    abandoned_folders,
    new_folder,
    node_environment,
)
from centerloss_core.sweeps.layout import log_path

PIECE = 4 * 2**20  # bytes
_LONGEST_WAIT, _MOMENT = 60.0, 0.05  # seconds
_BETWEEN_LOOKS = 0.25  # seconds
SCRATCH = "centerloss-ray-"
# Ray sets these in its workers, the first to the cores of the actor. A point must have those of a local one.
_OF_RAY = ("OMP_NUM_THREADS", "PYTHONBREAKPOINT", "SPT_NOENV")

State = Literal["waiting", "running", "ended"]


def version_in_words() -> str:
    """Such as "0.1.0 (78c5141a)"; both must be the same on all nodes."""
    origin = provenance()
    revision = origin["git_revision"]
    version = str(origin["versions"].get("centerloss", "unknown"))
    return version if revision is None else f"{version} ({revision[:8]}{'+changes' * ('+' in revision)})"


class PointHost:
    """The actor. Its methods return at once, but for `poll`; several may be called at a time."""

    def __init__(self) -> None:
        self._task: Task | None = None
        self._scratch: Path | None = None
        self._cleanup = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._variables: dict[str, str] = {}
        self._deadline = 0.0
        self._stopped = False
        self._starting = threading.Lock()

    def end_with_node(self) -> None:
        """From now on, end when the node's own process does, which Ray's workers outlive; the point then saves."""
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()

    def introduce(self) -> dict[str, Any]:
        """The version of this program, the short name of the node, and the GPUs that Ray has reserved."""
        import ray

        self.end_with_node()
        context = ray.get_runtime_context()
        gpus = context.get_accelerator_ids().get("GPU", [])
        # Also where none are reserved: the point must not compute on GPUs of others.
        self._variables["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        return {
            "version": version_in_words(),
            "host": socket.gethostname().partition(".")[0],
            "gpus": gpus,
        }

    def settle(self, task: Task, lock: bytes) -> bool:
        """Return whether this machine has the sweep's own directory; if not, make a folder to train in.

        Args:
            task: the point.
            lock: what the driver wrote into the lock of the sweep, which no other directory has.
        """
        self._task = task
        try:
            shared = bool(lock) and (task.directory / "lock").read_bytes() == lock
        except OSError:
            shared = False
        if not shared:
            _clear_abandoned()
            self._scratch = new_folder(SCRATCH, self._cleanup)
            self._task = replace(task, directory=self._scratch)
            self._task.config.parent.mkdir()
            log_path(self._scratch, "").parent.mkdir()
        return shared

    def begin(self, told: Mapping[str, str]) -> None:
        """Let `poll` start the process, as soon as no other process works in the run directory.

        Args:
            told: variables of the driver. The data directory of this node goes before the driver's.
        """
        here = node_environment()
        for name in _OF_RAY:
            if here is not None and name in here:
                os.environ[name] = here[name]
            else:
                os.environ.pop(name, None)
        own = {
            name: value
            for name, value in told.items()
            if name != "CENTERLOSS_DATA_DIR" or name not in os.environ
        }
        self._variables = {**own, **self._variables}
        self._deadline = time.monotonic() + _LONGEST_WAIT

    def poll(self, seconds: float) -> tuple[State, int | None]:
        """Wait so long for the process; return its state, and its exit code once it has ended."""
        end = time.monotonic() + seconds
        while self._process is None:
            if not self._try_to_start():
                return ("ended", None) if self._stopped else ("waiting", None)
            if self._process is None:
                if time.monotonic() >= end:
                    return "waiting", None
                time.sleep(_MOMENT)
        try:
            code = self._process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            return "running", None
        child.close(self._process)
        return "ended", code

    def _try_to_start(self) -> bool:
        """Start unless another process still works there; return False if it was stopped before."""
        assert self._task is not None
        with self._starting:
            if self._stopped:
                return False
            # A run whose worker was lost needs a moment to save.
            if holder(self._task.path) is None or time.monotonic() >= self._deadline:
                # Signals that are blocked in Ray's processes would be blocked in the point's, too.
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
                self._process = child.start(self._task, self._variables)
            return True

    def interrupt(self, signal_number: int) -> None:
        """Pass a signal on; before there is a process, see to it that none starts."""
        with self._starting:
            if self._process is None:
                self._stopped = True
            else:
                self._process.send_signal(signal_number)

    # ---- Files, where the driver has another file system ------------------------------------------------------

    def listing(self) -> list[tuple[str, Stamp]]:
        """All files, as paths below the sweep's directory.

        What refers to other files is looked at before them: `run.json` first, which says that a run is completed, and
        `metrics.jsonl` after the checkpoints, which count its rows.
        """
        assert self._task is not None
        assert self._scratch is not None
        run = self._task.path
        paths = [run / "run.json", *_files(run / "checkpoints"), *_files(run), self._task.log]
        found: dict[str, Stamp] = {}
        for path in paths:
            name = path.relative_to(self._scratch).as_posix()
            if name in found or not is_passed_on(name, self._task.name):
                continue
            try:
                found[name] = stamp_of(path.stat())
            except OSError:  # removed meanwhile
                continue
        return list(found.items())

    def read(self, name: str, offset: int, stamp: Stamp | None) -> bytes | None:
        """A piece of a file; None where it is gone or has changed.

        Args:
            name: from `listing`.
            offset: in bytes.
            stamp: what it must still be; None: it may have grown.
        """
        assert self._scratch is not None
        try:
            with inside(self._scratch, name).open("rb") as file:
                if stamp is not None and stamp_of(os.fstat(file.fileno())) != stamp:
                    return None
                file.seek(offset)
                return file.read(PIECE)
        except FileNotFoundError:
            return None

    def write(self, name: str, piece: bytes, offset: int) -> Stamp:
        """Write a piece of a file of the driver's; pieces come in order."""
        assert self._scratch is not None
        path = inside(self._scratch, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            file.write(piece)
        return stamp_of(path.stat())

    def leave(self) -> None:
        """Remove the folder."""
        self._cleanup.close()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_BETWEEN_LOOKS)
    os._exit(1)  # nothing of Ray may hold this up


def _files(directory: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _clear_abandoned() -> None:
    """Remove the folders of actors that were killed, once their points have ended."""
    for folder in abandoned_folders(SCRATCH):
        with contextlib.suppress(OSError):  # another actor may clear up here at the same moment
            if all(holder(path) is None for path in folder.iterdir()):
                shutil.rmtree(folder, ignore_errors=True)
