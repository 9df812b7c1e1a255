"""The actor that Ray runs for a point, on a node of its choice: it starts the point's process and hands over its files.

It is an actor and not a task, because a task takes no calls while it runs, and a request to stop or for a file cannot
wait. The actor itself computes nothing.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from centerloss_core.run_directory.names import CHECKPOINTS, MANIFEST
from centerloss_core.run_directory.provenance import provenance
from centerloss_core.sweeps.launchers import child
from centerloss_core.sweeps.launchers.launcher import Task
from centerloss_core.sweeps.launchers.ray_files import files_in, save_below
from centerloss_core.sweeps.launchers.ray_session import STOPS

_BETWEEN_LOOKS = 0.25  # seconds
SCRATCH = "centerloss-ray-"

# Inode, bytes, and nanoseconds of the last change: what tells a file from the one that replaced it.
_Stamp = tuple[int, int, int]


def version_in_words() -> str:
    """Such as "0.1.0 (78c5141a)"; both must be the same on all nodes."""
    origin = provenance()
    revision = origin["git_revision"]
    version = str(origin["versions"].get("centerloss", "unknown"))
    return version if revision is None else f"{version} ({revision[:8]}{'+changes' * ('+' in revision)})"


class PointHost:
    """The actor. `begin` and `poll` wait for something; other calls get past them."""

    def __init__(self) -> None:
        self._task: Task | None = None
        self._scratch: Path | None = None
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._gpus: list[str] = []
        self._stopped = False
        self._starting = threading.Lock()
        self._changed: list[tuple[Path, IO[bytes]]] = []
        self._sent: dict[Path, _Stamp] = {}

    def introduce(self, directory: Path, lock: bytes) -> dict[str, Any]:
        """Say what this node is.

        Args:
            directory: the sweep's.
            lock: what the driver wrote into its lock, which no other directory has.

        Returns:
            The version of this program, the short name of the node, the GPUs that Ray has reserved, and whether this
            machine has the sweep's own directory.
        """
        import ray

        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
        self._gpus = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
        return {
            "version": version_in_words(),
            "host": socket.gethostname().partition(".")[0],
            "gpus": self._gpus,
            "shared": self.shares(directory, lock),
        }

    def shares(self, directory: Path, lock: bytes) -> bool:
        """Whether this machine has that directory with that lock."""
        try:
            return bool(lock) and (directory / "lock").read_bytes() == lock
        except OSError:
            return False

    def begin(self, task: Task, told: Mapping[str, str]) -> None:
        """Start the process, as soon as no other process works in the run directory; not if it was stopped before.

        Args:
            task: the point, with the sweep's directory on the driver's machine.
            told: variables of the driver. The data directory of this node goes before the driver's.
        """
        self._task = self._task or task
        own = os.environ.get("CENTERLOSS_DATA_DIR")
        child.adopt({**told, **({} if own is None else {"CENTERLOSS_DATA_DIR": own})})
        child.wait_until_free([self._task.path], given_up=lambda: self._stopped)
        with self._starting:
            if not self._stopped:
                # Signals that are blocked in Ray's processes would be blocked in the point's, too.
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
                # Also where no GPU is reserved: the point must not compute on GPUs of others.
                self._process = child.start(self._task, {"CUDA_VISIBLE_DEVICES": ",".join(self._gpus)})

    def poll(self, seconds: float) -> tuple[bool, int | None]:
        """Wait so long for the process; return whether it has ended, and its exit code, None if it never started."""
        if self._process is None:
            return True, None
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False, None
        return True, code

    def interrupt(self, signal_number: int) -> None:
        """Pass a signal on; before there is a process, see to it that none starts."""
        with self._starting:
            self._stopped = True
            if self._process is not None:
                self._process.send_signal(signal_number)

    # ---- Files, where the driver has another file system ------------------------------------------------------

    def settle(self, task: Task) -> None:
        """Make a folder to train in."""
        self._scratch = Path(tempfile.mkdtemp(prefix=SCRATCH))
        self._directory = task.directory
        self._task = replace(task, directory=self._scratch)
        self._task.log.parent.mkdir()

    def receive(self, name: str, content: bytes) -> None:
        """Take a file that the point needs here."""
        assert self._scratch is not None
        path = save_below(self._scratch, name, content)
        self._sent[path] = _stamp(path.stat())

    def pack(self) -> list[str] | None:
        """Open, for `send`, what has changed since the last time.

        What refers to other files is opened before them: `run.json` first, which says that a run is completed, and
        `metrics.jsonl` after the checkpoints, which count its rows. They are sent in the opposite order.

        Returns:
            The names of the checkpoints that are here; None where nothing has changed.
        """
        checkpoints = []
        for unit in self._units():
            # Some may be removed meanwhile; a checkpoint, by a newer one.
            with contextlib.suppress(FileNotFoundError), contextlib.ExitStack() as opened:
                files = {path: opened.enter_context(path.open("rb")) for path in unit}
                stamps = {path: _stamp(os.fstat(file.fileno())) for path, file in files.items()}
                if unit[0].parent.parent.name == CHECKPOINTS:
                    checkpoints.append(unit[0].parent.name)
                if stamps.items() - self._sent.items():
                    self._changed += files.items()
                    self._sent |= stamps
                    opened.pop_all()  # `send` closes them
        return checkpoints if self._changed else None

    def send(self) -> tuple[str, bytes] | None:
        """The next of these files: its name below the sweep's directory, and its content; None after the last.

        A log names files as they are on the driver's machine: this folder is gone when a person reads it.
        """
        assert self._task is not None
        if not self._changed:
            return None
        path, file = self._changed.pop()
        with file:
            content = file.read()
        if path == self._task.log:
            there = shlex.quote(str(self._directory)).encode(errors="surrogateescape")
            content = content.replace(os.fsencode(self._task.directory), there)
        return path.relative_to(self._task.directory).as_posix(), content

    def leave(self) -> None:
        """Remove the folder."""
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _units(self) -> Iterator[list[Path]]:
        """What is new together or not at all: the files of a checkpoint, and each other file of the run."""
        assert self._task is not None
        run = self._task.path
        if (run / MANIFEST).is_file():
            yield [run / MANIFEST]
            folders = [path for path in (run / CHECKPOINTS).glob("[!.]*") if path.is_dir()]
            yield from (unit for folder in sorted(folders) if (unit := list(files_in(folder))))
            for path in files_in(run):
                if path.name != MANIFEST and not path.is_relative_to(run / CHECKPOINTS):
                    yield [path]
        yield [self._task.log]


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _end_with(parent: int) -> None:
    """End when the node's own process does, which Ray's workers outlive; the point then saves."""
    while os.getppid() == parent:
        time.sleep(_BETWEEN_LOOKS)
    os._exit(1)  # nothing of Ray may hold this up
