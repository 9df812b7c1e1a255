"""A process per contestant, warm and waiting: TensorFlow and PyTorch must not share one, and start slowly.

A worker builds its contestant, says that it is ready, and then runs as many steps as each line of its standard input
says, answering every line with the seconds that they took. While one works the others wait without using the processor.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks.sections import ROOT

Run = Callable[[int], None]  # runs that many steps and returns when the last one is done


class WorkerError(RuntimeError):
    """A worker ended without an answer; the message is what it printed."""


class Worker:
    """The parent's end of one worker."""

    def __init__(self, process: subprocess.Popen[str], chatter: Any) -> None:
        self._process = process
        self._chatter = chatter

    def seconds(self, steps: int) -> float:
        """Let it run so many steps and return the seconds they took."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{steps}\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._failure() from error
        return float(self.read())

    def read(self) -> str:
        """Read one answer."""
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise self._failure()
        return answer

    def _failure(self) -> WorkerError:
        code = self._process.wait()
        self._chatter.seek(0)
        return WorkerError(
            f"a worker ended with {code}: {self._chatter.read().decode(errors='replace')[-2000:]}"
        )


@contextmanager
def worker(contestant: str, **settings: Any) -> Iterator[Worker]:
    """Start the worker of a contestant, a module of this package with a function `build(**settings) -> Run`."""
    with _starting(contestant, settings) as started:
        started.read()  # ready
        yield started


@contextmanager
def _starting(contestant: str, settings: Mapping[str, Any]) -> Iterator[Worker]:
    command = [sys.executable, "-m", "benchmarks.workers", contestant, json.dumps(settings)]
    with tempfile.TemporaryFile() as chatter:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=chatter, text=True
        )
        try:
            yield Worker(process, chatter)
        finally:
            process.kill()
            process.communicate()


@contextmanager
def workers(contestants: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Iterator[dict[str, Worker]]:
    """Start several together, by name: {name: (module, settings)}."""
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(_starting(module, settings))
            for name, (module, settings) in contestants.items()
        }
        for each in started.values():
            each.read()  # ready
        yield started


def _serve(run: Run) -> None:
    answers = os.fdopen(os.dup(1), "w", 1)
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    print("ready", file=answers)
    for line in sys.stdin:
        began = time.perf_counter()
        run(int(line))
        print(time.perf_counter() - began, file=answers)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    _, name, arguments = sys.argv
    _serve(importlib.import_module(f"benchmarks.{name}").build(**json.loads(arguments)))
