"""`cl data`: what a config would train on, in words and in a picture."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from test_image_folder import FLAT, SPLIT, fill, grey, png

from centerloss_core.datasets import load_dataset
from centerloss_core.datasets.overview import brightness, mean_image, sheet
from centerloss_core.datasets.twins import twins

CONFIG = "data: {name: folder, dir: animals}\ntrain: {epochs: 1}\n"


def test_what_a_config_would_train_on(here: Any, tmp_path: Path) -> None:
    twin = {"test/cat/twin.png": SPLIT["train/cat/3.png"], "test/cat/other.png": SPLIT["train/zebra/4.png"]}
    fill(
        tmp_path / "animals",
        {**SPLIT, **twin, "train/cat/again.png": SPLIT["train/cat/3.png"], "notes.txt": b""},
    )
    (tmp_path / "mine.yaml").write_text(CONFIG)
    code, said, errors = here("data", "mine.yaml", "data.size=[10,12]")
    assert code == 0, errors
    assert errors.splitlines() == [
        "warning: files that are no images of a class: 1 (notes.txt)",
        "warning: 2 of the 5 test images are training images too, pixel for pixel: what they reach says little; "
        "cl data names them",
    ]
    lines = said.splitlines()
    assert lines[0] == f"data:        folder: animals, the folder {tmp_path / 'animals'} (data.dir)"
    assert lines[1].startswith("images:      10×12 pixels, grey; mean ")
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("cat", "zebra", "all"))}
    assert rows == {"cat": ["7", "4"], "zebra": ["6", "1"], "all": ["13", "5"]}
    assert any(line.startswith("repeated:    1 of 13 train images (train/cat/") for line in lines)
    found = next(line for line in lines if line.startswith("in test too: "))
    assert found.startswith("in test too: 2 of 5 test images, 1 with another label (")
    assert "train/zebra/4.png = test/cat/other.png" in found
    assert lines[-1] == "picture:     data-folder.png"
    with Image.open(tmp_path / "data-folder.png") as picture:
        assert (picture.mode, picture.height) == ("L", 5 * 3 * 10)
        assert picture.width > 5 * 13 * 12  # names of classes beside their rows
    code, said, errors = here("data", "mine.yaml", "data.size=[7,7]")
    assert (code, said.splitlines()[-1]) == (1, "picture:     data-folder.png")
    assert "the images of animals are 7×7 pixels" in errors
    assert here("data", "mine.yaml", "--out", "x.jpg")[0] == 2
    assert here("data", "mine.yaml", "data.dir=nowhere")[0] == 1


def test_the_picture_has_means_and_examples(tmp_path: Path) -> None:
    dataset = load_dataset("folder", dir=fill(tmp_path, FLAT), test_fraction=0.5)
    split = dataset.train
    picture = np.asarray(sheet(split, ("a class", "another")))
    names, pixels = picture[:, : -13 * 64], picture[:, -13 * 64 :]
    dark_rows = (names < 128).any(axis=1).reshape(3, 64)
    assert dark_rows.any(axis=1).all()  # a name beside each row
    assert not dark_rows[:, [0, -1]].any()
    shown = pixels[::64, ::64].astype(int)
    if pixels[-1, -1] == 255 and np.median(split.images) < 64:  # ink on paper
        shown = 255 - shown
    values = split.images[:, 0, 0, 0].astype(int)
    assert shown[0, 0] == np.rint(values.mean())
    for label in range(2):
        members = values[split.labels == label]
        assert shown[1 + label, : 1 + len(members)].tolist() == [np.rint(members.mean()), *members]
    assert brightness(split) == (values.mean(), values.std())
    assert mean_image(split.images).shape == (8, 8, 1)


def test_twins_are_found_pixel_for_pixel(tmp_path: Path) -> None:
    almost = np.full((8, 8), 13)
    almost[7, 7] = 14
    files = {
        "train/a/1.png": grey(13),
        "train/b/1.png": grey(13),
        "test/a/1.png": png(almost),
        "test/b/2.png": grey(13),
    }
    dataset = load_dataset("folder", dir=fill(tmp_path, files))
    assert (twins(dataset.train).pairs, twins(dataset.train).disagreeing) == ([(0, 1)], 1)
    assert twins(dataset.train, dataset.test).pairs == [(0, 1)]
