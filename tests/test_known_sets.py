"""The known data sets beside MNIST, in tiny files of their formats."""

import gzip
import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_datasets import FakeMnist, idx
from test_download import Answer, StartMirror, start_mirror  # noqa: F401

from centerloss_core.datasets import DataError, known_files, known_size, load_dataset, locate, train_size
from centerloss_core.datasets.archive import Archive
from centerloss_core.datasets.fashion_mnist import FASHION_MNIST
from centerloss_core.datasets.kmnist import KMNIST

RNG = np.random.default_rng(0)
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    return


def refusal(name: str, path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(name, dir=path, **settings)
    return "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


# ---- like MNIST


def test_fashion_mnist_is_known_by_its_content(tmp_path: Path) -> None:
    fake = FakeMnist()
    files = tuple(replace(known, data="Fashion-MNIST") for known in fake.files)
    fashion = replace(FASHION_MNIST, files=files)
    found = fashion.load_from(fake.write(tmp_path / "FashionMNIST" / "raw").parents[1])
    assert (found.title, found.class_names[-1]) == ("Fashion-MNIST", "Ankle boot")
    (tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte.gz").write_bytes(
        idx(255 - fake.arrays["x_train"])
    )
    with pytest.raises(DataError, match="not the images of Fashion-MNIST") as caught:
        fashion.load_from(tmp_path)
    assert "set data.dir to a folder with the four Fashion-MNIST files" in "\n".join(caught.value.__notes__)
    assert "CENTERLOSS_DATA_DIR" not in "\n".join(caught.value.__notes__)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_full_fashion_mnist() -> None:
    data = load_dataset("fashion_mnist", dir=DEBIAN)
    assert (len(data.train), len(data.test), data.class_names[9]) == (60_000, 10_000, "Ankle boot")


def test_kmnist_is_known_by_its_shape_and_a_download_by_its_hash(
    tmp_path: Path,
    start_mirror: StartMirror,  # noqa: F811
) -> None:
    fake = FakeMnist()
    stored = {f"{name}.gz": gzip.compress(content) for name, content in fake.content.items()}
    files = tuple(
        replace(
            known, sha256=None, data="KMNIST", md5_of_gz=hashlib.md5(stored[f"{known.name}.gz"]).hexdigest()
        )
        for known in fake.files
    )
    mirror = start_mirror({name: Answer(content) for name, content in stored.items()})
    kmnist = replace(KMNIST, files=files, mirrors=[mirror.url])
    assert kmnist.load_from().class_names[0] == "o"
    assert sorted(path.name for path in Path(os.environ["XDG_CACHE_HOME"]).rglob("kmnist/*")) == sorted(
        stored
    )
    other = replace(
        kmnist, files=(replace(files[0], md5_of_gz="0" * 32), *files[1:]), cache=tmp_path / "other"
    )
    with pytest.raises(DataError, match=r"not the images of KMNIST \(its MD5 differs\)"):
        other.load_from()
    labels = fake.arrays["y_train"].copy()
    labels[3] = 10
    (fake.write(tmp_path / "own") / "train-labels-idx1-ubyte.gz").write_bytes(idx(labels))
    with pytest.raises(DataError, match="its labels are not 0 … 9"):
        kmnist.load_from(tmp_path / "own")


def test_files_of_another_known_set_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KMNIST, whose own hashes are not known, takes none that are those of another set; `idx` takes any."""
    fake = FakeMnist()
    folder = fake.write(tmp_path)
    monkeypatch.setitem(known_files.SHA256, "MNIST", tuple(known.sha256 for known in fake.files))
    for known_set, data in ((FASHION_MNIST, "Fashion-MNIST"), (KMNIST, "KMNIST")):
        files = tuple(
            replace(known, data=data, sha256=None if data == "KMNIST" else "0" * 64) for known in fake.files
        )
        with pytest.raises(
            DataError, match=rf"not the images of {data} \(these are the training images of MNIST"
        ):
            replace(known_set, files=files).load_from(folder)
    assert len(load_dataset("idx", dir=folder).train) == len(fake.arrays["y_train"])


def test_what_would_be_downloaded_is_known_without_it() -> None:
    for name, settings, size in (
        ("fashion_mnist", {}, 60_000),
        ("kmnist", {}, 60_000),
        ("emnist", {"split": "letters"}, 124_800),
        ("cifar10", {}, 50_000),
        ("cifar100", {}, 50_000),
    ):
        assert locate(name, **settings).startswith("a download from http")
        assert train_size(name, **settings, validation=100) == size - 100
        known = known_size(name, **settings)
        assert known is not None
        assert known.image_shape == ((32, 32, 3) if "cifar" in name else (28, 28, 1))


# ---- EMNIST


def emnist_files(split: str = "letters", first: int = 1, classes: int = 26) -> dict[str, bytes]:
    files = {}
    for part, count in (("train", 2 * classes), ("test", classes)):
        images = RNG.integers(0, 256, (count, 28, 28))
        files[f"emnist-{split}-{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(images))
        files[f"emnist-{split}-{part}-labels-idx1-ubyte.gz"] = gzip.compress(
            idx(first + np.arange(count) % classes)
        )
    return files


def test_emnist(tmp_path: Path) -> None:
    letters = emnist_files()
    (tmp_path / "EMNIST" / "raw").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "gzip.zip", "w") as archive:
        for name, content in {**letters, **emnist_files("balanced", 0, 47)}.items():
            archive.writestr(f"gzip/{name}", content)
    for name, content in letters.items():
        (tmp_path / "EMNIST" / "raw" / name).write_bytes(content)
    for place in (tmp_path, tmp_path / "gzip.zip", tmp_path / "EMNIST" / "raw"):
        data = load_dataset("emnist", dir=place, split="letters")
        assert (data.title, data.class_names[:2], data.num_classes) == ("EMNIST letters", ("a", "b"), 26)
        assert (data.train.labels[:2].tolist(), train_size("emnist", dir=place, split="letters")) == (
            [0, 1],
            52,
        )
        stored = gzip.decompress(letters["emnist-letters-train-images-idx3-ubyte.gz"])[16 : 16 + 28 * 28]
        np.testing.assert_array_equal(data.train.images[0, ..., 0].T.ravel(), np.frombuffer(stored, np.uint8))
    balanced = load_dataset("emnist", dir=tmp_path / "gzip.zip", split="balanced")
    assert (balanced.num_classes, balanced.class_names[36]) == (47, "a")
    assert "lacks emnist-digits-train-images-idx3-ubyte" in refusal(
        "emnist", tmp_path / "gzip.zip", split="digits"
    )
    (tmp_path / "empty").mkdir()
    message = refusal("emnist", tmp_path / "empty", split="digits")
    assert "has neither the files of EMNIST nor emnist-gzip.zip" in message
    assert "download https://biometrics.nist.gov" in message
    for name, content in emnist_files(first=0).items():
        (tmp_path / "EMNIST" / "raw" / name).write_bytes(content)
    assert "the labels of letters are not 1 … 26" in refusal(
        "emnist", tmp_path / "EMNIST" / "raw", split="letters"
    )
    assert "data.split" in refusal("emnist", tmp_path)


# ---- CIFAR


def records(count: int, *labels: int) -> bytes:
    """Made records: so many labels of a byte each, up to these, and 3,072 pixels."""
    table = RNG.integers(0, 256, (count, len(labels) + 3072)).astype(np.uint8)
    for column, most in enumerate(labels):
        table[:, column] = np.arange(count) % most
    return table.tobytes()


CIFAR10 = {
    **{f"data_batch_{number}.bin": records(20, 10) for number in range(1, 6)},
    "test_batch.bin": records(10, 10),
    "batches.meta.txt": b"airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n",
}
CIFAR100 = {
    "train.bin": records(200, 20, 100),
    "test.bin": records(100, 20, 100),
    "coarse_label_names.txt": "\n".join(f"coarse{number}" for number in range(20)).encode(),
    "fine_label_names.txt": "\n".join(f"fine{number}" for number in range(100)).encode(),
}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def tar_gz(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_cifar10(tmp_path: Path) -> None:
    write(tmp_path / "cifar-10-batches-bin", CIFAR10)
    archive = tar_gz(
        tmp_path / "cifar-10-binary.tar.gz",
        {f"cifar-10-batches-bin/{name}": content for name, content in CIFAR10.items()},
    )
    prints = set()
    for place in (tmp_path, tmp_path / "cifar-10-batches-bin", archive):
        data = load_dataset("cifar10", dir=place)
        assert (data.title, data.image_shape, data.class_names[3]) == ("CIFAR-10", (32, 32, 3), "cat")
        assert (len(data.train), len(data.test), train_size("cifar10", dir=place)) == (100, 10, 100)
        first = np.frombuffer(CIFAR10["data_batch_1.bin"], np.uint8)[:3073]
        assert data.train.labels[0] == first[0]
        # Red, green and blue each as a plane, row by row.
        np.testing.assert_array_equal(data.train.images[0, 1, 2], first[1:].reshape(3, 32, 32)[:, 1, 2])
        prints.add(data.fingerprint)
    assert len(prints) == 1


def test_cifar100_fine_and_coarse(tmp_path: Path) -> None:
    write(tmp_path, CIFAR100)
    fine = load_dataset("cifar100", dir=tmp_path)
    assert (fine.title, fine.num_classes, fine.class_names[42]) == ("CIFAR-100 (fine)", 100, "fine42")
    coarse = load_dataset("cifar100", dir=tmp_path, labels="coarse")
    assert (coarse.num_classes, coarse.class_names[12], coarse.train.labels.max()) == (20, "coarse12", 19)
    (tmp_path / "fine_label_names.txt").unlink()
    assert load_dataset("cifar100", dir=tmp_path).class_names[42] == "42"
    (tmp_path / "fine_label_names.txt").write_text("one\ntwo\n")
    assert "does not name 100 classes, one a line" in refusal("cifar100", tmp_path)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("cifar10", {"data_batch_1": b"", "batches.meta": b""}),
        ("cifar10", {"cifar-10-python.tar.gz": b""}),
        ("cifar100", {"train": b"", "meta": b""}),
    ],
)
def test_pickles_are_refused_with_what_to_take(tmp_path: Path, name: str, files: dict[str, bytes]) -> None:
    number = name.removeprefix("cifar")
    message = refusal(name, write(tmp_path, files))
    assert f"this is the python version of CIFAR-{number}, whose pickles can run any program" in message
    assert (
        f"take the binary version, https://www.cs.toronto.edu/~kriz/cifar-{number}-binary.tar.gz" in message
    )
    archive = tar_gz(tmp_path / "any.tar.gz", {f"a/{each}": b"" for each in ("data_batch_1", "train")})
    assert "python version" in refusal(name, archive)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"test_batch.bin": CIFAR10["test_batch.bin"][:-1]},
            "test_batch.bin: has 30,729 bytes, which are no records",
        ),
        ({"data_batch_3.bin": b""}, "data_batch_3.bin: has 0 bytes"),
        ({"data_batch_3.bin": records(20, 11)}, "has a label 10; those of CIFAR-10 are 0 … 9"),
        ({"data_batch_3.bin": None}, "lacks data_batch_3.bin"),
        ({"batches.meta.txt": b"\xff\n" * 10}, None),
    ],
)
def test_damaged_cifar(tmp_path: Path, changes: dict[str, Any], reason: str | None) -> None:
    files = {name: content for name, content in (CIFAR10 | changes).items() if content is not None}
    for place in (write(tmp_path / "folder", files), tar_gz(tmp_path / "a.tar.gz", files)):
        if reason is None:
            load_dataset("cifar10", dir=place)
        else:
            message = refusal("cifar10", place)
            assert reason in message
            assert str(place) in message


def test_archives_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tar_gz(tmp_path / "a.tar.gz", CIFAR10)
    good = archive.read_bytes()
    for damaged in (b"", b"no archive", good[: len(good) // 2], good[:100] + b"\0" * 100 + good[200:]):
        archive.write_bytes(damaged)
        assert "a.tar.gz: " in refusal("cifar10", archive)
    monkeypatch.setattr("centerloss_core.datasets.cifar.CIFAR_BYTES", 1 << 20)
    assert "unpacks to more than 1 MiB" in refusal("cifar10", tar_gz(archive, {"bomb": bytes(2 << 20)}))


# ---- archives


def test_an_archive_is_downloaded_once_and_checked(
    tmp_path: Path,
    start_mirror: StartMirror,  # noqa: F811
) -> None:
    content = b"an archive " * 1000
    mirror = start_mirror({"a.zip": Answer(content)})
    archive = Archive(
        "Letters",
        "kept.zip",
        f"{mirror.url}a.zip",
        hashlib.md5(content).hexdigest(),
        20_000,
        tmp_path / "cache",
    )
    assert archive.place(None) == f"a download from {mirror.url}a.zip"
    for _ in range(2):
        path, _ = archive.find(None, lambda _: None)
        assert path.read_bytes() == content
    assert archive.place(None) == f"the cache {tmp_path / 'cache' / 'kept.zip'}"
    assert mirror.requests == ["/a.zip"]
    for changes, reason in (
        ({"md5": "0" * 32}, "not the file that is known (its MD5 differs)"),
        ({"most": 10_999}, "sends more than 10,999 bytes"),
        ({"url": f"{mirror.url}b.zip"}, "answered 404"),
    ):
        other = replace(archive, cache=tmp_path / "other", **changes)
        with pytest.raises(DataError) as caught:
            other.find(None, lambda _: None)
        assert reason in str(caught.value)
        assert "set data.dir to it" in "\n".join(caught.value.__notes__)
        assert list((tmp_path / "other").iterdir()) == []
