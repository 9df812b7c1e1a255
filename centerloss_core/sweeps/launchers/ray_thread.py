"""The one thread that talks to Ray, so that the sweep's own never waits for a cluster that does not answer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from centerloss_core.sweeps.launchers.launcher import LauncherError
from centerloss_core.sweeps.launchers.ray_session import PATIENCE, alive_nodes, have_sigterm_back, ray_session

_MOMENT = 0.1  # seconds
_BETWEEN_LOOKS = 2.0  # at the nodes
_LONGEST_SHUTDOWN, _LONGEST_SILENCE = 15.0, 60.0
_LONGEST_PAUSE = 5.0  # of the sweep's thread, which checks many times a second

GONE = "the Ray cluster went away: every point that had begun can be resumed"
_Answer = TypeVar("_Answer")


class RayThread:
    """Runs the coroutines of all points.

    Args:
        address, threads: see `ray_session`.

    Attributes:
        nodes: the nodes that were alive at the last look, as Ray describes them.
    """

    def __init__(self, address: str | None, threads: int) -> None:
        self._address = address
        self._threads = threads
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ray", daemon=True)
        self._heard = self._checked = time.monotonic()
        self._error: LauncherError | None = None
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
        if self._error is not None:
            raise self._error
        if not connected:
            raise LauncherError(
                f"Ray {f'at {self._address}' if self._address else 'on this machine'} did not answer within "
                f"{PATIENCE:.0f} s: check --ray-address, and `ray status` there"
            )

    def close(self) -> None:
        """Disconnect; give up on a cluster that does not answer."""
        if self._ready.is_set():
            self.call(self._over.set)
        if self._thread.ident is not None:
            self._thread.join(_LONGEST_SHUTDOWN)

    def call(self, work: Callable[[], object]) -> None:
        """Have the thread do this soon, if it still runs."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(work)

    def run(self, coroutine: Coroutine[Any, Any, _Answer]) -> Future[_Answer]:
        """Have the thread run this; it is cancelled when the connection closes."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def check(self) -> None:
        """Raise LauncherError if the cluster does not answer any more."""
        now = time.monotonic()
        if now - self._checked > _LONGEST_PAUSE:  # both threads were suspended (Ctrl-Z)
            self._heard = now
        self._checked = now
        if now - self._heard > _LONGEST_SILENCE:
            self._error = self._error or LauncherError(GONE)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with ray_session(self._address, self._threads):
                asyncio.run(self._look())
        except LauncherError as error:
            self._error = error
        except Exception as error:  # after any error of Ray here the connection is of no use
            self._error = LauncherError(f"{GONE} ({type(error).__name__})")
        finally:
            self._ready.set()

    async def _look(self) -> None:
        """Look at the nodes from time to time, until it is over."""
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        while not self._over.is_set():
            self.nodes = alive_nodes()
            self._heard = time.monotonic()
            self._ready.set()
            if not self.nodes:
                raise LauncherError(GONE)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), _BETWEEN_LOOKS)
