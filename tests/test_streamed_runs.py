"""A run whose images are streamed from the cache ends, to the byte, as one that holds them in memory."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import config, outcome, stopped_run
from PIL import Image

from centerloss_core.datasets import Split, image_cache, load_dataset
from centerloss_core.training import build, resume, reuse, train

STREAMED = "data.memory=0.000001"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Some digits as files; the cache is one of this test."""
    monkeypatch.setattr(image_cache, "user_cache", lambda _: tmp_path / "cache")
    digits = load_dataset("digits8")
    for name, split, count in (("train", digits.train, 240), ("test", digits.test, 60)):
        for number, (image, label) in enumerate(zip(split.images[:count], split.labels, strict=False)):
            path = tmp_path / "digits" / name / str(label) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(path)
    return tmp_path / "digits"


def test_stopped_and_resumed_it_ends_as_a_run_in_memory(folder: Path, tmp_path: Path) -> None:
    settings = ["data.name=folder", f"data.dir={folder}", "data.validation=40", "train.batch_size=50"]
    settings += ["train.iterations=20", "train.dump_every=8"]
    told: list[str] = []
    stopped_run(tmp_path / "streamed", 13, *settings, STREAMED)
    shutil.copytree(tmp_path / "streamed", tmp_path / "moved")
    resume(tmp_path / "streamed", stage=told.append)
    assert not any(stage.startswith("decoding") for stage in told)  # the stopped run has done that
    # Where images are held is no part of what a run is: another machine may have another memory.
    with reuse.programs_are_kept():
        resume(tmp_path / "moved", config(*settings, "data.memory=auto"))
        train(config(*settings), tmp_path / "held")
    assert outcome(tmp_path / "moved") == outcome(tmp_path / "streamed") == outcome(tmp_path / "held")
    (resumed,) = json.loads((tmp_path / "moved" / "run.json").read_text())["resumed"]
    assert resumed["changed"] == {"data.memory": {"from": 1e-6, "to": "auto"}}


def test_images_that_are_in_memory_but_not_on_the_device_are_brought_along_too(
    straight: dict[str, Any], tmp_path: Path
) -> None:
    train(config(STREAMED), tmp_path / "run")
    assert outcome(tmp_path / "run") == straight


def test_the_device_says_what_it_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    split = Split(np.zeros((10, 8, 8), np.uint8), np.zeros(10, np.int64))
    assert not build.is_streamed(split, "auto")  # a processor shares the memory that they are in
    monkeypatch.setattr(build, "room_on_the_device", lambda: 639)
    assert build.is_streamed(split, "auto")
    assert not build.is_streamed(split, 1.0)
