"""Points on a Ray cluster, or on a Ray instance of our own: an actor each, which starts the point's process."""

from __future__ import annotations

import concurrent.futures
import signal
from collections.abc import Mapping, Sequence

from centerloss_core.sweeps.launchers.launcher import LauncherError, Task
from centerloss_core.sweeps.launchers.ray_point import GIB, RayPoint
from centerloss_core.sweeps.launchers.ray_session import knock, require_ray
from centerloss_core.sweeps.launchers.ray_thread import RayThread

_LONGEST_KILL = 5.0  # seconds, for all points together
_BEYOND = 2  # points that wait at least, so that a node which joins, or an autoscaler, finds work


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
        # By Ray's names.
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
        started = [RayPoint(task, self._thread, alone=self._address is None) for task in tasks]
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
