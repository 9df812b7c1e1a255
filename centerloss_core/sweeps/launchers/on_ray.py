"""Points on a Ray cluster, or on a Ray instance of our own: an actor each, which starts the point's process."""

from __future__ import annotations

import concurrent.futures
import contextlib
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from centerloss_core.errors import ExpectedError
from centerloss_core.run_directory.lock import LOCK
from centerloss_core.sweeps.launchers import child
from centerloss_core.sweeps.launchers.launcher import Ending, LauncherError, Task, lines_of
from centerloss_core.sweeps.launchers.ray_actor import PointHost, version_in_words
from centerloss_core.sweeps.launchers.ray_files import Mirror, save_below
from centerloss_core.sweeps.launchers.ray_session import GONE, RayThread, knock, require_ray

GIB = 2**30
_LONGEST_KILL = 5.0  # seconds, for all points together
_BEYOND = 2  # points that wait at least, so that a node which joins, or an autoscaler, finds work
_POLL_SECONDS = 1.0  # that the actor waits for the end of the process before it answers
_BETWEEN_PULLS = 2.0  # seconds
_THREADS_OF_ACTOR = 3  # one waits for the process; a stop and a file get past it
_STOPPED = Ending(None, "stopped with the sweep")


class RayLauncher:
    """Actors of Ray; each reserves what its point takes, starts the point's process and watches it.

    Ray restarts none of them. The sweep launches a point whose node is lost again, and counts that; the point resumes
    from its newest checkpoint.

    Args:
        address: "auto", host:port or ray://host:port of a cluster; None or "local": an instance of our own.
        jobs: points at a time; None: as many as there is room for, and on a cluster as many again, which wait.
        threads, gpus, memory: that a point takes; `memory` in GiB.

    Raises:
        LauncherError: Ray is not installed, or too old; or nothing listens at the address.
    """

    def __init__(
        self,
        address: str | None,
        jobs: int | None,
        threads: int,
        gpus: float | None = None,
        memory: float | None = None,
    ) -> None:
        require_ray()
        self._address = None if address == "local" else address
        if self._address is not None and self._address != "auto":
            knock(self._address)
        self._asked = jobs
        # Of a point, by Ray's names.
        needs = {"CPU": threads, "GPU": gpus or 0.0, "memory": (memory or 0.0) * GIB}
        self._needs = {name: amount for name, amount in needs.items() if amount}
        self._thread = RayThread(self._address, threads)
        self._points: list[RayPoint] = []

    @property
    def jobs(self) -> int | None:
        """How many points may be started or waiting now."""
        if self._asked is not None:
            return self._asked
        room = sum(_room(node["Resources"], self._needs) for node in self._thread.nodes)
        return max(1, room if self._address is None else room + max(_BEYOND, room))

    def __enter__(self) -> RayLauncher:
        """Join the cluster, or start an instance of our own.

        Raises:
            LauncherError: no cluster answers at that address, or no node of it is large enough.
        """
        try:
            self._thread.open()
            _refuse_too_large(self._needs, [node["Resources"] for node in self._thread.nodes])
        except BaseException:
            self._thread.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.close()

    def start(self, tasks: Sequence[Task]) -> list[RayPoint]:
        """Ask Ray for an actor each; they wait there for their resources.

        Raises:
            LauncherError: the cluster is gone.
        """
        self._thread.check()
        alone = self._address is None
        started = [RayPoint(task, self._thread, self._needs, alone=alone) for task in tasks]
        self._points = [point for point in self._points if not point.life.done()] + started
        return started

    def interrupt(self, signal_number: int) -> None:
        """Pass the signal on; a point without a process never starts."""
        for point in self._points:
            point.interrupt(signal_number)

    def kill(self) -> None:
        """Send SIGKILL; give up on a cluster that does not answer within seconds."""
        self.interrupt(signal.SIGKILL)
        _, left = concurrent.futures.wait([point.life for point in self._points], _LONGEST_KILL)
        for life in left:
            life.cancel()


class RayPoint:
    """A point as an actor of Ray.

    Args:
        task: the point.
        thread: that makes all calls to Ray.
        needs: what it takes, by Ray's names.
        alone: whether Ray is an instance of our own, on this machine.

    Attributes:
        life: done when it has ended, and all its files are here.
    """

    def __init__(self, task: Task, thread: RayThread, needs: Mapping[str, float], *, alone: bool) -> None:
        self._task = task
        self._thread = thread
        self._needs = needs
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
            return Ending(None, lines_of(error)[-1])
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
                num_cpus=self._needs["CPU"],
                num_gpus=self._needs.get("GPU", 0),
                memory=int(self._needs.get("memory", 0)) or None,
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
            await host.settle.remote(task)
            for path in mirror.files():
                await host.receive.remote(path.relative_to(task.directory).as_posix(), path.read_bytes())
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
            with mirror.folder() as name:
                paths = []
                while (sent := await self._actor.send.remote()) is not None:
                    paths.append(save_below(Path(name), *sent))
                mirror.merge(Path(name), paths, checkpoints)

    def _what_happened(self, error: Exception) -> Ending:
        import ray

        if self._about is None and "ModuleNotFoundError" in str(error):
            words = f"a node of the Ray cluster cannot import centerloss: {lines_of(error)[-1]}"
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


def _room(has: Mapping[str, float], needs: Mapping[str, float]) -> int:
    """How many points fit on an empty node."""
    return int(min((has.get(name, 0.0) + 1e-6) // amount for name, amount in needs.items()))


def _refuse_too_large(needs: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> None:
    if any(_room(node, needs) for node in nodes):
        return
    largest = max(nodes, key=lambda node: [node.get(name, 0.0) for name in needs], default={})
    raise LauncherError(
        f"a point asks for {_in_words(needs)}, and the largest node of the Ray cluster has "
        f"{_in_words({name: largest.get(name, 0.0) for name in needs})}: lower sweep.resources, or add such a node"
    )


def _in_words(resources: Mapping[str, float]) -> str:
    units = {
        "CPU": lambda amount: f"{amount:g} core{'s' * (amount != 1)}",
        "GPU": lambda amount: f"{amount:g} GPU{'s' * (amount != 1)}",
        "memory": lambda amount: f"{amount / GIB:.3g} GiB",
    }
    return ", ".join(units[name](amount) for name, amount in resources.items())
