"""A web session that ends: every byte of an answer is read before a deadline, and there are not too many of them.

The timeouts of sockets only bound the silence between two bytes, and nothing bounds how often a server says
"100 Continue". Importing this loads requests.
"""

from __future__ import annotations

import functools
import io
import time
from http.client import HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from centerloss_core.datasets.errors import DataError


def impatient_session(seconds: float, most_bytes: int) -> requests.Session:
    """A session that raises DataError for what takes longer from now on, or for an answer of more bytes."""
    session = requests.Session()
    adapter = _Adapter(functools.partial(_Response, until=time.monotonic() + seconds, most_bytes=most_bytes))
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return session


class _Adapter(HTTPAdapter):
    def __init__(self, response: Any) -> None:
        super().__init__()
        self._response = response

    def get_connection_with_tls_context(self, *arguments: Any, **more: Any) -> Any:
        """Where each request gets its connections from, with or without a proxy."""
        pool = super().get_connection_with_tls_context(*arguments, **more)
        kind: Any = pool.ConnectionCls
        pool.ConnectionCls = type(kind.__name__, (kind,), {"response_class": staticmethod(self._response)})
        return pool


class _Response(HTTPResponse):
    def __init__(self, *arguments: Any, until: float, most_bytes: int, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), until, most_bytes))


class _Reader(io.RawIOBase):
    """What comes from a socket, piece by piece."""

    def __init__(self, source: io.RawIOBase, until: float, most_bytes: int) -> None:
        self._source = source
        self._until = until
        self._left = most_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self._until:
            raise DataError("takes too long")
        count: int | None = self._source.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise DataError("sends more than the file and its headers can have")
        return count

    def close(self) -> None:
        self._source.close()
        super().close()
