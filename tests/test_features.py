"""The feature-dump file: what is written comes back, and what is not a dump is refused with a reason."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from centerloss_core.files import arrays as array_files
from centerloss_core.run_directory import feature_dumps as features
from centerloss_core.run_directory.feature_dumps import (
    FeatureDump,
    FeatureFileError,
    read_features,
    write_features,
)

REQUIRED = ("features", "labels")


def arrays(n: int = 20, d: int = 2, k: int = 10, dtype: Any = np.int64) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "features": rng.normal(size=(n, d)).astype(np.float32),
        "labels": rng.integers(0, k, n).astype(dtype),
        "predictions": rng.integers(0, k, n).astype(dtype),
        "centers": rng.normal(size=(k, d)).astype(np.float32),
    }


def everything() -> dict[str, Any]:
    more = {"centers_kind": "prototype", "logits": np.ones((20, 10), np.float32)}
    names = np.array([f"größe {index}.png" for index in range(20)])
    labels = arrays()["labels"].copy()
    labels[:3] = -1
    return arrays() | more | {"labels": labels, "original_labels": np.arange(20), "names": names}


@pytest.mark.parametrize(
    "written",
    [arrays(dtype=np.uint8), arrays(n=1, d=1, k=2), arrays(d=64, k=300), everything()],
    ids=range(4),
)
def test_round_trip(tmp_path: Path, written: dict[str, Any]) -> None:
    path = tmp_path / "test-final.npz"
    write_features(path, FeatureDump(**written))
    read = read_features(path)
    expected = {"centers_kind": "center"} | written
    for name, value in expected.items():
        np.testing.assert_array_equal(getattr(read, name), value)
    assert read.labels.dtype == read.predictions.dtype == np.int64
    assert os.listdir(tmp_path) == ["test-final.npz"]
    with np.load(path, allow_pickle=False) as archive:
        assert sorted(archive.files) == sorted(expected)


def test_only_two_arrays_are_required(tmp_path: Path) -> None:
    write_features(tmp_path / "a.npz", FeatureDump(*(arrays()[name] for name in REQUIRED)))
    read = read_features(tmp_path / "a.npz")
    assert (
        read.predictions
        is read.centers
        is read.centers_kind
        is read.logits
        is read.original_labels
        is read.names
        is None
    )
    assert read.points.shape == (0, 2)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert sorted(archive.files) == sorted(REQUIRED)


def test_images_of_unknown_classes_are_left_out() -> None:
    dump = FeatureDump(**everything())
    known = dump.known()
    assert known.known() is known
    for name in ("features", "labels", "predictions", "logits", "original_labels", "names"):
        np.testing.assert_array_equal(getattr(known, name), getattr(dump, name)[3:])
    assert (known.centers is dump.centers, known.centers_kind) == (True, "prototype")
    with pytest.raises(ValueError, match="no image is of a known class"):
        FeatureDump(**everything() | {"labels": np.full(20, -1)}).known()


def test_equal_arrays_give_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_features(tmp_path / "a.npz", FeatureDump(**arrays()))
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: real + 1e6)
    # Fortran order is another layout in memory, not another array.
    write_features(tmp_path / "b.npz", FeatureDump(**{k: np.asfortranarray(v) for k, v in arrays().items()}))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(array_files.npy, "write_array", full)
    with pytest.raises(OSError, match="disk full"):
        write_features(tmp_path / "a.npz", FeatureDump(**arrays()))
    assert os.listdir(tmp_path) == []


INCONSISTENT = [
    ({"features": np.zeros((20, 2))}, "features must be float32, not float64"),
    ({"labels": np.zeros(20)}, "labels must be int64, not float64"),
    ({"predictions": np.zeros(20, np.uint64)}, "predictions must be int64, not uint64"),
    ({"features": np.zeros(20, np.float32)}, "features must have two dimensions"),
    ({"features": np.zeros((0, 2), np.float32)}, "features must have two dimensions, neither of them empty"),
    ({"features": np.zeros((20, 4097), np.float32)}, "features have 4097 dimensions, the limit is 4096"),
    ({"centers": np.zeros((10, 3), np.float32)}, "features have 2 dimensions but centers have 3"),
    ({"centers": np.zeros((1001, 2), np.float32)}, "holds 1001 classes, the limit is 1000"),
    ({"logits": np.zeros((20, 1001), np.float32)}, "holds 1001 classes, the limit is 1000"),
    ({"logits": np.zeros((19, 10), np.float32)}, "logits must be one per image"),
    ({"labels": np.zeros(19, np.uint8)}, "labels must be one per image"),
    ({"labels": np.array(0)}, "labels must be one per image"),
    ({"predictions": np.zeros((20, 1), np.uint8)}, "predictions must be one per image"),
    ({"names": np.array(["a"])}, "names must be one per image"),
    ({"names": np.array(["\x1b[2J"] * 20)}, "names must be text that can be printed"),
    ({"centers_kind": "\x1b"}, "centers_kind must be one word"),
    ({"features": np.full((20, 2), np.nan, np.float32)}, "features hold NaN or infinity"),
    ({"centers": np.full((10, 2), np.inf, np.float32)}, "centers hold NaN or infinity"),
    ({"labels": np.full(20, 10)}, "labels must be in -1 … 9"),
    ({"labels": np.full(20, -2)}, "labels must be in -1 … 9"),
    ({"predictions": np.full(20, -1)}, "predictions must be in 0 … 9"),
    ({"labels": np.full(20, 3), "logits": np.zeros((20, 3), np.float32)}, "labels must be in -1 … 2"),
]


@pytest.mark.parametrize(("changes", "message"), INCONSISTENT)
def test_inconsistent_arrays(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureDump(**arrays() | changes)
    path = tmp_path / "test-final.npz"
    np.savez(path, **arrays() | changes)
    with pytest.raises(FeatureFileError, match=message) as caught:
        read_features(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_classes_are_bounded_without_centers_too() -> None:
    plain = {name: arrays()[name] for name in REQUIRED}
    with pytest.raises(ValueError, match=r"labels must be in -1 … 999"):
        FeatureDump(**plain | {"labels": np.full(20, 1000)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"centers": arrays()["centers"]}, "lacks features, labels"),
        (arrays() | {"extra": np.zeros(1)}, "holds extra, which no feature dump has"),
        (arrays() | {"labels": np.array([print] * 20, dtype=object)}, "Python objects"),
        (arrays() | {"centers_kind": np.array("a" * 1000)}, "centers_kind is not one word"),
        (arrays() | {"centers_kind": np.array([1])}, "centers_kind is not one word"),
        (arrays() | {"names": np.full(20, 0x7FFFFFFF, np.uint32).view("<U1")}, "a.npz"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(FeatureFileError, match=message) as caught:
        read_features(tmp_path / "a.npz")
    assert f"{tmp_path / 'a.npz'}: " in str(caught.value)


def test_size_is_known_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npz"
    write_features(path, FeatureDump(**arrays()))
    monkeypatch.setattr(features, "DUMP_BYTES", 100)
    monkeypatch.setattr(array_files, "_read_array", lambda *_: pytest.fail("read an array"))
    with pytest.raises(FeatureFileError, match="the limit is 100"):
        read_features(path)


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_features(path, FeatureDump(**arrays()))
    whole = path.read_bytes()
    position = whole.index(arrays()["features"].tobytes())
    flipped = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
    for damaged in (b"", b"not a zip file", whole[:-1], whole[: len(whole) // 2], flipped):
        path.write_bytes(damaged)
        with pytest.raises(FeatureFileError, match=r"a\.npz"):
            read_features(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FeatureFileError, match="no such feature dump"):
        read_features(tmp_path / "a.npz")
    with pytest.raises(FeatureFileError, match=tmp_path.name):
        read_features(tmp_path)
