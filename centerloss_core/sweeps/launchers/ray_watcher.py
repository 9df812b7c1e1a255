"""The one thread that talks to Ray: it waits for the answers to all outstanding calls at once.

A point is a generator: it yields a call, is sent the answer, and returns its ending. So a thousand points need one
thread, and the sweep's own thread never waits for a machine that does not answer.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, Protocol

from centerloss_core.sweeps.launchers.launcher import Ending, LauncherError
from centerloss_core.sweeps.launchers.ray_session import PATIENCE, RaySession, alive_nodes, have_sigterm_back

_MOMENT = 0.1  # seconds
_BETWEEN_LOOKS = 2.0  # at the nodes
_LONGEST_SHUTDOWN, _LONGEST_SILENCE = 15.0, 60.0
_SECOND_LOOK = 5.0

Life = Generator[Any, Any, Ending]
GONE = "the Ray cluster went away: every point that had begun can be resumed"


class Living(Protocol):
    """A point as the watcher sees it."""

    def life(self) -> Life:
        """What it does, call by call; a call that failed is thrown into it."""

    def settled(self, ending: Ending) -> None:
        """Called once, with the ending."""


class Watcher:
    """Started with `open`; `begin` and `submit` may be called from any thread.

    Attributes:
        error: why the cluster is of no more use.
        nodes: the nodes that were alive at the last look, as Ray describes them.
    """

    def __init__(self, session: RaySession) -> None:
        self._session = session
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._calls: dict[Any, tuple[Living, Life]] = {}
        self._ready = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ray", daemon=True)
        self._heard = time.monotonic()
        self._silent_since: float | None = None
        self.error: BaseException | None = None
        self.nodes: list[dict[str, Any]] = []

    def open(self) -> None:
        """Connect.

        Raises:
            LauncherError: that failed, or Ray does not answer.
        """
        self._thread.start()
        deadline = time.monotonic() + PATIENCE
        while not (connected := self._ready.wait(_MOMENT)) and time.monotonic() < deadline:
            have_sigterm_back()
        have_sigterm_back()
        if self.error is not None:
            raise self.error
        if not connected:
            raise LauncherError(
                f"Ray {self._session.place} did not answer within {PATIENCE:.0f} s: check --ray-address, and "
                "`ray status` there"
            )

    def close(self) -> None:
        """Disconnect; give up on a cluster that does not answer."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(_LONGEST_SHUTDOWN)

    def submit(self, work: Callable[[], None]) -> None:
        """Have the thread do this."""
        self._work.put(work)

    def begin(self, point: Living) -> None:
        """Begin the calls of a point."""
        self.submit(lambda: self._advance(point, point.life(), next))

    def check(self) -> None:
        """Raise LauncherError if the cluster does not answer any more."""
        now = time.monotonic()
        if now - self._heard <= _LONGEST_SILENCE:
            self._silent_since = None
        elif self._silent_since is None:
            # Both threads may have been suspended (Ctrl-Z).
            self._silent_since = now
        elif self.error is None and now - self._silent_since > _SECOND_LOOK:
            self.error = LauncherError(GONE)
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            with self._session:
                self.nodes = alive_nodes()
                self._heard = time.monotonic()
                self._ready.set()
                self._watch()
        except LauncherError as error:
            self.error = error
        except Exception as error:  # after any error of Ray here the connection is of no use
            self.error = LauncherError(f"{GONE} ({type(error).__name__})")
        finally:
            self._ready.set()
            for _, life in self._calls.values():
                life.close()

    def _watch(self) -> None:
        look = time.monotonic() + _BETWEEN_LOOKS
        while not self._closing.is_set():
            with contextlib.suppress(queue.Empty):
                while True:
                    self._work.get_nowait()()
            for call in self._answered():
                self._answer(call)
            if time.monotonic() >= look:
                self.nodes = alive_nodes()
                look = time.monotonic() + _BETWEEN_LOOKS
                if not self.nodes:
                    raise LauncherError(GONE)
            self._heard = time.monotonic()

    def _answered(self) -> list[Any]:
        import ray

        if not self._calls:
            with contextlib.suppress(queue.Empty):
                self._work.get(timeout=_MOMENT)()
            return []
        ready, _ = ray.wait(list(self._calls), num_returns=1, timeout=_MOMENT)
        if ready and len(self._calls) > 1:
            ready, _ = ray.wait(list(self._calls), num_returns=len(self._calls), timeout=0)
        return list(ready)

    def _answer(self, call: Any) -> None:
        import ray

        point, life = self._calls.pop(call)
        try:
            answer = ray.get(call)
        except ray.exceptions.RayError as error:
            failure = error  # the name above ends with its block
            self._advance(point, life, lambda life: life.throw(failure))
        else:
            self._advance(point, life, lambda life: life.send(answer))

    def _advance(self, point: Living, life: Life, step: Callable[[Life], Any]) -> None:
        try:
            self._calls[step(life)] = point, life
        except StopIteration as end:
            point.settled(end.value)

    def abandon(self, point: Living) -> None:
        """Stop waiting for a point's answers, and close its generator."""
        for call, (other, life) in list(self._calls.items()):
            if other is point:
                del self._calls[call]
                life.close()
