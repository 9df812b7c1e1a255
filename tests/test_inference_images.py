"""Images from the outside: every kind of place gives the same images, and what does not fit is named."""

import gzip
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from centerloss_core.datasets import DataError, array_file, idx, load_dataset
from centerloss_core.inference.images import Batch, Preprocessing, open_images

DIGITS = np.asarray(load_dataset("digits8").test.images)[:, :, :, 0]
GREY = Preprocessing((8, 8, 1))


def read(*places: Path, made: Preprocessing = GREY, strict: bool = False) -> tuple[list[Batch], int | None]:
    with open_images(places, made, strict=strict) as images:
        return list(images.batches), images.count


def pixels(*places: Path, made: Preprocessing = GREY) -> NDArray[np.uint8]:
    return np.concatenate([batch.images for batch in read(*places, made=made, strict=True)[0]])


def save(image: NDArray[np.uint8], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def written(folder: Path, kind: str) -> Path:
    """The same 30 digits in every kind of file, without labels but for one."""
    some, path = DIGITS[:30], folder / kind
    rows = some.reshape(30, 64)
    match kind:
        case "folder":
            for index, image in enumerate(some):
                save(image, path / f"{index:02d}.png")
        case "photos.zip":
            with zipfile.ZipFile(path, "w") as archive:
                for index, image in enumerate(some):
                    archive.write(save(image, folder / "one.png"), f"photos/{index:02d}.png")
        case "images.npz":
            np.savez_compressed(path, images=some, other=np.zeros(3))
        case "only.npz":
            np.savez(path, anything=np.asfortranarray(some))
        case "plain.csv" | "header.csv":
            head = {"header": ",".join(f"p{pixel}" for pixel in range(64)), "comments": ""}
            np.savetxt(path, rows, fmt="%d", delimiter=",", **(head if kind == "header.csv" else {}))
        case "labelled.csv":
            np.savetxt(path, np.c_[np.arange(30) % 10, rows], fmt="%d", delimiter=",")
        case "fractions.csv":
            np.savetxt(path, rows / 255, delimiter=",")
        case "images-idx3-ubyte" | "images-idx3-ubyte.gz":
            content = struct.pack(">4I", 0x803, *some.shape) + some.tobytes()
            path.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
    return path


@pytest.mark.parametrize(
    "kind",
    [
        *("folder", "photos.zip", "images.npz", "only.npz"),
        *("plain.csv", "header.csv", "labelled.csv", "fractions.csv"),
        *("images-idx3-ubyte", "images-idx3-ubyte.gz"),
    ],
)
def test_every_kind_of_place_gives_the_same_images(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (array_file, idx):
        monkeypatch.setattr(module, "_BLOCK_BYTES", 7 * 64)  # a block is no multiple of a batch
    batches, count = read(written(tmp_path, kind))
    np.testing.assert_array_equal(batches[0].images[..., 0], DIGITS[:30])
    assert len(batches) == 1
    assert count in ({None} if kind.endswith("csv") else {30})
    expected = {
        "folder": f"{tmp_path}/folder/29.png",
        "photos.zip": f"{tmp_path}/photos.zip/photos/29.png",
    }
    assert batches[0].names[-1] == expected.get(kind, f"{tmp_path / kind} 29")


def test_batches_are_full_across_places(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=DIGITS)
    one = save(DIGITS[0], tmp_path / "one.png")
    batches, count = read(tmp_path / "a.npz", one, tmp_path / "a.npz")
    assert [len(batch.names) for batch in batches] == [500, 2 * len(DIGITS) + 1 - 500]
    assert count == 2 * len(DIGITS) + 1
    np.testing.assert_array_equal(batches[0].images[len(DIGITS)], batches[0].images[0])
    assert batches[0].names[len(DIGITS)] == str(one)


def test_an_image_that_cannot_be_used_is_named_and_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    save(DIGITS[0], folder / "a.png")
    (folder / "b.png").write_bytes(b"no image")
    save(np.zeros((9, 8), np.uint8), folder / "c.png")
    save(np.arange(192, dtype=np.uint8).reshape(8, 8, 3), folder / "d.png")
    (folder / "notes.txt").write_text("no image either")
    with open_images([folder], GREY) as images:
        assert (images.count, images.left_out) == (4, 1)
        (batch,) = images.batches
    assert batch.names == (f"{folder}/a.png",)
    b, c, d = batch.broken
    assert b == f"{folder}/b.png: is no image that Pillow can read"
    assert c.startswith(
        f"{folder}/c.png: has 9×8 pixels, and the run was trained on 8×8: resize it, or train with data."
    )
    assert d.startswith(f"{folder}/d.png: is in colour, and the run was trained on grey images: convert it")
    with pytest.raises(DataError, match="is no image that Pillow can read"):
        read(folder, strict=True)


def test_images_are_prepared_as_those_of_the_run(tmp_path: Path) -> None:
    wide = save(np.arange(192, dtype=np.uint8).reshape(8, 8, 3), tmp_path / "wide.png")
    resized = pixels(wide, made=Preprocessing((4, 6, 1), "grey", (4, 6)))
    with Image.open(wide) as image:
        expected = np.asarray(image.convert("L").resize((6, 4), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(resized[0, ..., 0], expected)
    grey = save(DIGITS[0], tmp_path / "grey.png")  # among coloured ones it has three equal channels
    np.testing.assert_array_equal(
        pixels(grey, made=Preprocessing((8, 8, 3)))[0], np.repeat(DIGITS[0, ..., None], 3, 2)
    )


def test_what_holds_no_images_of_this_shape_is_refused(tmp_path: Path) -> None:
    def refused(place: Path, content: Any, message: str) -> None:
        if isinstance(content, dict):
            np.savez(place, **content)
        elif content is not None:
            place.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read(place)

    header = struct.pack(">4I", 0x803, 2, 8, 8)
    refused(tmp_path / "away", None, "away: no such file; name an image file, a folder")
    refused(tmp_path, None, "holds no image files")
    refused(tmp_path / "a.txt", b"hello", "a.txt: is a file of another kind; name an image file, a folder")
    refused(tmp_path / "nothing", b"", "nothing: is a file of another kind; name an image file")
    refused(tmp_path / "e.npz", {"images": 1}, r"e.npz: images has shape \(\); expected")
    refused(
        tmp_path / "a.npz",
        {"x_train": DIGITS, "y_train": DIGITS},
        "expected an array `images`; found x_train",
    )
    refused(tmp_path / "b.npz", {"images": np.zeros((3, 9, 9), np.uint8)}, "b.npz: each image has 9×9 pixels")
    refused(tmp_path / "c.npz", {"images": np.zeros((3, 8, 8))[:0]}, "holds no images")
    refused(tmp_path / "d.npz", {"images": np.full((3, 8, 8), 2.0)}, "numbers outside 0 … 1")
    refused(tmp_path / "a.csv", b"1,2,3\n", "line 1 has 3 columns, and an image has 64 pixels")
    refused(tmp_path / "b.csv", b",".join([b"1"] * 64) + b"\n" + b"x" * 9, "line 2 is not 64 numbers")
    refused(tmp_path / "c.csv", b",".join([b"1"] * 64) + b"x\n", "holds no images")  # the names of columns
    refused(tmp_path / "d-idx3-ubyte", header + bytes(127), "truncated: it announces 2 images")
    refused(tmp_path / "e-idx3-ubyte", header + bytes(129), "longer than the 144 bytes")
    refused(tmp_path / "f-idx3-ubyte.gz", gzip.compress(header + bytes(128))[:-9], "cannot be read")


def test_the_scale_of_a_table_is_that_of_all_its_rows(tmp_path: Path) -> None:
    """Rows of 0 and 1 alone wait for one that tells: the first thousand, which are looked at together, do not."""
    dark = np.zeros((1000, 64))
    dark[:, 3] = 1
    for name, last, scaled in (("bytes", 200.0, 1), ("fractions", 0.5, 255)):
        np.savetxt(tmp_path / f"{name}.csv", np.r_[dark, [[last] * 64]], fmt="%g", delimiter=",")
        assert pixels(tmp_path / f"{name}.csv")[0].max() == scaled
    np.savetxt(
        tmp_path / "both.csv", np.r_[dark, [[0.5] * 64], dark, [[200.0] * 64]], fmt="%g", delimiter=","
    )
    with pytest.raises(DataError, match="has pixels from 0 to 255, and others that are no whole numbers"):
        pixels(tmp_path / "both.csv")
