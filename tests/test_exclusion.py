"""`data.exclude`: images that a file names are left out, whatever the source, and nothing else moves."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_image_folder import FLAT, SPLIT, fill
from test_own_files import ARRAYS, LABELS, ONE, PIXELS, csv, idx, npz

from centerloss_core.datasets import DataError, Dataset, Split, load_dataset, train_size
from centerloss_core.training.origin import describe

IDX = {
    "train-images-idx3-ubyte.gz": PIXELS[:8],
    "train-labels-idx1-ubyte.gz": LABELS[:8],
    "t10k-images-idx3-ubyte.gz": PIXELS[8:],
    "t10k-labels-idx1-ubyte.gz": LABELS[8:],
}


def contents(split: Split | None) -> list[tuple[bytes, int]]:
    if split is None:
        return []
    return [(image.tobytes(), int(label)) for image, label in zip(split.images, split.labels, strict=True)]


def lists(tmp_path: Path, *names: str) -> str:
    (tmp_path / "out.txt").write_text("".join(f"{name}\n" for name in names))
    return str(tmp_path / "out.txt")


def assert_left_out(whole: Dataset, less: Dataset, excluded: dict[str, list[int]]) -> None:
    """Only the images of these numbers in the splits of `whole` are missing."""
    for name in ("train", "validation", "test"):
        before, after = (contents(getattr(data, name)) for data in (whole, less))
        numbers = excluded.get(name, [])
        assert after == [each for number, each in enumerate(before) if number not in numbers]
    there = {name: len(excluded.get(name, [])) for name in ("train", "validation", "test")}
    assert less.excluded == {name: count for name, count in there.items() if getattr(whole, name)}
    assert (whole.excluded, less.fingerprint == whole.fingerprint) == (None, False)
    assert [describe(data).get("excluded") for data in (whole, less)] == [None, less.excluded]  # run.json


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("npz", {"validation": 2}),
        ("npz", {"test_fraction": 0.25, "validation": 2}),
        ("csv", {"test_fraction": 0.25}),
        ("idx", {}),
        ("folder", {}),
        ("folder", {"test_fraction": 0.25, "validation": 3}),
        ("digits8", {"validation": 100}),
    ],
)
def test_images_of_every_split_are_left_out_and_the_others_stay(
    name: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    if name == "npz":
        settings = {**settings, "dir": npz(tmp_path, ONE if "test_fraction" in settings else ARRAYS)}
    elif name == "csv":
        settings = {**settings, "dir": csv(tmp_path / "mine.csv")}
    elif name == "idx":
        files = {file: gzip.compress(idx(array)) for file, array in IDX.items()}
        settings = {**settings, "dir": fill(tmp_path / "idx", files)}
    elif name == "folder":
        files = FLAT if "test_fraction" in settings else SPLIT
        settings = {**settings, "dir": fill(tmp_path / "images", files)}
    whole = load_dataset(name, **settings)
    splits = {"train": whole.train, "validation": whole.validation, "test": whole.test}
    chosen = {split: [1] if split != "train" else [0, 3] for split, images in splits.items() if images}
    names = [
        images.name(number)
        for split, images in splits.items()
        if images is not None
        for number in chosen[split]
    ]
    less = load_dataset(name, **settings, exclude=lists(tmp_path, *names))
    assert_left_out(whole, less, chosen)
    assert train_size(name, **settings, exclude=tmp_path / "out.txt") == len(whole.train) - 2


def test_a_number_is_the_row_in_the_file(tmp_path: Path) -> None:
    data = load_dataset("npz", dir=npz(tmp_path, ARRAYS), validation=2)
    for split in (data.train, data.validation, data.test):
        assert split is not None
        for index, image in enumerate(split.images):
            part, number = split.name(index).split()
            np.testing.assert_array_equal(image[..., 0], ARRAYS[f"x_{part}"][int(number)])


def test_remarks_and_blank_lines_and_names_twice(tmp_path: Path) -> None:
    path = npz(tmp_path, ARRAYS)
    (tmp_path / "out.txt").write_bytes(
        b"\xef\xbb\xbf# a remark\r\n\r\ntrain 3\t3, looks like 7\r\n  test 0 \r\ntrain 3\r\n"
    )
    assert load_dataset("npz", dir=path, exclude=tmp_path / "out.txt").excluded == {"train": 1, "test": 1}
    (tmp_path / "out.txt").write_text("# none\n")
    nothing = load_dataset("npz", dir=path, exclude=tmp_path / "out.txt")
    assert nothing.excluded == {"train": 0, "test": 0}
    assert nothing.fingerprint == load_dataset("npz", dir=path).fingerprint


def test_what_names_no_image_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    def refusal(*names: str) -> str:
        with pytest.raises(DataError) as caught:
            load_dataset("npz", dir=npz(tmp_path, ARRAYS), exclude=lists(tmp_path, *names))
        return str(caught.value)

    path = tmp_path / "out.txt"
    for wrong in ("train 8", "train -1", "train 03", "validation 0", "17", "cat/1.png", "train 9" + 30 * "9"):
        message = refusal("# first", "train 2", wrong)
        assert message.startswith(
            f"{path}:3: {wrong!r} is no image of the data, the file {tmp_path / 'mine.npz'}"
        )
        assert "one of them is called 'train " in message
    assert "(and 2 lines more)" in refusal("x", "y", "train 1", "z")
    assert refusal(*(f"train {number}" for number in (1, 3, 5, 7))) == (
        f"{path}: leaves no image to train on of class 7: name fewer"
    )
    assert refusal(*(f"test {number}" for number in range(4))) == f"{path}: leaves no test image: name fewer"
    path.unlink()
    with pytest.raises(
        DataError, match=r"out.txt: cannot be read \(No such file or directory\): data.exclude"
    ):
        load_dataset("npz", dir=npz(tmp_path, ARRAYS), exclude=path)


def test_the_command_counts_what_is_left_out(here: Any, tmp_path: Path) -> None:
    fill(tmp_path / "animals", SPLIT)
    lists(tmp_path, "train/cat/1.png", "train/zebra/2.png", "test/cat/b.png")
    (tmp_path / "mine.yaml").write_text(
        "data: {name: folder, dir: animals, exclude: out.txt}\ntrain: {epochs: 1, batch_size: 5}\n"
    )
    code, said, errors = here("data", "mine.yaml")
    assert (code, errors) == (0, "")
    assert f"left out:    2 train, 1 test (data.exclude: {tmp_path / 'out.txt'})" in said.splitlines()
    assert ["all", "10", "2"] in [line.split() for line in said.splitlines()]
    code, said, _ = here("train", "mine.yaml", "--dry-run")
    assert (code, "2 steps" in said) == (0, True)
    lists(tmp_path, "train/cat/17.png")
    code, _, errors = here("train", "mine.yaml", "--dry-run")
    assert code == 1
    assert errors.startswith(
        f"error: {tmp_path / 'out.txt'}:1: 'train/cat/17.png' is no image of the data, the folder"
    )
