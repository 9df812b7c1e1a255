"""Own images as arrays, tables and IDX files: tiny ones, made here; and that it does not matter which."""

import gzip
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_datasets import idx
from test_image_folder import png, zipped

from centerloss_core.datasets import DataError, Dataset, load_dataset, locate

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(2, 256, (12, 8, 8)).astype(np.uint8)
LABELS = np.array([3, 7] * 6)
ARRAYS = {"x_train": PIXELS[:8], "y_train": LABELS[:8], "x_test": PIXELS[8:], "y_test": LABELS[8:]}
ONE = {"images": PIXELS, "labels": LABELS}


def refusal(name: str, path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(name, dir=path, **settings)
    assert str(path) in str(caught.value)
    return str(caught.value)


def npz(path: Path, arrays: dict[str, Any]) -> Path:
    np.savez_compressed(
        path / "mine.npz", **{key: array for key, array in arrays.items() if array is not None}
    )
    return path / "mine.npz"


def csv(path: Path, *, head: bool = True, pixels: np.ndarray = PIXELS, labels: Any = LABELS) -> Path:
    lines = ["label," + ",".join(f"pixel{number}" for number in range(pixels[0].size))] if head else []
    lines += [
        f"{label}," + ",".join(map(str, image.ravel().tolist()))
        for label, image in zip(labels, pixels, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def as_made(data: Dataset) -> bool:
    """Whether it holds PIXELS: 8 to train on, in whatever order, and 4 to test, in theirs."""
    train = {
        (image.tobytes(), int(data.class_names[label]))
        for image, label in zip(data.train.images, data.train.labels, strict=True)
    }
    assert train == {
        (image.tobytes(), int(label)) for image, label in zip(PIXELS[:8], LABELS[:8], strict=True)
    }
    return np.array_equal(data.test.images[..., 0], PIXELS[8:]) and data.test.labels.tolist() == [0, 1, 0, 1]


def test_arrays_that_memory_should_not_hold_are_held_and_it_is_said(tmp_path: Path) -> None:
    path = npz(tmp_path, ARRAYS)
    assert load_dataset("npz", dir=path, memory=1).warnings == ()
    (warning,) = load_dataset("npz", dir=path, memory=1e-9).warnings
    assert "of main memory, more than data.memory (1e-09 GiB): npz is held there whole" in warning


# ---- it does not matter where they are


def test_the_same_images_from_anywhere_give_the_same_bits(tmp_path: Path) -> None:
    packaged = load_dataset("digits8")
    both = packaged.train, packaged.test
    images = np.concatenate([split.images[..., 0] for split in both])
    labels = np.concatenate([split.labels for split in both])
    mixed = RNG.permutation(len(images))
    images, labels = images[mixed], labels[mixed]
    files = {
        f"{label}/{number}.png": png(image)
        for number, (image, label) in enumerate(zip(images, labels, strict=True))
    }
    with zipfile.ZipFile(zipped(tmp_path / "digits.zip", files)) as archive:
        archive.extractall(tmp_path / "digits")
    places = {
        "folder": [tmp_path / "digits", tmp_path / "digits.zip"],
        "npz": [npz(tmp_path, {"images": images, "labels": labels})],
        "csv": [csv(tmp_path / "digits.csv", pixels=images, labels=labels)],
    }
    for name, paths in places.items():
        for path in paths:
            data = load_dataset(name, dir=path, test_fraction=360 / 1797)
            assert (data.fingerprint, data.class_names) == (packaged.fingerprint, packaged.class_names), path


def test_training_and_test_images_of_ones_own_give_the_bits_of_mnist5k(tmp_path: Path) -> None:
    packaged = load_dataset("mnist5k")
    mixed = RNG.permutation(len(packaged.train))
    arrays = {"x_train": packaged.train.images[mixed], "y_train": packaged.train.labels[mixed]}
    path = npz(tmp_path, {**arrays, "x_test": packaged.test.images, "y_test": packaged.test.labels})
    assert load_dataset("npz", dir=path).fingerprint == packaged.fingerprint


# ---- npz


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"x_train": PIXELS[:8, ..., np.newaxis], "x_test": PIXELS[8:, ..., np.newaxis]},
        {"x_train": PIXELS[:8] / 255, "x_test": (PIXELS[8:] / 255).astype(np.float32)},
        {"x_train": PIXELS[:8, ..., np.newaxis]},
        {"x_train": PIXELS[:8].astype(np.int64)},
        {"x_train": np.asfortranarray(PIXELS[:8])},
        {"y_train": LABELS[:8, np.newaxis], "y_test": LABELS[8:].astype(np.uint8)},
        {"y_train": LABELS[:8].astype(str), "y_test": LABELS[8:].astype(str)},
    ],
)
def test_arrays_as_they_are_found(tmp_path: Path, changes: dict[str, np.ndarray]) -> None:
    data = load_dataset("npz", dir=npz(tmp_path, ARRAYS | changes))
    assert as_made(data)
    assert (data.title, data.class_names) == ("mine", ("3", "7"))
    assert (
        data.source
        == locate("npz", dir=tmp_path / "mine.npz")
        == f"the file {tmp_path / 'mine.npz'} (data.dir)"
    )


def test_arrays_with_a_fraction_colour_and_validation(tmp_path: Path) -> None:
    data = load_dataset("npz", dir=npz(tmp_path, ONE), test_fraction=0.25)
    assert (len(data.train), len(data.test)) == (9, 3)
    color = np.repeat(PIXELS[..., np.newaxis], 3, axis=3)
    data = load_dataset(
        "npz", dir=npz(tmp_path, {"images": color > 99, "labels": LABELS}), test_fraction=0.25
    )
    assert (data.image_shape, set(np.unique(data.train.images))) == ((8, 8, 3), {0, 255})
    data = load_dataset("npz", dir=npz(tmp_path, {**ARRAYS, "x_val": PIXELS[:2], "y_val": LABELS[:2]}))
    assert data.validation is not None
    np.testing.assert_array_equal(data.validation.images[..., 0], PIXELS[:2])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"x_train": None},
            "expected x_train, y_train, x_test and y_test, or images and labels; found x_test, ",
        ),
        (
            {"y_test": None},
            "expected x_train, y_train, x_test and y_test, or images and labels; lacks y_test",
        ),
        ({"x_test": None, "y_test": None}, "has no images to test on: set data.test_fraction"),
        ({"y_train": LABELS[:7]}, "8 images in x_train, and 7 labels in y_train"),
        ({"x_train": PIXELS[:8].reshape(8, 64)}, "x_train has shape (8, 64); expected (n, height, width)"),
        ({"x_train": np.zeros((8, 3, 8, 8), np.uint8)}, "move its channels to the end"),
        ({"x_train": PIXELS[:8] / 2}, "x_train has numbers outside 0 … 1: scale them"),
        ({"x_train": np.full((8, 8, 8), np.nan)}, "x_train has numbers outside 0 … 1"),
        ({"x_train": PIXELS[:8].astype(int) - 9}, "x_train has values outside 0 … 255"),
        ({"x_train": PIXELS[:8].astype(str)}, "expected uint8, or numbers from 0 to 1 as float"),
        ({"y_train": np.array([{}] * 8)}, "y_train holds Python objects, which are never loaded"),
        ({"y_train": LABELS[:8] / 2}, "y_train is float64 of shape (8,); expected a whole number or text"),
        ({"x_test": PIXELS[8:, :7]}, "its images are 7×8×1, and those to train on 8×8×1: give all one shape"),
        (
            {"y_test": np.array([3, 7, 9, 9])},
            "x_train: has no image to train on of class 9: add some, or take",
        ),
        ({"x_train": PIXELS[:0], "y_train": LABELS[:0]}, "holds no images"),
    ],
)
def test_arrays_that_are_no_data_set(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    assert reason in refusal("npz", npz(tmp_path, ARRAYS | changes))


def test_arrays_that_lie(tmp_path: Path) -> None:
    """What an array announces is compared with what there is before a byte of it is read."""
    path = npz(tmp_path, ARRAYS)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    good = members["x_train.npy"]
    huge = good.replace(b"(8, 8, 8)", b"(9999, 99999, 9)")[: 128 + 512]
    for content, reason in (
        (huge, "x_train"),
        (good + bytes(64 << 20), "x_train announces 512 bytes of numbers but holds another amount"),
        (good[:-8], "x_train announces 512 bytes"),
        (b"\0" * 200, "x_train is not in .npy format"),
    ):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, content if name == "x_train.npy" else data)
        tracemalloc.start()
        assert reason in refusal("npz", path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        tracemalloc.stop()


# ---- csv


@pytest.mark.parametrize("head", [True, False])
def test_a_table_as_kaggle_hands_it_out(tmp_path: Path, *, head: bool) -> None:
    data = load_dataset("csv", dir=csv(tmp_path / "train.csv", head=head), test_fraction=0.25)
    assert (len(data.train), len(data.test)) == (9, 3)
    assert (data.title, data.image_shape, data.class_names) == ("train", (8, 8, 1), ("3", "7"))


def test_a_folder_with_two_tables(tmp_path: Path) -> None:
    csv(tmp_path / "fashion_train.csv", pixels=PIXELS[:8], labels=LABELS[:8])
    csv(tmp_path / "fashion_test.csv", pixels=PIXELS[8:], labels=LABELS[8:], head=False)
    assert as_made(load_dataset("csv", dir=tmp_path))
    csv(tmp_path / "train.csv")
    assert "fashion_train.csv, train.csv all end in train.csv: keep one" in refusal("csv", tmp_path)


def test_tables_as_they_are_found(tmp_path: Path) -> None:
    """A label in another column, in quotes, as text; pixels from 0 to 1; a mark of the encoding; Windows' lines."""
    path = csv(tmp_path / "a.csv")
    same = load_dataset("csv", dir=path, test_fraction=0.25).fingerprint
    lines = path.read_text().splitlines()
    moved = [",".join([*line.split(",")[1:], line.split(",")[0]]) for line in lines]
    path.write_bytes("\ufeff".encode() + "\r\n".join(moved).encode())
    assert load_dataset("csv", dir=path, test_fraction=0.25).fingerprint == same
    csv(path, pixels=PIXELS / 255, labels=[f'"{label}"' for label in LABELS])
    assert load_dataset("csv", dir=path, test_fraction=0.25).fingerprint == same
    animals = np.where(LABELS == 3, "cat", "dog")
    data = load_dataset("csv", dir=csv(path, labels=animals, head=False), test_fraction=0.25)
    assert (data.fingerprint, data.class_names) == (same, ("cat", "dog"))
    black_and_white = load_dataset("csv", dir=csv(path, pixels=PIXELS % 2), test_fraction=0.25)
    assert set(np.unique(black_and_white.train.images)) == {0, 255}
    tall = load_dataset("csv", dir=csv(path), test_fraction=0.25, size=[16, 4])
    assert tall.image_shape == (16, 4, 1)


@pytest.mark.parametrize(
    ("text", "settings", "reason"),
    [
        ("", {}, "holds no images"),
        ("<html>", {}, "line 1 is not a label and pixels, with commas between"),
        (
            "a,1,2,3\nb,1,2\n",
            {},
            "line 2 is not a label and 3 numbers, as line 1 has them, with commas between: it has 3 columns, not 4",
        ),
        ("a,1,2,x\nb,1,2,3\nc,1,,3\n", {}, "between: column 3 is ''; all but the label are pixels"),
        ("id,label,p\nx7,cat,1\n", {}, "between: column 1 is 'x7'; all but the label are pixels"),
        ("a,1,2,3,4\nb,1,2,3,4 5\n", {}, "between: column 5 is '4 5'"),
        ("label,p\na,1\n,2\n", {}, "line 3 has no label in column 1: add it, or remove the line"),
        (
            "pixel0,pixel1\n1,2\n",
            {},
            "line 1 names no column of labels, and its first column, pixel0, is a pixel",
        ),
        ("1x1,1x2,y\n1,2,3\n", {}, "name the column of labels `label`"),
        ("a,1,2,3,4\nb,1,2,3,256\n", {}, "line 2 has a pixel outside 0 … 255"),
        ("a,1,2,3,4\nb,1,2,3,nan\n", {}, "line 2 has a pixel outside 0 … 255"),
        ("a,1,2,3,4\nb,0,0,0,0.5\n", {}, "numbers outside 0 … 1"),
        ("a,1,2,3\nb,1,2,3\n", {}, "has 3 pixels a row, which is no square: set data.size"),
        ("a,1,2,3\nb,1,2,3\n", {"size": [2, 2]}, "has 3 pixels a row, and data.size is 2×2"),
        ("a,1\n" + "b" * (5 << 20), {}, "has a line of more than 4 MiB"),
        ("a,1\n\udcff,2\n", {}, "line 2 has a label that is not UTF-8: save the file as UTF-8"),
        ("\udcff\udcfea\0,\0", {}, "is text in UTF-16: save it as UTF-8"),
    ],
)
def test_tables_that_are_no_data_set(
    tmp_path: Path, text: str, settings: dict[str, Any], reason: str
) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode(errors="surrogateescape"))
    assert reason in refusal("csv", tmp_path / "a.csv", test_fraction=0.5, **settings)


def test_the_test_csv_of_kaggle_has_no_labels(tmp_path: Path) -> None:
    csv(tmp_path / "train.csv")
    unlabelled = [line.partition(",")[2] for line in (tmp_path / "train.csv").read_text().splitlines()]
    (tmp_path / "test.csv").write_text("\n".join(unlabelled))
    message = refusal("csv", tmp_path)
    assert "test.csv: line 1 names no column of labels, and its first column, pixel0, is a pixel" in message
    (tmp_path / "train.csv").unlink()
    assert "has no train.csv: set data.dir to the file, and data.test_fraction" in refusal("csv", tmp_path)


# ---- idx


NAMES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


def write_idx(folder: Path, names: tuple[str, ...] = NAMES, *, packed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(names, ARRAYS.values(), strict=True):
        content = idx(array)
        stored = f"{name}-ubyte" + ".gz" * packed
        (folder / stored).write_bytes(gzip.compress(content) if packed else content)
    return folder


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("place", "names"),
    [
        (".", NAMES),
        ("raw", tuple(f"emnist-digits-{name.replace('t10k', 'test')}" for name in NAMES)),
    ],
)
def test_four_idx_files(tmp_path: Path, place: str, names: tuple[str, ...], *, packed: bool) -> None:
    write_idx(tmp_path / place, names, packed=packed)
    data = load_dataset("idx", dir=tmp_path)
    assert as_made(data)
    # They keep their order, so that the files of MNIST give the run of `mnist`.
    np.testing.assert_array_equal(data.train.images[..., 0], PIXELS[:8])


def test_idx_files_that_are_no_data_set(tmp_path: Path) -> None:
    write_idx(tmp_path)
    labels, images = tmp_path / "train-labels-idx1-ubyte", tmp_path / "train-images-idx3-ubyte"
    good, huge = images.read_bytes(), struct.pack(">4I", 0x0803, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    for content, reason in (
        (huge, "announces 4294967295 × 4294967295"),
        (gzip.compress(huge), "announces 4294967295 × 4294967295"),
        (good[:-1], "truncated: 527 of 528 bytes"),
        (good + b"\0", "longer than the 528 bytes"),
        (b"", "only 0 bytes"),
        (good[:10], "truncated within its header"),
        (gzip.compress(good)[:-9], "truncated"),
        (idx(LABELS), "holds labels where images are expected"),
    ):
        images.write_bytes(content)
        assert reason in refusal("idx", images.parent)
    write_idx(tmp_path)
    labels.write_bytes(idx(LABELS))
    assert "holds 8 images, and train-labels-idx1-ubyte 12 labels" in refusal("idx", tmp_path)
    labels.unlink()
    assert "lacks train-labels-idx1-ubyte (with or without .gz)" in refusal("idx", tmp_path)
    write_idx(tmp_path, tuple(f"other-{name}" for name in NAMES))
    assert "are several files for train-images-idx3-ubyte: keep one" in refusal("idx", tmp_path)
