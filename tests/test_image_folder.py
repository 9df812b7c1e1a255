"""Own images in folders and zip files: tiny ones, made here."""

import contextlib
import io
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from centerloss_core.datasets import DataError, Dataset, load_dataset, locate, train_size
from centerloss_core.datasets.images import decode

Pixels = np.ndarray | list[Any]


def png(pixels: Pixels, mode: str | None = None, **options: Any) -> bytes:
    """An image file; pixels as uint8 (h, w) or (h, w, c), or in another mode of Pillow."""
    file = io.BytesIO()
    image = (
        Image.fromarray(np.asarray(pixels, np.uint8)) if mode is None else Image.fromarray(np.asarray(pixels))
    )
    image.save(file, **{"format": "PNG", **options})
    return file.getvalue()


def grey(value: int, side: int = 8) -> bytes:
    return png(np.full((side, side), value))


def fill(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


SPLIT = {
    **{
        f"train/{name}/{number}.png": grey(10 * number + len(name))
        for name in ("cat", "zebra")
        for number in range(6)
    },
    "test/zebra/a.png": grey(101),
    "test/cat/b.png": grey(102),
    "test/cat/c.png": grey(103),
}
FLAT = {name.partition("/")[2]: content for name, content in SPLIT.items() if name.startswith("train")}


def load(path: Path, **settings: Any) -> Dataset:
    return load_dataset("folder", dir=path, **settings)


def refusal(path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(path, **settings)
    return str(caught.value)


# ---- layouts


def test_folders_of_splits(tmp_path: Path) -> None:
    data = load(fill(tmp_path / "animals", SPLIT))
    assert (data.title, data.class_names, data.image_shape) == ("animals", ("cat", "zebra"), (8, 8, 1))
    assert (
        data.source
        == locate("folder", dir=tmp_path / "animals")
        == f"the folder {tmp_path / 'animals'} (data.dir)"
    )
    assert data.warnings == ()
    assert data.validation is None
    # Test images keep their order, which is that of their file names, and their names.
    assert data.test.images[:, 0, 0, 0].tolist() == [101, 102, 103]
    assert data.test.labels.tolist() == [1, 0, 0]
    assert data.test.names is not None
    assert data.test.names.tolist() == ["test/zebra/a.png", "test/cat/b.png", "test/cat/c.png"]
    # Training images do not: each still has its name and its class.
    assert data.train.names is not None
    assert sorted(data.train.names) == sorted(name for name in SPLIT if name.startswith("train"))
    for image, label, name in zip(data.train.images, data.train.labels, data.train.names, strict=True):
        _, folder, file = name.split("/")
        assert image[0, 0, 0] == 10 * int(file[0]) + len(folder)
        assert data.class_names[label] == folder
    assert train_size("folder", dir=tmp_path / "animals") == 12


def test_validation_images_of_their_own(tmp_path: Path) -> None:
    folder = fill(tmp_path, {**SPLIT, "val/cat/1.png": grey(7)})
    data = load(folder)
    assert data.validation is not None
    assert data.validation.images[:, 0, 0, 0].tolist() == [7]
    assert "has validation images of its own: leave data.validation out" in refusal(folder, validation=2)


def test_a_part_of_the_images_is_tested_on(tmp_path: Path) -> None:
    folder = fill(tmp_path, FLAT)
    assert refusal(folder) == (
        f"{folder}: has no images to test on: set data.test_fraction, such as 0.2, to take them from these"
    )
    data = load(folder, test_fraction=0.5)
    assert np.bincount(data.test.labels).tolist() == np.bincount(data.train.labels).tolist() == [3, 3]
    assert "leaves none to test on" in refusal(folder, test_fraction=0.01)
    fill(tmp_path / "both", SPLIT)
    assert "leave data.test_fraction out" in refusal(tmp_path / "both", test_fraction=0.5)


def test_a_zip_file_is_like_its_folder(tmp_path: Path) -> None:
    mac = {"__MACOSX/train/cat/._1.png": b"x", "train/.DS_Store": b"x"}
    inner = {f"animals/{name}": content for name, content in SPLIT.items()}
    paths = [
        fill(tmp_path / "folder", {**SPLIT, **mac}),
        zipped(tmp_path / "plain.zip", {**SPLIT, **mac}),
        zipped(tmp_path / "inner.zip", inner),
    ]
    assert len({load(path).fingerprint for path in paths}) == 1
    assert load(paths[1]).source == f"the file {tmp_path / 'plain.zip'} (data.dir)"


def test_classes_with_numbers_for_names_are_ordered_by_value(tmp_path: Path) -> None:
    files = {f"{name}/{each}.png": grey(each) for name in ("10", "9", "0") for each in range(2)}
    assert load(fill(tmp_path, files), test_fraction=0.5).class_names == ("0", "9", "10")


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    data = load(
        fill(tmp_path, {**SPLIT, "train/cat/notes.txt": b"", "logo.png": grey(1), "train/dog/notes.txt": b""})
    )
    assert data.warnings == (
        "files that are no images of a class: 3 (logo.png, train/cat/notes.txt, train/dog/notes.txt)",
        "folders without an image: 1 (train/dog)",
    )


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            {},
            "expected train/CLASS/ and test/CLASS/ with images, or CLASS/ with images and data.test_fraction",
        ),
        ({"1.png": grey(1)}, "data.test_fraction; found 1.png"),
        ({"train/1.png": grey(1), "test/2.png": grey(1)}, "found images in train/"),
        ({**SPLIT, "test/dog/1.png": grey(1)}, "class dog: add some, or take the class out of "),
        (
            {f"cat/{number}.png": grey(number) for number in range(9)},
            "has one class, cat; to learn what tells classes",
        ),
        ({"Train/a/1.png": grey(1), "test/a/1.png": grey(2)}, "found Train/: did you mean train/? Rename it"),
        ({**SPLIT, "validation/cat/1.png": grey(1)}, "found validation/: did you mean val/?"),
        (
            {name.replace("test", "Testing"): content for name, content in SPLIT.items()},
            "did you mean test/?",
        ),
        (
            {f"animals/{name.replace('train', 'Train')}": content for name, content in SPLIT.items()},
            "train/?",
        ),
        ({f"{number}/1.png": grey(1) for number in range(1001)}, "has 1,001 classes; at most 1,000"),
        ({**FLAT, "x\ny/1.png": grey(1)}, r"the class 'x\ny' needs another name"),
        ({**FLAT, f"{'x' * 61}/1.png": grey(1)}, "needs another name: 1 to 60 characters"),
    ],
)
def test_folders_that_are_no_data_set(tmp_path: Path, files: dict[str, bytes], reason: str) -> None:
    message = refusal(
        fill(tmp_path, files), test_fraction=None if any("test/" in name for name in files) else 0.5
    )
    assert str(tmp_path) in message
    assert reason in message


def test_places_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no archive")
    assert "not a folder or a readable zip file of images" in refusal(tmp_path / "a.zip")
    assert "No such file or directory" in refusal(tmp_path / "nowhere")
    for end, meant in (("npz", "npz"), ("csv", "csv")):
        (tmp_path / f"a.{end}").write_bytes(b"")
        assert f"is a .{end} file, and data.name is folder: set data.name={meant}" in refusal(
            tmp_path / f"a.{end}"
        )
    assert "which cannot be used" in locate("folder", dir=tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"data\.dir: Field required"):
        load_dataset("folder")


# ---- images


def test_colours(tmp_path: Path) -> None:
    """Grey where all are grey, also where they are stored in colour."""
    red, dull = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 77, np.uint8)
    red[..., 0] = 255
    stored_in_color = {**FLAT, "cat/7.png": png(dull)}
    assert load(fill(tmp_path / "grey", stored_in_color), test_fraction=0.5).image_shape == (8, 8, 1)
    assert load(tmp_path / "grey", test_fraction=0.5, color="rgb").image_shape == (8, 8, 3)
    mixed = fill(tmp_path / "mixed", {**stored_in_color, "cat/red.png": png(red)})
    assert load(mixed, test_fraction=0.5).image_shape == (8, 8, 3)
    assert load(mixed, test_fraction=0.5, color="grey").image_shape == (8, 8, 1)
    assert decode(png(red), "grey", None).max() == 76  # 0.299 · 255


def test_sizes(tmp_path: Path) -> None:
    folder = fill(tmp_path, {**FLAT, "cat/large.png": png(np.full((30, 20), 9))})
    message = refusal(folder, test_fraction=0.5)
    assert (
        "its images have 2 sizes, such as 8×8 pixels (cat/0.png) and 30×20 pixels (cat/large.png)" in message
    )
    assert "set data.size, such as data.size=[8,8]" in message
    assert load(folder, test_fraction=0.5, size=[12, 10]).image_shape == (12, 10, 1)
    # Each pixel of a smaller image is a mean, not a pick.
    stripes = np.tile(np.array([0, 255], np.uint8), (16, 8))
    assert abs(decode(png(stripes), None, (4, 4)).astype(int) - 127).max() < 20


def test_transparency_lies_on_white() -> None:
    black = np.zeros((2, 2, 4), np.uint8)
    black[0, :, 3] = 255, 51
    assert decode(png(black), None, None).tolist() == [[0, 204], [255, 255]]
    both = np.stack([np.full((2, 2), 100), np.array([[255, 0], [0, 255]])], axis=-1)
    assert decode(png(both), None, None).tolist() == [[100, 255], [255, 100]]
    palette = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 40, 40])
    file = io.BytesIO()
    palette.save(file, format="PNG", transparency=1)
    assert decode(file.getvalue(), None, None).tolist() == [
        [[10, 20, 30], [255] * 3],
        [[255] * 3, [10, 20, 30]],
    ]


def test_sixteen_bits_become_eight() -> None:
    wide = np.array([[0, 128, 129], [257, 32896, 65535]], np.uint16)
    assert decode(png(wide, "I;16"), None, None).tolist() == [[0, 0, 1], [1, 128, 255]]
    fractions = np.array([[0.0, 0.5, 1.0]], np.float32)
    assert decode(png(fractions, "F", format="TIFF"), None, None).tolist() == [[0, 128, 255]]
    with pytest.raises(DataError, match="outside 0 … 1"):
        decode(png(fractions * 3, "F", format="TIFF"), None, None)


def test_a_photo_is_turned_as_its_camera_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the left of how it is to be looked at
    turned = decode(png([[1, 2, 3], [4, 5, 6]], exif=exif), None, None)
    assert turned.tolist() == [[4, 1], [5, 2], [6, 3]]


def test_a_broken_image_is_named_or_counted(tmp_path: Path) -> None:
    broken = {
        "cat/0.png": b"no image",
        "cat/1.png": png(np.random.default_rng(0).integers(0, 255, (8, 8)))[:-40],
    }
    folder = fill(tmp_path, {**FLAT, **broken})
    message = refusal(folder, test_fraction=0.5)
    assert f"{folder / 'cat/0.png'}: is no image that Pillow can read; mend or remove it" in message
    assert "data.skip_broken=true" in message
    data = load(folder, test_fraction=0.5, skip_broken=True)
    assert len(data.train) + len(data.test) == 10
    assert data.warnings == ("broken images, left out: 2 (cat/0.png, cat/1.png)",)


# ---- hostile ones


def test_a_bomb_of_pixels_is_refused_by_its_header(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(file, format="PNG")
    folder = fill(tmp_path, {**FLAT, "cat/0.png": file.getvalue()})
    assert "cat/0.png: has 10,000 × 10,000 pixels; at most 50,000,000 are read" in refusal(
        folder, test_fraction=0.5
    )
    # More than Pillow itself would read: that is no reason to call it no image.
    head = b"IHDR" + (30_000).to_bytes(4) * 2 + file.getvalue()[24:29]
    larger = file.getvalue()[:12] + head + zlib.crc32(head).to_bytes(4) + file.getvalue()[33:]
    fill(folder, {"cat/0.png": larger})
    assert "has more pixels than the 50,000,000 that are read" in refusal(folder, test_fraction=0.5)
    lying = file.getvalue()[:16] + (2**31 - 1).to_bytes(4) * 2 + file.getvalue()[24:]
    fill(folder, {"cat/0.png": lying})
    assert "cat/0.png: " in refusal(folder, test_fraction=0.5)


@pytest.mark.skipif(os.name == "nt", reason="makes links and pipes")
def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    folder = fill(tmp_path / "animals", FLAT)
    secret = fill(tmp_path / "secret", {"1.png": grey(1)})
    inside = folder / "cat" / "twin.png"
    inside.symlink_to(folder / "cat" / "0.png")
    assert len(load(folder, test_fraction=0.5).train) == 7
    for place, target in (
        ("cat/9.png", secret / "1.png"),
        ("dog", secret),
        ("cat/up", Path("../..")),
        ("gone", "/x"),
    ):
        (folder / place).symlink_to(target)
        assert f"{folder / place}: is a link that leads out of the folder" in refusal(
            folder, test_fraction=0.5
        )
        (folder / place).unlink()
    os.mkfifo(folder / "cat" / "pipe.png")
    assert "pipe.png: cannot be read (is a pipe or a device" in refusal(folder, test_fraction=0.5)


def test_zip_files_that_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    for name in ("../cat/1.png", "/cat/1.png", "cat\\..\\1.png"):
        assert "leads out of it" in refusal(zipped(path, {**FLAT, name: grey(1)}), test_fraction=0.5)
    good = zipped(path, FLAT).read_bytes()
    bomb = zipped(path, {**FLAT, "cat/0.png": bytes(65 << 20)})
    assert "cat/0.png: has more than 64 MiB" in refusal(bomb, test_fraction=0.5)
    rng = np.random.default_rng(0)
    for position in [*rng.integers(0, len(good), 40), *range(len(good) - 22, len(good))]:
        damaged = bytearray(good)
        damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        with contextlib.suppress(DataError):  # a flipped date harms nobody
            load(path, test_fraction=0.5)
