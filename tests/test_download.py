"""The download, against servers on this machine that behave well or badly."""

import gzip
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from test_datasets import FakeMnist, mnist_of

from centerloss_core.datasets import DataError


class Answer(NamedTuple):
    """What a mirror sends for one address."""

    body: bytes
    status: int = 200
    announced: int | None = None  # Content-Length, where it is not that of the body
    encoding: str | None = None
    phrase: str | None = None  # behind the status, where it is not the usual one
    stalls_after: int | None = None  # bytes of the body; -1: before anything is sent
    drips: bool = False  # a byte at a time


class Mirror:
    """A web server for four files; `answers` says what it sends, `requests` what it was asked for.

    What stalls does so until `released`; `meeting` lets several clients wait for one another at the first file.
    """

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = answers
        self.requests: list[str] = []
        self.released = threading.Event()
        self.meeting: threading.Barrier | None = None
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.requests.append(self.path)
                answer = mirror.answers.get(self.path.lstrip("/"), Answer(b"no such file", status=404))
                if mirror.meeting is not None and self.path == f"/{FIRST}":
                    mirror.meeting.wait()
                if answer.stalls_after == -1:
                    mirror.released.wait()
                with suppress(OSError):  # the client has gone
                    self.answer(answer)

            def answer(self, answer: Answer) -> None:
                self.send_response(answer.status, answer.phrase)
                length = len(answer.body) if answer.announced is None else answer.announced
                self.send_header("Content-Length", str(length))
                if answer.encoding:
                    self.send_header("Content-Encoding", answer.encoding)
                self.end_headers()
                if answer.stalls_after is not None:
                    self.wfile.write(answer.body[: answer.stalls_after])
                    mirror.released.wait()
                    return
                for byte in answer.body if answer.drips else ():
                    self.wfile.write(bytes([byte]))
                    if mirror.released.wait(0.01):
                        return
                self.wfile.write(b"" if answer.drips else answer.body)

            def log_message(self, *_: object) -> None:
                """Keep the terminal quiet."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


FAKE = FakeMnist()
FILES = FAKE.files
STORED = {f"{name}.gz": gzip.compress(content) for name, content in FAKE.content.items()}
FIRST = "train-images-idx3-ubyte.gz"
GOOD = {name: Answer(body) for name, body in STORED.items()}
StartMirror = Callable[[dict[str, Answer]], Mirror]


@pytest.fixture
def start_mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartMirror]:
    monkeypatch.delenv("CENTERLOSS_DATA_DIR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running: list[Mirror] = []

    def start(answers: dict[str, Answer]) -> Mirror:
        running.append(Mirror(answers))
        return running[-1]

    yield start
    for mirror in running:
        mirror.close()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "centerloss"


def load(cache: Path, *mirrors: Mirror) -> str:
    """Load from the mirrors, assert that all is there, and return the source in words."""
    train, test, _, source, *_ = mnist_of(FILES, [mirror.url for mirror in mirrors], cache).load_from()
    assert (len(train), len(test)) == (50, 20)
    return source


def refusal(cache: Path, *mirrors: Mirror) -> str:
    with pytest.raises(DataError) as caught:
        mnist_of(FILES, [mirror.url for mirror in mirrors], cache).load_from()
    message = str(caught.value)
    solutions = "\n".join(caught.value.__notes__)
    for way in ("data.dir", "CENTERLOSS_DATA_DIR", "data.name to mnist5k"):
        assert way in solutions
    return message


def test_the_first_mirror_is_enough_and_is_asked_once(start_mirror: StartMirror, cache: Path) -> None:
    first, second = start_mirror(GOOD), start_mirror(GOOD)
    urls = [first.url, second.url]
    assert mnist_of(FILES, urls, cache).place_of() == f"a download from {urls[0]}, then {urls[1]}"
    assert load(cache, first, second) == f"a download, kept in the cache {cache}"
    assert sorted(path.name for path in cache.iterdir()) == sorted(STORED)

    assert mnist_of(FILES, urls, cache).place_of() == f"the cache {cache}"
    assert load(cache, first, second) == f"the cache {cache}"
    assert first.requests == [f"/{known.name}.gz" for known in FILES]
    assert second.requests == []


def test_the_second_mirror_delivers_what_the_first_does_not_have(
    start_mirror: StartMirror, cache: Path
) -> None:
    first = start_mirror({FIRST: GOOD[FIRST]})
    second = start_mirror(GOOD)
    load(cache, first, second)
    assert first.requests == [f"/{FIRST}", "/train-labels-idx1-ubyte.gz"]
    assert second.requests == [f"/{known.name}.gz" for known in FILES[1:]]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(b"gone", status=404), "answered 404 Not Found"),
        (Answer(b"", status=404, phrase="\x1b[2J" + "x" * 1000), f"answered 404 \\x1b[2J{'x' * 52}…"),
        (Answer(b"broken", status=503), "answered 503 Service Unavailable"),
        (Answer(b"<html>Please log in</html>"), "neither gzip nor IDX: it starts with b'<html>Please"),
        (Answer(STORED[FIRST][:-100]), "truncated: the gzip data breaks off"),
        (Answer(STORED[FIRST][:-100], announced=len(STORED[FIRST])), "no complete answer"),
        (Answer(STORED["t10k-images-idx3-ubyte.gz"]), "announces 20 × 28 × 28"),
        (Answer(gzip.compress(gzip.decompress(STORED[FIRST])[:-1] + b"\xff")), "its SHA-256 differs"),
        (Answer(b""), "only 0 bytes"),
        (Answer(bytes(1 << 20)), "sends more than"),
        (Answer(gzip.compress(bytes(4 << 20))), "IDX of type 0x00"),
        (Answer(gzip.compress(bytes(64 << 20))), "sends more than"),
        (Answer(gzip.compress(bytes(64 << 20)), encoding="gzip"), "sends more than"),
        (Answer(b"not gzip at all", encoding="gzip"), "no complete answer"),
    ],
)
def test_a_bad_answer_is_refused_and_leaves_nothing(
    start_mirror: StartMirror, cache: Path, answer: Answer, reason: str
) -> None:
    first, second = start_mirror(GOOD | {FIRST: answer}), start_mirror({})
    message = refusal(cache, first, second)
    assert f"the cache {cache}: lacks 4 of 4 files" in message
    assert f"{first.url}{FIRST}: {reason}" in message.replace(
        "well-formed, but not the images of MNIST (", ""
    )
    assert f"{second.url}{FIRST}: answered 404" in message
    assert not cache.exists()

    load(cache, first, start_mirror(GOOD))


@pytest.mark.parametrize("sent", [-1, 0, 100])
def test_a_server_that_stalls_is_given_up(
    sent: int, start_mirror: StartMirror, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its answer, before the first byte and in the middle; each mirror costs its timeout once."""
    monkeypatch.setattr("centerloss_core.datasets.download.SECONDS_WITHOUT_A_BYTE", 0.1)
    stalled = {name: answer._replace(stalls_after=sent) for name, answer in GOOD.items()}
    mirror = start_mirror(stalled)
    assert f"{mirror.url}{FIRST}: no complete answer (" in refusal(cache, mirror)
    assert mirror.requests == [f"/{FIRST}"]
    assert not cache.exists()

    assert load(cache, mirror, start_mirror(GOOD)) == f"a download, kept in the cache {cache}"
    assert mirror.requests == [f"/{FIRST}"] * 2


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(
    start_mirror: StartMirror, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dripping = start_mirror({name: answer._replace(drips=True) for name, answer in GOOD.items()})
    monkeypatch.setattr("centerloss_core.datasets.download.DOWNLOAD_SECONDS", 0.1)
    assert f"{dripping.url}{FIRST}: takes longer than 0.1 s" in refusal(cache, dripping)
    assert not cache.exists()


def test_no_server_at_all(start_mirror: StartMirror, cache: Path) -> None:
    gone = Mirror({})
    gone.close()
    assert f"{gone.url}{FIRST}: no complete answer (ConnectionError)" in refusal(cache, gone)


def test_only_what_is_missing_or_damaged_is_fetched(start_mirror: StartMirror, cache: Path) -> None:
    assert "lacks 4 of 4" in refusal(cache, start_mirror({FIRST: GOOD[FIRST]}))
    assert [path.name for path in cache.iterdir()] == [FIRST]
    load(cache, later := start_mirror(GOOD))
    assert later.requests == [f"/{known.name}.gz" for known in FILES[1:]]

    (cache / FIRST).write_bytes(b"damaged")
    assert f"{cache / FIRST}: neither gzip nor IDX" in refusal(cache, start_mirror({}))
    load(cache, later := start_mirror(GOOD))
    assert later.requests == [f"/{FIRST}"]
    assert (cache / FIRST).read_bytes() == STORED[FIRST]


def test_a_server_that_unpacks_on_the_way(start_mirror: StartMirror, cache: Path) -> None:
    """Content-Encoding: gzip makes the client unpack the file, which keeps its name."""
    load(cache, start_mirror({name: Answer(body, encoding="gzip") for name, body in STORED.items()}))
    load(cache)


# One process that starts eight: what they import is imported once.
EIGHT = """
import os, sys
from pathlib import Path
import requests, urllib3

sys.path.insert(0, sys.argv[1])
from test_datasets import FakeMnist, mnist_of

children = []
for _ in range(8):
    children.append(os.fork())
    if not children[-1]:
        fake = FakeMnist()
        train, test, _, source, *_ = mnist_of(fake.files, [sys.argv[3]], Path(sys.argv[2])).load_from()
        fake.assert_holds(train, test)
        os.write(1, source.encode() + b"\\n")
        os._exit(0)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
"""


@pytest.mark.skipif(os.name == "nt", reason="starts processes by fork")
def test_eight_processes_at_once_leave_one_good_copy(start_mirror: StartMirror, cache: Path) -> None:
    """None is answered before all have asked, so that each finds the damaged file and replaces it."""
    cache.mkdir(parents=True)
    (cache / FIRST).write_bytes(b"damaged")
    mirror = start_mirror(GOOD)
    mirror.meeting = threading.Barrier(8, timeout=120)
    tests = Path(__file__).parent
    arguments = [sys.executable, "-c", EIGHT, str(tests), str(cache), mirror.url]
    done = subprocess.run(
        arguments, cwd=tests.parent, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"a download, kept in the cache {cache}\n" * 8
    assert mirror.requests.count(f"/{FIRST}") == 8
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == STORED
    assert load(cache) == f"the cache {cache}"


def test_a_cache_that_cannot_be_written(start_mirror: StartMirror, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mirror = start_mirror(GOOD)
    message = refusal(tmp_path / "file" / "cache", mirror, mirror)
    assert f"{tmp_path / 'file' / 'cache' / FIRST}: cannot be written" in message
    assert mirror.requests == [f"/{FIRST}"]  # another mirror would not help


def test_a_write_that_fails_leaves_nothing(
    start_mirror: StartMirror, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert "cannot be written (No space left on device)" in refusal(cache, start_mirror(GOOD))
    assert list(cache.iterdir()) == []
