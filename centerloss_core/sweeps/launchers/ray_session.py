"""A connection to Ray: to a cluster, or to an instance of our own that nobody else can reach.

One thread has it, so that the sweep's own never waits for a cluster that does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import os
import re
import secrets
import signal
import socket
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from centerloss_core.devices import usable_cores
from centerloss_core.interrupts import signals_blocked
from centerloss_core.sweeps.launchers.child import environment
from centerloss_core.sweeps.launchers.launcher import LauncherError, lines_of

_OLDEST = (2, 54)
_LOOPBACK = "127.0.0.1"
_CONNECT_SECONDS = 5.0
_PATIENCE = 90.0  # seconds for starting or joining a cluster
_MOMENT = 0.1
_BETWEEN_LOOKS = 2.0  # at the nodes
_LONGEST_SHUTDOWN, _LONGEST_SILENCE = 15.0, 60.0
_LONGEST_PAUSE = 5.0  # of the sweep's thread, which checks many times a second
_OBJECT_STORE = 200 * 2**20  # bytes; no files go through an instance of our own
_LONGEST_FOLDER = 30  # characters; the path of a socket in it must not have more than 107
# Blocked in our own instance of Ray, and unblocked for the points that it starts.
STOPS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
GONE = "the Ray cluster went away: every point that had begun can be resumed"
_Answer = TypeVar("_Answer")

# Ray's own processes and every driver read these when `ray` is imported.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # The actor sets the GPUs that a point sees; this silences a warning about it.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # The sweep reports a lost node in a line; Ray would print a page, even without `log_to_driver`.
    "RAY_DEDUP_LOGS": "1",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
}
# Ray ends the process of a driver, without a message, when the head has been away for so long. A sweep notices earlier.
_PATIENT = {"RAY_gcs_rpc_server_reconnect_timeout_s": "3600"}
# Ray listens on the network even when told 127.0.0.1. Only where "clusters" are off, as they are by default on Windows
# and macOS, does it stay on the loopback; in spite of its name the switch works anywhere.
# After its sweep was killed, its processes wait for so many seconds for the head.
_ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "120",
}


def require_ray() -> None:
    """Raise LauncherError unless Ray is installed and new enough; nothing of it is imported."""
    try:
        version = importlib.metadata.version("ray")
    except importlib.metadata.PackageNotFoundError:
        raise LauncherError("the launcher ray needs Ray: pip install 'centerloss[ray]'") from None
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise LauncherError(
            f"the launcher ray needs Ray {oldest} or newer, and {version} is installed: "
            "pip install --upgrade 'centerloss[ray]'"
        )


def knock(address: str) -> None:
    """Raise LauncherError unless something listens at this address: Ray itself would try for half a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    host = host.strip("[]")
    if address.startswith("ray://") and not host:
        host, port = port, "10001"
    if not host or not port.isdecimal() or "/" in host:
        raise LauncherError(
            f"--ray-address must be auto, local, HOST:PORT or ray://HOST:PORT; received {address}"
        )
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise LauncherError(_unreachable(address, error)) from error


def client_token(address: str) -> dict[str, str]:
    """The variable that makes Ray's client send the token of this user.

    Recent clusters ask for one by default. Drivers send it by themselves; the client does so only with this.
    """
    if not address.startswith("ray://") or "RAY_AUTH_MODE" in os.environ:
        return {}
    said = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    there = said or Path("~/.ray/auth_token").expanduser().is_file()
    return {"RAY_AUTH_MODE": "token"} if there else {}


class RayThread:
    """Runs the coroutines of all points.

    Args:
        address: "auto", host:port or ray://host:port; None: an instance of our own.
        threads: of a point; our own instance has room for one at least.

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
        deadline = time.monotonic() + _PATIENCE
        while not (connected := self._ready.wait(_MOMENT)) and time.monotonic() < deadline:
            _have_sigterm_back()
        _have_sigterm_back()
        if self._error is not None:
            raise self._error
        if not connected:
            raise LauncherError(
                f"Ray {f'at {self._address}' if self._address else 'on this machine'} did not answer within "
                f"{_PATIENCE:.0f} s: check --ray-address, and `ray status` there"
            )

    def close(self) -> None:
        """Disconnect; give up on a cluster that does not answer."""
        if self.nodes:  # else it never was connected
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
            with _session(self._address, self._threads):
                asyncio.run(self._look())
        except LauncherError as error:
            self._error = error
        except Exception as error:  # after any error of Ray here the connection is of no use
            self._error = LauncherError(f"{GONE} ({type(error).__name__})")
        finally:
            self._ready.set()

    async def _look(self) -> None:
        """Look at the nodes from time to time, until it is over."""
        import ray

        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        while not self._over.is_set():
            self.nodes = [node for node in ray.nodes() if node.get("Alive")]
            self._heard = time.monotonic()
            self._ready.set()
            if not self.nodes:
                raise LauncherError(GONE)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), _BETWEEN_LOOKS)


@contextlib.contextmanager
def _session(address: str | None, threads: int) -> Iterator[None]:
    """In this block, this process is a driver of Ray.

    Raises:
        LauncherError: no cluster answers there.
    """
    variables = (
        _PATIENT | client_token(address) if address else _ALONE | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    )
    with contextlib.ExitStack() as cleanup:
        cleanup.enter_context(environment(_QUIET | variables))
        if address is None:
            folder = cleanup.enter_context(_short_folder())
            cleanup.callback(_shutdown)
            _start_alone(max(usable_cores(), threads), folder)
        else:
            _join(address)
            cleanup.callback(_shutdown)
        yield


def _have_sigterm_back() -> None:
    """Put Python's handler back: Ray replaces it by one that prints a page and ends the process."""
    handler = signal.getsignal(signal.SIGTERM)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _start_alone(cores: int, folder: str) -> None:
    import ray

    # Checked before anything is opened, so that no instance starts that others could reach.
    if ray.util.get_node_ip_address() != _LOOPBACK:
        raise LauncherError(
            f"Ray {ray.__version__} would listen on the network, not on {_LOOPBACK} alone: "
            "start a cluster yourself and name it with --ray-address, or use another version of Ray"
        )
    try:
        # A closed terminal or a service manager signals all processes of a sweep. Ray must survive that, so that the
        # points can save; Ray itself takes care of Ctrl-C alone.
        with signals_blocked(*STOPS):
            _init(
                num_cpus=cores, object_store_memory=_OBJECT_STORE, _temp_dir=folder, include_dashboard=False
            )
    except Exception as error:
        raise LauncherError(f"Ray does not start on this machine: {_reason(error)}") from error
    if {node["NodeManagerAddress"] for node in ray.nodes()} != {_LOOPBACK}:
        raise LauncherError(f"Ray {ray.__version__} listens on the network, not on {_LOOPBACK} alone")


def _join(address: str) -> None:
    try:
        try:
            _init(address)
        except ConnectionAbortedError:
            _init(address)  # a busy head sometimes gives up on a client, and has it at the next try
    except Exception as error:
        raise LauncherError(_unreachable(address, error)) from error


def _init(address: str = "local", **how: Any) -> None:
    import ray

    # Ray warns about everything that goes through its client.
    warnings.filterwarnings("ignore", module=r"ray(\.|$)")
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **how)
    logging.getLogger("ray").setLevel(logging.CRITICAL)  # which connecting sets anew


def _shutdown() -> None:
    import ray

    with contextlib.suppress(Exception):  # the cluster may be gone
        ray.shutdown()


def _unreachable(address: str, error: Exception) -> str:
    if address == "auto":
        return (
            "no Ray cluster runs on this machine: start one with `ray start --head`, give its address with "
            "--ray-address, or leave that out for one of its own"
        )
    return (
        f"no Ray cluster answers at {address} ({_reason(error)}): check --ray-address, `ray status` there, and "
        "that this machine has the token of the cluster (~/.ray/auth_token)"
    )


def _reason(error: Exception) -> str:
    """The first line of Ray's message, and the last one of a traceback in it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    headline, *more = lines_of(error)
    return (f"{headline} {more[-1]}" if headline.endswith(":") and more else headline).rstrip(".:")


def _short_folder() -> tempfile.TemporaryDirectory[str]:
    usual = tempfile.gettempdir()
    place = usual if len(usual) <= _LONGEST_FOLDER else "/tmp"
    return tempfile.TemporaryDirectory(prefix=f"clray-{os.getpid()}-", dir=place, ignore_cleanup_errors=True)
