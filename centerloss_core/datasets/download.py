"""Downloading a data set into the cache, one mirror after the other."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from centerloss_core.config.problems import shortened
from centerloss_core.datasets.arrays import DataError, UInt8Array
from centerloss_core.datasets.cache import cached_path
from centerloss_core.datasets.idx import decode_idx, largest_stored_size
from centerloss_core.datasets.known_files import KnownFile
from centerloss_core.files.atomic import atomic_write
from centerloss_core.limits import (
    ARCHIVE_SECONDS,
    DOWNLOAD_SECONDS,
    SECONDS_TO_CONNECT,
    SECONDS_WITHOUT_A_BYTE,
)


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


def download_archive(url: str, path: Path, most: int, md5: str) -> None:
    """Fetch a file of at most so many bytes to `path`, where it appears whole and as it is known, or not at all.

    Raises:
        DataError: it cannot be had, is another file, or cannot be written.
    """
    digest = hashlib.md5(usedforsecurity=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            for chunk in _chunks(url, most, ARCHIVE_SECONDS):
                digest.update(chunk)
                file.write(chunk)
            if digest.hexdigest() != md5:
                raise DataError("not the file that is known (its MD5 differs)")
    except DataError as error:
        raise DataError(f"{url}: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error


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
    content = bytearray()
    for chunk in _chunks(url, limit, DOWNLOAD_SECONDS):
        content += chunk
    return bytes(content)


def _chunks(url: str, limit: int, seconds: float) -> Iterator[bytes]:
    """What a server sends, as it arrives; DataError where that is too much, or takes too long."""
    import requests
    from urllib3.exceptions import HTTPError

    received = 0
    deadline = time.monotonic() + seconds
    try:
        with requests.get(url, timeout=(SECONDS_TO_CONNECT, SECONDS_WITHOUT_A_BYTE), stream=True) as response:
            response.raise_for_status()
            # read1 returns what has arrived: a server that sends a byte now and then does not delay the check.
            while chunk := response.raw.read1(1 << 16, decode_content=True):
                received += len(chunk)
                if received > limit:
                    raise DataError(f"sends more than {limit:,} bytes, so it is not the file")
                if time.monotonic() > deadline:
                    raise DataError(f"takes longer than {seconds:g} s")
                yield chunk
    # Every error of requests is an OSError; a garbled header is a ValueError.
    except (OSError, HTTPError, ValueError) as error:
        raise DataError(_reason(error)) from error


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
