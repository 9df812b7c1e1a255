"""Points on a Ray cluster, or on a Ray instance of our own: an actor each, which starts the point's process."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from centerloss_core.errors import ExpectedError
from centerloss_core.sweeps.launchers import child
from centerloss_core.sweeps.launchers.launcher import Ending, LauncherError, Task
from centerloss_core.sweeps.launchers.ray_mirror import Mirror
from centerloss_core.sweeps.launchers.ray_session import RaySession, knock, require_ray
from centerloss_core.sweeps.launchers.ray_watcher import GONE, Life, Watcher
from centerloss_core.sweeps.launchers.ray_worker import PointHost, version_in_words

_GIB = 2**30
_POLL_SECONDS = 1.0  # that the actor waits for the end of the process before it answers
_BETWEEN_PULLS = 2.0  # seconds
_LAST_PULLS = 5
_LONGEST_KILL = 5.0  # seconds for all points together
_BEYOND = 2  # points that wait at least, so that a node which joins, or an autoscaler, finds work
_THREADS_OF_ACTOR = 3  # one waits for the process; a stop and a file get past it


class RayLauncher:
    """Actors of Ray; each reserves what its point takes, starts the point's process and watches it.

    Ray restarts none of them. The sweep launches a point whose node is lost again, and counts that; the point resumes
    from its newest checkpoint.

    Args:
        address: "auto", host:port or ray://host:port of a cluster; None or "local": an instance of our own.
        jobs: points at a time; None: as many as there is room for, and on a cluster as many again, which wait.
        needs: what a point takes, see `what_it_takes`.

    Raises:
        LauncherError: Ray is not installed, or too old; or nothing listens at the address.
    """

    def __init__(self, address: str | None, jobs: int | None, needs: Mapping[str, float]) -> None:
        require_ray()
        self._address = None if address == "local" else address
        if self._address is not None and self._address != "auto":
            knock(self._address)
        self._asked = jobs
        self.needs = needs
        self._watcher: Watcher | None = None
        self._kill_before: float | None = None

    @property
    def jobs(self) -> int | None:
        """How many points may be started or waiting now."""
        if self._asked is not None:
            return self._asked
        if self._watcher is None:
            return 1
        room = sum(_room(node["Resources"], self.needs) for node in self._watcher.nodes)
        return max(1, room if self.alone else room + max(_BEYOND, room))

    def __enter__(self) -> RayLauncher:
        """Join the cluster, or start an instance of our own.

        Raises:
            LauncherError: no cluster answers at that address, or no node of it is large enough.
        """
        self._watcher = Watcher(RaySession(self._address, int(self.needs["CPU"])))
        try:
            self._watcher.open()
            _refuse_too_large(self.needs, [node["Resources"] for node in self._watcher.nodes])
        except BaseException:
            self._watcher.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._watcher is not None:
            self._watcher.close()

    def start(self, tasks: Sequence[Task]) -> list[RayPoint]:
        """Ask Ray for an actor each; they wait there for their resources.

        Raises:
            LauncherError: the cluster is gone.
        """
        watcher = self._watcher
        assert watcher is not None
        watcher.check()
        return [RayPoint(task, watcher, self) for task in tasks]

    def seconds_to_kill(self) -> float:
        """How long to wait for a point that is killed; a cluster that is gone costs this time once."""
        if self._kill_before is None:
            self._kill_before = time.monotonic() + _LONGEST_KILL
        return max(0.0, self._kill_before - time.monotonic())

    @cached_property
    def version(self) -> str:
        """The version of this program, which all nodes must have."""
        return version_in_words()

    @property
    def alone(self) -> bool:
        """Whether Ray is an instance of our own, on this machine."""
        return self._address is None


class RayPoint:
    """A point as an actor of Ray."""

    def __init__(self, task: Task, watcher: Watcher, launcher: RayLauncher) -> None:
        self._task = task
        self._watcher = watcher
        self._launcher = launcher
        self._about: dict[str, Any] | None = None  # what its actor says of itself
        self._actor: Any = None
        self._signal: int | None = None
        self._ending: Ending | None = None
        self._over = threading.Event()
        self._signature = signature(task.directory)
        watcher.begin(self)

    # ---- The sweep's thread -----------------------------------------------------------------------------------

    @property
    def place(self) -> str | None:
        """The node and the GPUs, once Ray has found it a place."""
        if self._about is None:
            return None
        words = [] if self._launcher.alone else [self._about["host"]]
        if self._about["gpus"]:
            words.append(f"gpu {','.join(self._about['gpus'])}")
        return " ".join(words) or "here"

    def ended(self) -> Ending | None:
        """How it ended, once all its files are here.

        Raises:
            LauncherError: the cluster is gone.
        """
        if not self._over.is_set():
            self._watcher.check()
        return self._ending

    def interrupt(self, signal_number: int) -> None:
        """Pass the signal on to its process; a point without a process never starts."""
        self._signal = signal_number
        self._watcher.submit(self._pass_on)

    def kill(self) -> None:
        """Send SIGKILL; give up on a cluster that does not answer within seconds."""
        if not self._over.is_set():
            self.interrupt(signal.SIGKILL)
            if not self._over.wait(self._launcher.seconds_to_kill()):
                self._watcher.submit(lambda: self._drop(Ending(-signal.SIGKILL)))
                if not self._over.wait(0.5):
                    self._settle(Ending(None, GONE, lost=True))

    def wait(self, seconds: float) -> None:
        """Return when it has ended, and after this time at the latest."""
        self._over.wait(seconds)

    # ---- Ray's thread -----------------------------------------------------------------------------------------

    def life(self) -> Life:
        """All its calls, from the first to the ending; see `ray_watcher`."""
        import ray

        try:
            return (yield from self._live())
        except ray.exceptions.RayTaskError as error:  # raised by our own code on the node
            return Ending(None, _last_line(error))
        except ray.exceptions.RayError as error:
            return self._what_happened(error)
        except (ExpectedError, OSError) as error:
            return Ending(None, str(error))

    def settled(self, ending: Ending) -> None:
        """Remove the actor, and keep the ending."""
        import ray

        if self._actor is not None:
            with contextlib.suppress(Exception):
                ray.kill(self._actor)
            self._actor = None
        self._settle(ending)

    def _live(self) -> Life:
        if self._signal is not None:
            return _stopped()
        self._actor = host = self._new_actor()
        said = yield host.introduce.remote()
        if not self._launcher.alone and said.get("version") != self._launcher.version:
            return Ending(
                None,
                f"{said.get('host')} has centerloss {said.get('version')}, and this machine has "
                f"{self._launcher.version}: install the same on all nodes",
                for_all=True,
            )
        self._about = said
        shared = yield host.settle.remote(self._task, self._signature)
        if shared:
            yield host.begin.remote(child.passed_variables())
            return (yield from self._watch(None))
        mirror = Mirror(host, self._task)
        try:
            yield from mirror.push()
            yield host.begin.remote(child.passed_variables())
            return (yield from self._watch(mirror))
        finally:
            mirror.close()

    def _watch(self, mirror: Mirror | None) -> Life:
        if self._signal is not None:
            return _stopped()
        next_pull = 0.0
        while True:
            state, code = yield self._actor.poll.remote(_POLL_SECONDS)
            if state == "ended":
                break
            if mirror is not None and state == "running" and time.monotonic() >= next_pull:
                yield from mirror.pull()
                next_pull = time.monotonic() + _BETWEEN_PULLS
        if mirror is not None:
            for _ in range(_LAST_PULLS):
                if (yield from mirror.pull()):
                    break
            else:
                return Ending(None, f"its files on {self.place} cannot be read")
            yield self._actor.leave.remote()
        return _stopped() if code is None else Ending(code)

    def _new_actor(self) -> Any:
        import ray

        needs = self._launcher.needs
        options: dict[str, Any] = {"num_cpus": needs["CPU"], "num_gpus": needs.get("GPU", 0)}
        if "memory" in needs:
            options["memory"] = needs["memory"]
        return (
            ray.remote(PointHost)
            .options(max_restarts=0, max_task_retries=0, max_concurrency=_THREADS_OF_ACTOR, **options)
            .remote()
        )

    def _pass_on(self) -> None:
        if self._over.is_set() or self._signal is None:
            return
        if self._about is None:
            self._drop(_stopped())
        else:
            with contextlib.suppress(Exception):  # the call that is waited for reports a lost actor
                self._actor.interrupt.remote(self._signal)

    def _drop(self, ending: Ending) -> None:
        """Kill the actor, and stop waiting for it."""
        if not self._over.is_set():
            self._watcher.abandon(self)
            self.settled(ending)

    def _settle(self, ending: Ending) -> None:
        self._ending = ending
        self._over.set()

    def _what_happened(self, error: Exception) -> Ending:
        import ray

        about = self._about
        if about is None and "ModuleNotFoundError" in str(error):
            words = f"a node of the Ray cluster cannot import centerloss: {_last_line(error)}"
            return Ending(None, words, for_all=True)
        if isinstance(error, ray.exceptions.OutOfMemoryError):  # it would happen on any node
            return Ending(
                None,
                "Ray stopped it, because its node ran out of memory: say how much a point takes with "
                "sweep.resources.memory, or lower --jobs",
            )
        if about is None:
            return Ending(None, "its node was lost before it began", lost=True)
        return Ending(None, f"its node was lost ({about['host']})", lost=True)


def signature(directory: Path) -> bytes:
    """What this sweep wrote into its lock: a worker that finds the same there has the same file system."""
    try:
        return (directory / "lock").read_bytes()
    except OSError:  # then files are passed to and from every worker
        return b""


def _stopped() -> Ending:
    return Ending(None, "stopped with the sweep")


def what_it_takes(threads: int, gpus: float | None, memory: float | None) -> dict[str, float]:
    """What a point takes, by Ray's names; `memory` is in GiB, and in bytes for Ray."""
    needs: dict[str, float] = {"CPU": threads}
    if gpus:
        needs["GPU"] = gpus
    if memory:
        needs["memory"] = int(memory * _GIB)
    return needs


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
        "memory": lambda amount: f"{amount / _GIB:.3g} GiB",
    }
    return ", ".join(units[name](amount) for name, amount in resources.items())


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1]
