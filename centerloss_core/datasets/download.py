"""Downloading MNIST into the cache, one mirror after the other."""

from collections.abc import Sequence
from pathlib import Path

from centerloss_core.config.problems import shortened
from centerloss_core.datasets.arrays import UInt8Array
from centerloss_core.datasets.errors import DataError
from centerloss_core.datasets.idx import decode_idx, largest_stored_size
from centerloss_core.datasets.known_files import KnownFile
from centerloss_core.files.atomic import atomic_write

# Each serves the four files under their plain names with .gz appended.
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

# Seconds to connect, and seconds without a single byte, after which the next mirror is tried.
_TIMEOUT = (10, 30)

# Seconds for a whole file, 10 MB at most: a byte a second is no answer either. And bytes of headers.
_LONGEST = 600.0
_MOST_HEADERS = 1 << 16


def cached_path(cache: Path, known: KnownFile) -> Path:
    """Where the cache keeps a file."""
    return cache / f"{known.name}.gz"


def download(files: Sequence[KnownFile], cache: Path, mirrors: Sequence[str]) -> dict[KnownFile, UInt8Array]:
    """Fetch `files` into `cache`, from the first mirror that delivers; what it fails on is asked of the next.

    A file is written only after its content has been recognised, and appears whole or not at all: of two
    processes that download at once, each leaves a good copy.

    Returns:
        The arrays, uint8.

    Raises:
        DataError: with a line for each mirror that failed, or if the cache cannot be written.
    """
    arrays: dict[KnownFile, UInt8Array] = {}
    failures: list[str] = []
    for mirror in mirrors:
        try:
            # A whole mirror at a time: one that does not answer costs its timeout once, not once a file.
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
    """What another mirror may do better; a cache that cannot be written is not of that kind."""


def _fetch_and_check(known: KnownFile, mirror: str) -> tuple[bytes, UInt8Array]:
    url = f"{mirror.rstrip('/')}/{known.name}.gz"
    try:
        stored = _fetch(url, limit=largest_stored_size(known))
        return stored, decode_idx(stored, known)
    except DataError as error:
        raise _MirrorError(f"{url}: {error}") from error


def _fetch(url: str, limit: int) -> bytes:
    from centerloss_core.datasets.patience import impatient_session

    buffer = _BoundedBuffer(limit)
    try:
        with (
            impatient_session(_LONGEST, limit + _MOST_HEADERS) as session,
            session.get(url, timeout=_TIMEOUT, stream=True) as response,
        ):
            response.raise_for_status()
            for chunk in response.iter_content(chunk_size=1 << 16):
                buffer.write(chunk)
    # Every error of requests is an OSError; a garbled header is a ValueError.
    except (OSError, ValueError) as error:
        raise DataError(_reason(error)) from error
    return bytes(buffer.content)


class _BoundedBuffer:
    """A file to download into that keeps a server from filling the memory."""

    def __init__(self, limit: int) -> None:
        self.content = bytearray()
        self._limit = limit

    def write(self, chunk: bytes) -> None:
        self.content += chunk
        if len(self.content) > self._limit:
            raise DataError(f"sends more than {self._limit:,} bytes, so it is not the file")


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
