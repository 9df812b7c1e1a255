"""What only the images tell of a config is refused before a run, or said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_image_folder import FLAT, fill

from centerloss_core.config import Config, load_config
from centerloss_core.datasets import DataError, Dataset, Split
from centerloss_core.networks.image_shape import ImageShapeError
from centerloss_core.training.suited import refuse_unsuited, unexpected

QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"


def config(*settings: str) -> Config:
    own = ("data.name=npz", "data.dir=mine.npz")
    return load_config(QUICKSTART, settings=[*own, *settings])


def made(classes: int, each: int, shape: tuple[int, int, int] = (8, 8, 1)) -> Dataset:
    labels = np.repeat(np.arange(classes), each)
    split = Split(np.zeros((len(labels), *shape), np.uint8), labels)
    names = tuple(map(str, range(classes)))
    return Dataset("npz", "mine", "", "", split, None, split, names, ("a warning of the source",))


@pytest.mark.parametrize(
    ("settings", "dataset", "reason"),
    [
        (("loss.head={name: cosface, margin: 0.1}",), made(20, 2), "loss.head.margin: "),
        (
            ("train.keep_best=accuracy",),
            made(2, 9),
            "train.keep_best chooses by validation images, and there are none",
        ),
        (
            ("train.batch_size=60001",),
            made(2, 9),
            "train.batch_size is 60,001, and there are 18 images to train on",
        ),
        (("train.sampler={classes: 5, images: 5}",), made(3, 9), "train.sampler asks for 5 classes"),
        ((), made(2, 9, (7, 8, 3)), "7×8 pixels"),
    ],
)
def test_what_does_not_go_together(settings: tuple[str, ...], dataset: Dataset, reason: str) -> None:
    with pytest.raises((DataError, ImageShapeError)) as caught:
        refuse_unsuited(config(*settings), dataset)
    assert reason in str(caught.value)


def test_a_recipe_for_mnist_fits_any_images() -> None:
    for dataset in (made(2, 1), made(1000, 2), made(10, 3, (32, 40, 3))):
        refuse_unsuited(config(), dataset)
        assert unexpected(config(), dataset) == ["a warning of the source"]


def test_a_circle_of_too_many_classes_is_told() -> None:
    many = made(400, 1, (32, 32, 3))
    _, warning = unexpected(config(), many)
    assert warning.startswith("model.head_start: circle leaves the 400 classes in the order of their labels")
    assert unexpected(config("model.head_start=random"), many) == ["a warning of the source"]


def test_a_dry_run_refuses_and_says_the_same(here: Any, tmp_path: Path) -> None:
    fill(tmp_path / "animals", {**FLAT, "notes.txt": b""})
    mine = (
        "quickstart",
        "data.name=folder",
        "data.dir=animals",
        "data.test_fraction=0.5",
        "train.batch_size=6",
        "--dry-run",
    )
    code, said, errors = here("train", *mine)
    assert code == 0, errors
    assert "length: 18 images in 3 steps" in said
    assert "files that are no images of a class: 1 (notes.txt)" in said
    code, said, errors = here("train", *mine, "train.sampler={classes: 3, images: 2}")
    assert (code, said) == (1, "")
    assert "train.sampler asks for 3 classes in a batch, and there are 2" in errors
