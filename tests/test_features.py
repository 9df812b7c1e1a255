"""The feature-dump file: what is written comes back, and what is not a dump is refused with a reason."""

import os
import time
import zipfile
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

ARRAYS = ("features", "labels", "predictions", "centers")


def arrays(n: int = 20, d: int = 2, k: int = 10, dtype: Any = np.uint8) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "features": rng.normal(size=(n, d)).astype(np.float32),
        "labels": rng.integers(0, k, n).astype(dtype),
        "predictions": rng.integers(0, k, n).astype(dtype),
        "centers": rng.normal(size=(k, d)).astype(np.float32),
    }


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize("n", [1, 20])
def test_round_trip(tmp_path: Path, n: int, dtype: Any) -> None:
    written = arrays(n, dtype=dtype)
    write_features(tmp_path / "test-final.npz", FeatureDump(**written))
    read = read_features(tmp_path / "test-final.npz")
    for name in ARRAYS:
        assert getattr(read, name).dtype == written[name].dtype
        np.testing.assert_array_equal(getattr(read, name), written[name])
    assert os.listdir(tmp_path) == ["test-final.npz"]


def test_numpy_opens_it(tmp_path: Path) -> None:
    write_features(tmp_path / "a.npz", FeatureDump(**arrays()))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert sorted(archive.files) == sorted(ARRAYS)


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


def changed(**changes: Any) -> dict[str, Any]:
    return arrays() | changes


INCONSISTENT = [
    ({"features": np.zeros((20, 2))}, "features must be float32, not float64"),
    ({"labels": np.zeros(20, np.int32)}, "labels must be uint8 or int64"),
    ({"predictions": np.zeros(20, np.int64)}, "predictions must be uint8 like labels"),
    ({"features": np.zeros(20, np.float32)}, "features must have two dimensions"),
    ({"features": np.zeros((0, 2), np.float32)}, "features must have two dimensions, neither of them empty"),
    ({"centers": np.zeros((10, 3), np.float32)}, "features have 2 dimensions but centers have 3"),
    ({"labels": np.zeros(19, np.uint8)}, "labels must be one per image"),
    ({"predictions": np.zeros((20, 1), np.uint8)}, "predictions must be one per image"),
    ({"features": np.full((20, 2), np.nan, np.float32)}, "features hold NaN or infinity"),
    ({"centers": np.full((10, 2), np.inf, np.float32)}, "centers hold NaN or infinity"),
    ({"labels": np.full(20, 10, np.uint8)}, "labels must be in 0 … 9"),
    (
        {"labels": np.zeros(20, np.int64), "predictions": np.full(20, -1, np.int64)},
        "predictions must be in 0 … 9",
    ),
]


@pytest.mark.parametrize(("changes", "message"), INCONSISTENT)
def test_inconsistent_arrays(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureDump(**changed(**changes))
    path = tmp_path / "test-final.npz"
    np.savez(path, **changed(**changes))
    with pytest.raises(FeatureFileError, match=message) as caught:
        read_features(path)
    assert str(path) in str(caught.value)


def test_missing_and_extra_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **{name: array for name, array in arrays().items() if name != "centers"})
    with pytest.raises(FeatureFileError, match=r"a\.npz: holds .* expected .*centers"):
        read_features(path)
    np.savez(path, **arrays(), extra=np.zeros(1))
    with pytest.raises(FeatureFileError, match="extra"):
        read_features(path)


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **changed(labels=np.array([print] * 20, dtype=object)))
    with pytest.raises(FeatureFileError, match="Python objects"):
        read_features(path)


def test_size_is_known_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npz"
    write_features(path, FeatureDump(**arrays()))
    monkeypatch.setattr(features, "MAX_BYTES", 100)
    monkeypatch.setattr(array_files, "_read_array", lambda *_: pytest.fail("read an array"))
    with pytest.raises(FeatureFileError, match="the limit is 100"):
        read_features(path)


def test_header_that_announces_more_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays().items():
            with archive.open(f"{name}.npy", "w") as member:
                if name == "features":
                    header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 1 << 40)}
                    np.lib.format.write_array_header_1_0(member, header)
                else:
                    np.lib.format.write_array(member, array)
    with pytest.raises(FeatureFileError, match=r"features\.npy announces"):
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


@pytest.mark.parametrize(
    ("classes", "dimensions", "fits"), [(1000, 2, True), (1001, 2, False), (2, 4096, True), (2, 4097, False)]
)
def test_classes_and_dimensions_have_an_end(
    tmp_path: Path, classes: int, dimensions: int, *, fits: bool
) -> None:
    """Ten images with 20,000 centers are a small file, and their distances 3 GB."""
    path = tmp_path / "test-final.npz"
    labels = np.zeros(10, np.int64)
    np.savez(
        path,
        features=np.zeros((10, dimensions), np.float32),
        labels=labels,
        predictions=labels,
        centers=np.zeros((classes, dimensions), np.float32),
    )
    if fits:
        assert read_features(path).centers.shape == (classes, dimensions)
        return
    with pytest.raises(FeatureFileError, match=r"the limits are 1000 and 4096") as caught:
        read_features(path)
    assert "\n" not in str(caught.value)
