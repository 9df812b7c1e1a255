"""Downloading a data set into the cache, one mirror after the other."""

import time
from collections.abc import Sequence
from pathlib import Path

from centerloss_core.config.problems import shortened
from centerloss_core.datasets.arrays import DataError, UInt8Array
from centerloss_core.datasets.cache import cached_path
from centerloss_core.datasets.idx import decode_idx, largest_stored_size
from centerloss_core.datasets.known_files import KnownFile
from centerloss_core.files.atomic import atomic_write
from centerloss_core.limits import DOWNLOAD_SECONDS, SECONDS_TO_CONNECT, SECONDS_WITHOUT_A_BYTE


def download(files: Sequence[KnownFile], cache: Path, mirrors: Sequence[str]) -> dict[KnownFile, UInt8Array]:
    """Fetch `files` into `cache`, from the first mirror that delivers them; the next one is asked for the rest.

    A mirror serves them under their plain names with .gz appended.

    A file is written only after its content has been recognised, and appears whole or not at all, also when several
    processes download at once.

    Returns:
        The arrays, uint8.

    Raises:
        DataError: with a line for each mirror that failed, or if the cache cannot be written.
    """
    arrays: dict[KnownFile, UInt8Array] = {}
    failures: list[str] = []
    for mirror in mirrors:
        try:
            # A whole mirror at a time: one that does not answer costs its timeout once, not once per file.
            for known in files:
                if known not in arrays:
                    stored, array = _fetch_and_check(known, mirror)
                    _keep(cached_path(cache, known), stored)
                    arrays[known] = array
        except _MirrorError as error:
            failures.append(str(error))
        else:
            return arrays
    raise DataError("\n".join(failures))


class _MirrorError(DataError):
    """A failure that another mirror may not have, unlike a cache that cannot be written."""


def _fetch_and_check(known: KnownFile, mirror: str) -> tuple[bytes, UInt8Array]:
    url = f"{mirror.rstrip('/')}/{known.name}.gz"
    try:
        stored = _fetch(url, limit=largest_stored_size(known))
        array = decode_idx(stored, known)
        if not known.is_as_offered(stored):
            raise DataError(f"well-formed, but not the {known.kind} of {known.data} (its MD5 differs)")
        return stored, array
    except DataError as error:
        raise _MirrorError(f"{url}: {error}") from error


def _fetch(url: str, limit: int) -> bytes:
    import requests
    from urllib3.exceptions import HTTPError

    content = bytearray()
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    try:
        with requests.get(url, timeout=(SECONDS_TO_CONNECT, SECONDS_WITHOUT_A_BYTE), stream=True) as response:
            response.raise_for_status()
            # read1 returns what has arrived: a server that sends a byte now and then does not delay the check.
            while chunk := response.raw.read1(1 << 16, decode_content=True):
                content += chunk
                if len(content) > limit:
                    raise DataError(f"sends more than {limit:,} bytes, so it is not the file")
                if time.monotonic() > deadline:
                    raise DataError(f"takes longer than {DOWNLOAD_SECONDS:g} s")
    # Every error of requests is an OSError; a garbled header is a ValueError.
    except (OSError, HTTPError, ValueError) as error:
        raise DataError(_reason(error)) from error
    return bytes(content)


def _reason(error: Exception) -> str:
    """Say in a few words what requests says in a paragraph."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"answered {response.status_code} {shortened(str(response.reason))}"
    return f"no complete answer ({type(error).__name__})"


def _keep(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(content)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
