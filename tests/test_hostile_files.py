"""Untrusted files: refused by name, with nothing run, nothing written, and no more memory than they have.

The same crafted archives are given to everything that reads one: feature dumps, checkpoints, Keras' `mnist.npz`.
"""

import contextlib
import io
import json
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from test_datasets import FakeMnist
from test_hostile_config import in_a_child

from centerloss_core.datasets import DataError, load_dataset, locate
from centerloss_core.datasets.mnist import MNIST
from centerloss_core.files.arrays import ArrayFileError, read_arrays
from centerloss_core.files.atomic import remove_directory
from centerloss_core.run_directory.checkpoints import (
    CheckpointError,
    DamagedCheckpointError,
    Position,
    read_config_text,
    read_position,
    read_state,
    verify_checkpoint,
    write_checkpoint,
)
from centerloss_core.run_directory.feature_dumps import FeatureFileError, read_features

# ---- archives that zipfile would not write


@dataclass
class Entry:
    """What an archive says of one member, true or not; None stands for the truth."""

    name: str
    data: bytes
    method: int = zipfile.ZIP_STORED
    flags: int = 0
    size: int | None = None
    packed: int | None = None
    offset: int | None = None
    crc: int | None = None


def archive_of(entries: list[Entry]) -> bytes:
    content, directory = b"", b""
    for entry in entries:
        name = entry.name.encode()
        offset = len(content) if entry.offset is None else entry.offset
        size = len(entry.data) if entry.size is None else entry.size
        packed = len(entry.data) if entry.packed is None else entry.packed
        crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
        # Every figure in its zip64 place, where it may have eight bytes.
        extra = struct.pack("<HHQQQ", 1, 24, size, packed, offset)
        most = 0xFFFFFFFF
        start = struct.pack("<HHHHI", entry.flags, entry.method, 0, 33, crc)
        content += b"PK\3\4" + struct.pack("<H", 45) + start + struct.pack("<IIHH", most, most, len(name), 0)
        content += name + entry.data
        directory += b"PK\1\2" + struct.pack("<HH", 45, 45) + start + struct.pack("<II", most, most)
        directory += struct.pack("<HHHHHII", len(name), len(extra), 0, 0, 0, 0, most) + name + extra
    counts = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(content), 0)
    return content + directory + b"PK\5\6" + counts


def with_a_64_bit_end(archive: bytes) -> bytes:
    """The same archive, its count and places said again with eight bytes each, as for one of 65,536 entries."""
    content, (count, size, start) = archive[:-22], struct.unpack("<10xHII2x", archive[-22:])
    end = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    place = struct.pack("<4sIQI", b"PK\6\7", 0, len(content), 1)
    most = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return content + end + place + most


def deflated(beginning: bytes, zeros: int) -> bytes:
    """A deflate stream of `beginning` and then that many zeros, a thousandth of their length."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = packer.compress(beginning) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return stream + block * (zeros >> 20) + packer.flush()


def npy(array: NDArray[Any], *, version: tuple[int, int] = (1, 0)) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    return file.getvalue()


def npy_header(literal: str) -> bytes:
    padded = literal.encode("latin-1") + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(padded)) + padded


def described(descr: object, shape: object) -> bytes:
    return npy_header(repr({"descr": descr, "fortran_order": False, "shape": shape}))


class Evil:
    """What makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def keras_model(marker: Path) -> bytes:
    """A saved Keras model with a Lambda layer, whose code Keras would run if it were told to."""
    layer = {"class_name": "Lambda", "config": {"function": f"lambda x: open({str(marker)!r}, 'w')"}}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr(
            "config.json", json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}})
        )
        archive.writestr("model.weights.h5", hdf5(marker))
    return file.getvalue()


def hdf5(marker: Path) -> bytes:
    """An HDF5 file whose array is said to lie in another file."""
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        root["features"] = h5py.ExternalLink(str(marker.with_name("secret")), "/x")
    return file.getvalue()


@dataclass
class Craft:
    """The members of a good archive, and the one to replace: (n, …) numbers that a reader expects."""

    arrays: dict[str, NDArray[Any]]
    victim: str
    marker: Path

    def with_victim(self, data: bytes, **lies: Any) -> bytes:
        return self.with_entry(Entry(f"{self.victim}.npy", data, **lies))

    def with_entry(self, *instead: Entry) -> bytes:
        """The victim comes first, so that no reader gets to the others before it."""
        others = [
            Entry(f"{name}.npy", npy(array)) for name, array in self.arrays.items() if name != self.victim
        ]
        return archive_of([*instead, *others])

    def good(self) -> bytes:
        return npy(self.arrays[self.victim])

    def pickled(self) -> bytes:
        objects = np.empty(self.arrays[self.victim].shape, dtype=object)
        objects.flat[0] = Evil(self.marker)
        file = io.BytesIO()
        np.lib.format.write_array(file, objects, allow_pickle=True)
        return file.getvalue()

    def announcing(self, rows: int) -> bytes:
        shape = (rows, *self.arrays[self.victim].shape[1:])
        return described(self.arrays[self.victim].dtype.str, shape)


def huge(craft: Craft, rows: int, **lies: Any) -> bytes:
    """A header that announces so many rows, in a member that is said to have them."""
    header = craft.announcing(rows)
    body = rows * craft.arrays[craft.victim][0].nbytes
    return craft.with_victim(header, size=len(header) + body, packed=len(header) + body, **lies)


def bomb(craft: Craft, rows: int, zeros: int) -> bytes:
    """A header that announces so many rows, and a stream that unpacks to so many zeros."""
    header = craft.announcing(rows)
    body = rows * craft.arrays[craft.victim][0].nbytes
    return craft.with_victim(deflated(header, zeros), method=zipfile.ZIP_DEFLATED, size=len(header) + body)


def headed(literal: str) -> Callable[[Craft], bytes]:
    return lambda craft: craft.with_victim(npy_header(literal) + craft.good()[-160:])


def typed(descr: object, shape: object = (20, 2), size: int = 0) -> Callable[[Craft], bytes]:
    return lambda craft: craft.with_victim(described(descr, shape) + bytes(size))


def lying(**lies: int) -> Callable[[Craft], bytes]:
    return lambda craft: craft.with_victim(craft.good(), **lies)


CRAFTED: dict[str, Callable[[Craft], bytes]] = {
    "a pickle inside": lambda craft: craft.with_victim(craft.pickled()),
    "a bare pickle": lambda craft: pickle.dumps(Evil(craft.marker)),
    "a Keras model with a Lambda layer": lambda craft: keras_model(craft.marker),
    "HDF5 with an external link": lambda craft: hdf5(craft.marker),
    "a name that leads outside": lambda craft: craft.with_entry(
        Entry("../../outside/evil.npy", craft.good())
    ),
    "an absolute name": lambda craft: craft.with_entry(Entry(str(craft.marker), craft.good())),
    "a name without .npy": lambda craft: craft.with_entry(Entry(craft.victim, craft.good())),
    "a name that steers the terminal": lambda craft: craft.with_entry(Entry("\x1b[2J.npy", craft.good())),
    "two entries of one name": lambda craft: craft.with_entry(
        *[Entry(f"{craft.victim}.npy", craft.good())] * 2
    ),
    "4 GiB behind a small header": lambda craft: bomb(craft, 20, 4 << 30),
    "768 MiB, announced": lambda craft: bomb(
        craft, (768 << 20) // craft.arrays[craft.victim][0].nbytes, 768 << 20
    ),
    "terabytes, announced": lambda craft: huge(craft, 1 << 40),
    "768 MiB, announced, not there": lambda craft: huge(
        craft, (768 << 20) // craft.arrays[craft.victim][0].nbytes
    ),
    "more than 64 bits": lambda craft: craft.with_victim(craft.announcing(1 << 70)),
    "a call as header": headed("__import__('os').system('touch marker')"),
    "a call inside a header": headed("{'descr': __import__('os').system('touch marker'), 'shape': ()}"),
    "60 kB of parentheses": headed("(" * 60_000),
    "9 kB of parentheses": headed("(" * 4500 + ")" * 4500),
    "9 kB of signs": headed("-" * 9000 + "1"),
    "a deep dtype": headed("{'descr': " + "[" * 150 + "]" * 150 + ", 'fortran_order': False, 'shape': ()}"),
    "a number of 5000 digits": headed(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1" + "0" * 5000 + ",)}"
    ),
    "a number of 4000 digits": headed(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1" + "0" * 4000 + ",)}"
    ),
    "format 2": lambda craft: craft.with_victim(npy(craft.arrays[craft.victim], version=(2, 0))),
    "format 3": lambda craft: craft.with_victim(npy(craft.arrays[craft.victim], version=(3, 0))),
    "format 2 with a header of 4 GB": lambda craft: craft.with_victim(
        b"\x93NUMPY\2\0\xff\xff\xff\xff" + bytes(300)
    ),
    "encrypted": lying(flags=1),
    "patched": lying(flags=0x20),
    "bzip2": lying(method=zipfile.ZIP_BZIP2),
    "lzma": lying(method=zipfile.ZIP_LZMA),
    "an unknown compression": lying(method=97),
    "a wrong checksum": lying(crc=1),
    "a size of 2^64 - 1": lying(size=2**64 - 1),
    "sizes of 2^64 - 1": lying(size=2**64 - 1, packed=2**64 - 1),
    "a packed size of 2^63": lying(packed=2**63),
    "a size of 0": lying(size=0, packed=0),
    "a size that is too small": lying(size=150, packed=150),
    "a place of 2^64 - 1": lying(offset=2**64 - 1),
    "a place of 2^62": lying(offset=2**62),
    "a place in the directory": lying(offset=3000),
    "structured": typed([("a", "<f4"), ("b", "<f4")], size=320),
    "structured with objects": typed([("a", "|O")], size=320),
    "void of no size": typed("|V0", (1 << 62,)),
    "text of no size": typed("|S0", (20, 2)),
    "text": typed("<U1", size=160),
    "an array as dtype": typed(("<f4", (2,)), (20,), size=160),
    "dates": typed("<M8[s]", size=320),
    "the other byte order": lambda craft: craft.with_victim(
        npy(craft.arrays[craft.victim].astype(craft.arrays[craft.victim].dtype.newbyteorder(">")))
    ),
    "negative sides": typed("<f4", (-20, -2), size=160),
    "a negative side": typed("<f4", (-1, 2)),
    "sides that are no numbers": typed("<f4", ("20", 2.0), size=160),
    "a directory of 70 kB": lambda craft: craft.with_entry(
        *[Entry(f"{'x' * 60}{number}.npy", b"") for number in range(560)]
    ),
    "a 64-bit end": lambda craft: with_a_64_bit_end(craft.with_victim(craft.good())),
    "a comment": lambda craft: craft.with_victim(craft.good())[:-2] + b"\3\0abc",
    "no entries": lambda craft: archive_of([]),
    "nothing": lambda craft: b"",
    "a page": lambda craft: b"<!DOCTYPE html><html>Not found</html>",
    "an end without a beginning": lambda craft: craft.with_victim(craft.good())[-60:],
    "half of it": lambda craft: craft.with_victim(craft.good())[:300],
}


def crafted(name: str, arrays: dict[str, NDArray[Any]], victim: str, path: Path) -> None:
    path.write_bytes(CRAFTED[name](Craft(arrays, victim, path.parent / "marker")))


def refusal(error: type[Exception], read: Callable[[], object], name: str) -> str:
    """The message with which a file is refused; `name` says which where it is not."""
    try:
        read()
    except error as refused:
        return str(refused)
    pytest.fail(f"accepted: {name}")


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(autouse=True)
def nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """No file appears beside those that a test made: none is unpacked, and none is a marker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CENTERLOSS_DATA_DIR", raising=False)
    yield
    assert not [name for name in tree(tmp_path) if "marker" in name or "evil" in name]
    assert not (tmp_path.parent / "outside").exists()


DUMP = {
    "features": np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32),
    "labels": np.arange(20, dtype=np.uint8) % 10,
    "predictions": np.arange(20, dtype=np.uint8) % 10,
    "centers": np.zeros((10, 2), np.float32),
}

# ---- feature dumps


def test_what_is_crafted_is_good_but_for_its_fault(tmp_path: Path) -> None:
    """Else a file would be refused for a reason that the test does not mean."""
    craft = Craft(DUMP, "features", tmp_path / "marker")
    path = tmp_path / "test-final.npz"
    path.write_bytes(craft.with_victim(craft.good()))
    np.testing.assert_array_equal(read_features(path).features, DUMP["features"])


def test_feature_dumps(tmp_path: Path) -> None:
    path = tmp_path / "test-final.npz"
    for name in CRAFTED:
        crafted(name, DUMP, "features", path)
        message = refusal(FeatureFileError, lambda: read_features(path), name)
        assert message.startswith(f"{path}: "), name
        assert len(f"{path}: ") < len(message) < 1000, name
        assert "\x1b" not in message, name
        assert os.listdir(tmp_path) == [path.name], name


def test_feature_dumps_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "zeros.npz").symlink_to("/dev/zero")
    (tmp_path / "loop.npz").symlink_to(tmp_path / "loop.npz")
    (tmp_path / "secret").write_text("root:x:0:0")
    (tmp_path / "link.npz").symlink_to(tmp_path / "secret")
    for name in ("folder.npz", "zeros.npz", "loop.npz", "link.npz"):
        with pytest.raises(FeatureFileError, match=name) as caught:
            read_features(tmp_path / name)
        assert "root:x" not in str(caught.value)


# ---- the state of a checkpoint

STATE = {
    "center_loss/centers": np.ones((20, 2), np.float32),
    "adam/iteration": np.int64(3) * np.ones((), np.int64),
}


def expecting(arrays: dict[str, NDArray[Any]]) -> Callable[[Any], None]:
    def check(headers: Any) -> None:
        if {name: (header.shape, header.dtype) for name, header in headers.items()} != {
            name: (array.shape, array.dtype) for name, array in arrays.items()
        }:
            raise ValueError("other arrays")

    return check


def test_states(tmp_path: Path) -> None:
    for name in CRAFTED:
        crafted(name, STATE, "center_loss/centers", tmp_path / "state.npz")
        message = refusal(CheckpointError, lambda: read_state(tmp_path, expecting(STATE)), name)
        assert message.startswith(f"{tmp_path / 'state.npz'}: "), name
        assert os.listdir(tmp_path) == ["state.npz"], name


@pytest.fixture(scope="module")
def train_step() -> Any:
    from test_train_step import make_step, random_split  # imports Keras

    return make_step(random_split(), model={"batch_norm": False}, optimizer="sgd", momentum=0.0)


def test_states_given_to_a_network(train_step: Any, tmp_path: Path) -> None:
    """What is refused leaves every variable as it was; numbers in the other byte order are the same numbers."""
    from centerloss_core.training.state import restore_state, state_of

    train_step.term.centers.assign(np.random.default_rng(1).normal(size=(10, 2)))
    before = state_of(train_step, 0)
    write_checkpoint(tmp_path / "good", before, POSITION, "data: {}\n")
    restore_state(tmp_path / "good", train_step)
    for name in CRAFTED:
        crafted(name, before, "center_loss/centers", tmp_path / "state.npz")
        if name == "the other byte order":
            restore_state(tmp_path, train_step)
            continue
        message = refusal(CheckpointError, lambda: restore_state(tmp_path, train_step), name)
        assert message.startswith(f"{tmp_path / 'state.npz'}: "), name
    after = state_of(train_step, 0)
    assert {name: array.tobytes() for name, array in after.items()} == {
        name: array.tobytes() for name, array in before.items()
    }
    assert not (tmp_path / "marker").exists()


# ---- memory

CHILD = """
import json, resource, sys
from pathlib import Path
from centerloss_core.run_directory.checkpoints import CheckpointError, read_state
from centerloss_core.datasets import DataError
from centerloss_core.datasets.mnist import FILES
from centerloss_core.datasets.npz import read_npz
from centerloss_core.run_directory.feature_dumps import FeatureFileError, read_features

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before, accepted = peak(), []
for path in sorted(Path(sys.argv[1]).iterdir()):
    for reader, read, error in (
        ("dump", lambda: read_features(path / "state.npz"), FeatureFileError),
        # A check that refuses nothing: what is left is what the reader itself refuses.
        ("state", lambda: read_state(path, lambda headers: None), CheckpointError),
        ("mnist", lambda: read_npz(path / "state.npz", FILES[:1]), DataError),
    ):
        try:
            read()
        except error:
            continue
        accepted.append((reader, path.name))
loaded = [name for name in ("tensorflow", "jax", "keras", "h5py") if name in sys.modules]
assert not loaded, loaded
print(json.dumps([accepted, peak() - before]))
"""

# Arrays like any other, which nobody asked for: the state's own check refuses these.
ANY_ARRAYS = {
    *("a name that leads outside", "structured", "void of no size", "text of no size", "text", "dates"),
    *("the other byte order", "no entries"),
}


def sizeable(path: Path, directory: int) -> None:
    """A sparse file of 6 GiB whose end says that so many bytes before it are its directory."""
    size = 6 << 30
    with path.open("wb") as file:
        file.seek(size)
        file.write(
            struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, directory, (size - directory) & 0xFFFFFFFF, 0)
        )


def crowded(path: Path, entries: int) -> None:
    """A directory of so many entries without a name, and nothing else."""
    entry = b"PK\1\2" + bytes(42)
    size = entries * len(entry)
    path.write_bytes(entry * entries + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 9, 9, size, 0, 0))


def test_no_archive_takes_memory_that_it_does_not_have(tmp_path: Path) -> None:
    names = {f"{number:02}": name for number, name in enumerate(CRAFTED)}
    for folder, name in names.items():
        (tmp_path / folder).mkdir()
        crafted(name, DUMP, "features", tmp_path / folder / "state.npz")
    for folder in ("sparse", "crowded"):
        (tmp_path / folder).mkdir()
    sizeable(tmp_path / "sparse" / "state.npz", 3 << 30)
    crowded(tmp_path / "crowded" / "state.npz", 500_000)
    accepted, growth = json.loads(in_a_child(CHILD, tmp_path))
    assert {(reader, names.get(folder, folder)) for reader, folder in accepted} == {
        ("state", name) for name in ANY_ARRAYS
    }
    assert growth < 100 * 1024  # KiB


# ---- the small files of a checkpoint

POSITION = Position(3, "0" * 64, 10, 1, {"a": 0.1, "b": 0.2}, 1.5, 1.0, 1, 0.0)


def as_json(**changes: Any) -> bytes:
    return json.dumps(asdict(POSITION) | changes).encode()


POSITIONS = {
    "huge": b" " * (1 << 20) + as_json(),
    "deep": b"[" * 100_000,
    "deep mappings": b'{"step":' * 100_000,
    "deep inside": as_json().replace(b"0.1", b"[" * 20_000),
    "no JSON": b"data: {}",
    "a pickle": pickle.dumps(asdict(POSITION)),
    "not UTF-8": b"\xff\xfe" + as_json(),
    "empty": b"",
    "a list": b"[]",
    "null": b"null",
    "a key too many": as_json(more=1),
    "a key too few": as_json().replace(b'"step": 3, ', b""),
    "true for a count": as_json(step=True),
    "false for a count": as_json(metrics_bytes=False),
    "true for a time": as_json(seconds=True),
    "a fraction for a count": as_json(step=3.0),
    "a text for a count": as_json(step="3"),
    "a negative count": as_json(sessions=-1),
    "a count that no file has": as_json(metrics_bytes=10**30),
    "a count of 4000 digits": as_json(step=3).replace(b'"step": 3', b'"step": ' + b"9" * 4000),
    "a count of 5000 digits": as_json(step=3).replace(b'"step": 3', b'"step": ' + b"9" * 5000),
    "a time of 400 digits": as_json(seconds=10**400),
    "a figure of 400 digits": as_json(interval_sums={"accuracy": 10**400}),
    "NaN": as_json(seconds=float("nan")),
    "Infinity": as_json(interval_began=float("inf")),
    "1e999": as_json(seconds=1.5).replace(b'"seconds": 1.5', b'"seconds": 1e999'),
    "null for a time": as_json(seconds=None),
    "a mapping as data": as_json(data={}),
    "data that steers the terminal": as_json(data="\x1b[2J"),
    "data that is no text": as_json(data="\ud800"),
    "sums without names": as_json(interval_sums=[1, 2, 3, 4]),
    "sums of texts": as_json(interval_sums={"accuracy": "1"}),
    "sums of booleans": as_json(interval_sums={"accuracy": True}),
    "sums to which nothing can be added": as_json(interval_sums={"accuracy": 1.7e308}),
}


def test_positions(tmp_path: Path) -> None:
    (tmp_path / "position.json").write_bytes(as_json())
    assert read_position(tmp_path) == POSITION
    for name, content in POSITIONS.items():
        (tmp_path / "position.json").write_bytes(content)
        message = refusal(CheckpointError, lambda: read_position(tmp_path), name)
        assert message.startswith(f"{tmp_path / 'position.json'}: is not the position of a run ("), name
        assert message.isprintable(), name
        assert len(message) < 500, name


def test_configs_of_a_checkpoint(tmp_path: Path) -> None:
    for content in (b"x" * (1 << 20) + b"x", b"\xff"):
        (tmp_path / "config.yaml").write_bytes(content)
        message = refusal(CheckpointError, lambda: read_config_text(tmp_path), str(content[:9]))
        assert message.startswith(f"{tmp_path / 'config.yaml'}: cannot be read (")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "step-00000003"
    write_checkpoint(path, STATE, POSITION, "data: {}\n")
    verify_checkpoint(path)
    return path


def test_sums_that_were_not_written(checkpoint: Path) -> None:
    path = checkpoint / "SHA256SUMS"
    sums = path.read_bytes()
    for changed in (
        b"",
        sums * 2,
        sums + b"0" * 64 + b"  ../../outside\n",
        sums.replace(b"state.npz", b"/etc/passwd"),
        sums[: len(sums) // 3],
        sums.upper(),
        b"x" * (2 << 20),
        b"\xff\0" * 50,
    ):
        path.write_bytes(changed)
        with pytest.raises(DamagedCheckpointError, match=checkpoint.name):
            verify_checkpoint(checkpoint)


READERS: dict[str, Callable[[Path], object]] = {
    "state.npz": lambda path: read_state(path, expecting(STATE)),
    "position.json": read_position,
    "config.yaml": read_config_text,
    "SHA256SUMS": verify_checkpoint,
}


@pytest.mark.parametrize("name", READERS)
def test_a_file_of_a_checkpoint_that_is_a_device_a_pipe_a_folder_or_missing(
    name: str, checkpoint: Path
) -> None:
    """A link to a device or a pipe would be read for ever."""
    file = checkpoint / name
    make: dict[str, Callable[[], None]] = {
        "device": lambda: file.symlink_to("/dev/zero"),
        "pipe": lambda: os.mkfifo(file),
        "folder": file.mkdir,
        "loop": lambda: file.symlink_to(file),
        "missing": lambda: None,
    }
    file.unlink()
    for kind, put in make.items():
        put()
        for read in (READERS[name], verify_checkpoint):
            assert str(checkpoint) in refusal(CheckpointError, lambda read=read: read(checkpoint), kind)
        if kind == "folder":
            file.rmdir()
        else:
            file.unlink(missing_ok=True)


@pytest.mark.parametrize("name", READERS)
def test_a_link_that_points_outside_is_neither_shown_nor_followed_in_removing(
    name: str, checkpoint: Path
) -> None:
    secret = checkpoint.parent / "secret"
    secret.write_text("root:x:0:0")
    (checkpoint / name).unlink()
    (checkpoint / name).symlink_to(secret)
    assert "root:x" not in refusal(DamagedCheckpointError, lambda: verify_checkpoint(checkpoint), name)
    if name in ("state.npz", "position.json"):
        message = refusal(CheckpointError, lambda: READERS[name](checkpoint), name)
        assert name in message
        assert "root:x" not in message
    remove_directory(checkpoint)
    assert secret.read_text() == "root:x:0:0"


# ---- MNIST


@pytest.fixture(scope="module")
def fake() -> FakeMnist:
    return FakeMnist()


def test_archives_of_mnist(fake: FakeMnist, tmp_path: Path) -> None:
    """Refused, or else the genuine images: what this reader takes is decided by their SHA-256."""
    path = tmp_path / "mnist.npz"
    for name in CRAFTED:
        crafted(name, fake.arrays, "x_train", path)
        if name in MNIST_IN_ANOTHER_WRAPPING:
            fake.assert_loads_from(tmp_path)
        else:
            assert f"  - {path}: " in fake.refusal(tmp_path), name


def test_archives_of_ones_own_images(fake: FakeMnist, tmp_path: Path) -> None:
    """Refused by name, or else arrays of numbers like any other: nothing but what they announce is ever read."""
    path = tmp_path / "mine.npz"
    accepted = set()
    for name in CRAFTED:
        for victim in ("x_train", "y_train"):
            crafted(name, fake.arrays, victim, path)
            with contextlib.suppress(DataError):
                load_dataset("npz", dir=path)
                accepted.add(name)
    assert accepted == {"two entries of one name", "a packed size of 2^63", "the other byte order"}


# Bytes have no order.
MNIST_IN_ANOTHER_WRAPPING = (
    *("two entries of one name", "the other byte order", "a packed size of 2^63", "a size of 2^64 - 1"),
)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 300, "cannot be read (File name too long)"),
        ("x/" * 3000, "cannot be read (File name too long)"),
        ("loop", "no such folder"),
        ("~nobody-has-this-name/mnist", "no such folder"),
    ],
)
def test_data_folders_that_cannot_be(
    name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert reason in refusal(DataError, lambda: load_dataset("mnist", dir=name), name)
    assert "which cannot be used: " in locate("mnist", dir=name)
    monkeypatch.setenv("CENTERLOSS_DATA_DIR", name)
    assert reason in refusal(DataError, MNIST.load_from, name)


# ---- the reader below them all


def test_an_archive_that_is_good_may_still_be_refused_by_its_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **DUMP)
    with pytest.raises(ArrayFileError, match=r"compressed; expected arrays as numpy\.savez writes them"):
        read_arrays(path, lambda headers: None)
