"""A point as an actor of Ray: what the sweep asks of it, from its first call to its ending."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from typing import Any

from centerloss_core.errors import ExpectedError
from centerloss_core.run_directory.lock import LOCK
from centerloss_core.sweeps.launchers import child
from centerloss_core.sweeps.launchers.launcher import Ending, LauncherError, Task
from centerloss_core.sweeps.launchers.ray_actor import PointHost, version_in_words
from centerloss_core.sweeps.launchers.ray_files import PIECE, Mirror
from centerloss_core.sweeps.launchers.ray_thread import GONE, RayThread

GIB = 2**30
_POLL_SECONDS = 1.0  # that the actor waits for the end of the process before it answers
_BETWEEN_PULLS = 2.0  # seconds
_THREADS_OF_ACTOR = 3  # one waits for the process; a stop and a file get past it
_STOPPED = Ending(None, "stopped with the sweep")


class RayPoint:
    """A point as an actor of Ray.

    Args:
        task: the point.
        thread: that makes all calls to Ray.
        alone: whether Ray is an instance of our own, on this machine.

    Attributes:
        life: done when it has ended, and all its files are here.
    """

    def __init__(self, task: Task, thread: RayThread, *, alone: bool) -> None:
        self._task = task
        self._thread = thread
        self._alone = alone
        self._actor: Any = None
        self._about: dict[str, Any] | None = None  # what its actor says of itself
        self.life = thread.run(self._live())

    @property
    def place(self) -> str | None:
        """The node and the GPUs, once Ray has found it a place."""
        if self._about is None:
            return None
        words = [] if self._alone else [self._about["host"]]
        if self._about["gpus"]:
            words.append(f"gpu {','.join(self._about['gpus'])}")
        return " ".join(words) or "here"

    def ended(self) -> Ending | None:
        """How it ended, once all its files are here.

        Raises:
            LauncherError: the cluster is gone.
        """
        if self.life.cancelled():
            return _STOPPED if self._about is None else Ending(None, GONE, lost=True)
        if self.life.done():
            return self.life.result()
        self._thread.check()
        return None

    def interrupt(self, signal_number: int) -> None:
        """Pass the signal on to its process; a point without an actor never starts."""

        def pass_on() -> None:
            if self._about is None:
                self.life.cancel()
            elif not self.life.done():
                with contextlib.suppress(Exception):  # the call that is waited for reports a lost actor
                    self._actor.interrupt.remote(signal_number)

        self._thread.call(pass_on)

    # ---- Ray's thread -----------------------------------------------------------------------------------------

    async def _live(self) -> Ending:
        import ray

        try:
            return await self._train()
        except ray.exceptions.RayTaskError as error:  # raised by our own code on the node
            return Ending(None, _last_line(error))
        except ray.exceptions.RayError as error:
            return self._what_happened(error)
        except ConnectionError as error:
            raise LauncherError(GONE) from error
        except (ExpectedError, OSError) as error:
            return Ending(None, str(error))
        finally:
            if self._actor is not None:
                with contextlib.suppress(Exception):
                    ray.kill(self._actor)

    async def _train(self) -> Ending:
        import ray

        task = self._task
        self._actor = host = (
            ray.remote(PointHost)
            .options(
                num_cpus=task.threads,
                num_gpus=task.gpus or 0,
                memory=int(task.memory * GIB) if task.memory else None,
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=_THREADS_OF_ACTOR,
            )
            .remote()
        )
        about = await host.introduce.remote(task.directory, signature(task.directory))
        if not self._alone and about["version"] != (here := version_in_words()):
            words = f"{about['host']} has centerloss {about['version']}, and this machine has {here}"
            return Ending(None, f"{words}: install the same on all nodes", for_all=True)
        self._about = about
        if about["shared"]:
            await host.begin.remote(task, child.passed_variables())
            return await self._watch(None)
        with contextlib.closing(Mirror(task)) as mirror:
            with mirror.bundle() as bundle:
                while piece := bundle.read(PIECE):
                    await host.receive.remote(piece)
            await host.settle.remote(task)
            await host.begin.remote(task, child.passed_variables())
            ending = await self._watch(mirror)
        await host.leave.remote()
        return ending

    async def _watch(self, mirror: Mirror | None) -> Ending:
        next_pull = 0.0
        while True:
            over, code = await self._actor.poll.remote(_POLL_SECONDS)
            if mirror is not None and (over or time.monotonic() >= next_pull):
                await self._pull(mirror)
                next_pull = time.monotonic() + _BETWEEN_PULLS
            if over:
                return _STOPPED if code is None else Ending(code)

    async def _pull(self, mirror: Mirror) -> None:
        checkpoints = await self._actor.pack.remote()
        if checkpoints is not None:
            with tempfile.SpooledTemporaryFile(PIECE) as bundle:
                while piece := await self._actor.send.remote():
                    bundle.write(piece)
                mirror.merge(bundle, checkpoints)

    def _what_happened(self, error: Exception) -> Ending:
        import ray

        if self._about is None and "ModuleNotFoundError" in str(error):
            words = f"a node of the Ray cluster cannot import centerloss: {_last_line(error)}"
            return Ending(None, words, for_all=True)
        if isinstance(error, ray.exceptions.OutOfMemoryError):  # it would happen on any node
            return Ending(
                None,
                "Ray stopped it, because its node ran out of memory: say how much a point takes with "
                "sweep.resources.memory, or lower --jobs",
            )
        if self._about is None:
            return Ending(None, "its node was lost before it began", lost=True)
        return Ending(None, f"its node was lost ({self._about['host']})", lost=True)


def signature(directory: Path) -> bytes:
    """What this sweep wrote into its lock: a worker that finds the same there has the same file system."""
    try:
        return (directory / LOCK).read_bytes()
    except OSError:  # then files are passed to and from every worker
        return b""


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1]
