"""The process of one point: `cl train` in a run directory, with a log of its own. `worker.py` has one for several."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from centerloss_core.devices import THREAD_VARIABLES, thread_limits
from centerloss_core.files.atomic import open_own_file
from centerloss_core.installation import COMMAND, HOME, IS_INSTALLED
from centerloss_core.interrupts import LEASH
from centerloss_core.run_directory.lock import holder
from centerloss_core.run_directory.names import MANIFEST
from centerloss_core.sweeps.launchers.launcher import Task

# What decides how a run computes and where its data is; a process on another machine gets these too.
_PASSED_ON = ("KERAS_BACKEND", "CENTERLOSS_DATA_DIR", "TF_ENABLE_ONEDNN_OPTS", *THREAD_VARIABLES)
_MOMENT = 0.05  # seconds


def start(task: Task, variables: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a process for it: resume the run if there is one, else begin it.

    Args:
        task: the point.
        variables: of the environment, in place of those of this process.

    Raises:
        OSError: its log cannot be written, or is a link.
    """
    with open_log(task) as log:
        return start_module([COMMAND, *words(task)], task.threads, variables, stdout=log, stderr=log)


def start_module(
    module: Sequence[str],
    threads: int,
    variables: Mapping[str, str] | None,
    *,
    stdout: IO[bytes] | int,
    stderr: IO[bytes],
) -> subprocess.Popen[bytes]:
    """Start a Python module with its arguments, as a process of so many threads that ends with this one.

    Raises:
        OSError: the system refuses.
    """
    return subprocess.Popen(
        # -P: nothing in the user's folder may be imported in place of this program.
        [sys.executable, "-P", "-m", *module],
        bufsize=0,
        stdin=subprocess.PIPE,  # it ends when this process does
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, **import_path(), **thread_limits(threads), **(variables or {}), LEASH: "1"},
        start_new_session=True,  # Ctrl-C reaches the sweep alone, which passes it on once
    )


def words(task: Task) -> list[str]:
    """The arguments of `cl` that begin the run, or resume it where there is one."""
    # The config also when it resumes: it says where the data is now.
    where = "--resume" if (task.path / MANIFEST).is_file() else "--run-dir"
    return ["train", "--config", str(task.config), where, str(task.path), "--quiet"]


def open_log(task: Task) -> IO[bytes]:
    """Open what keeps the output of its process, to append to it.

    Raises:
        OSError: it cannot be written, or is a link.
    """
    return os.fdopen(open_own_file(task.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")


def wait_until_free(
    directories: Sequence[Path], seconds: float = 60.0, given_up: Callable[[], bool] | None = None
) -> None:
    """Wait until no process works in these run directories, so many seconds at most for all of them.

    A run whose machine or launcher was lost takes a moment to notice, and saves before it ends.
    """
    deadline = time.monotonic() + seconds
    for directory in directories:
        while holder(directory) is not None and time.monotonic() < deadline and not (given_up and given_up()):
            time.sleep(_MOMENT)


def passed_variables() -> dict[str, str]:
    """The variables of this process that one on another machine must have too."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def adopt(variables: Mapping[str, str]) -> None:
    """Compute as the sweep's process would: threads that a node asks for would change the last bits of a result."""
    for name in THREAD_VARIABLES:
        os.environ.pop(name, None)
    os.environ.update(variables)


@contextlib.contextmanager
def environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Set these variables, or remove those that are None, and restore the earlier ones at the end."""
    earlier = {name: os.environ.get(name) for name in variables}
    try:
        _set(variables)
        yield
    finally:
        _set(earlier)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def import_path() -> dict[str, str]:
    """The variable that lets points run the same code as the sweep, also from a checkout that is not installed."""
    if IS_INSTALLED and HOME.is_relative_to(sys.prefix):
        return {}
    earlier = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(HOME), *([earlier] if earlier else [])])}
