"""Each network in whole runs: resumed, or in the program of another run, it ends in the same bits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import QUICKSTART, last_of_each, stop_at

from centerloss_core.config import Config, load_config
from centerloss_core.datasets import Dataset, Split, load_dataset
from centerloss_core.interrupts import InterruptedRunError
from centerloss_core.training import resume, reuse, train

NARROW = {"lenets_plus_plus": [2, 3, 4], "resnet18": [2, 2, 3, 4], "face_resnet": [2, 3, 3, 4, 5]}


def enlarged(*_: Any, **__: Any) -> Dataset:
    """A few digits of 48×48 pixels in colour, which every network can take."""
    digits = load_dataset("digits8")

    def some(split: Split, count: int) -> Split:
        images = np.kron(split.images[:count], np.ones((1, 6, 6, 3), np.uint8))
        return Split(np.ascontiguousarray(images), split.labels[:count])

    train, test = some(digits.train, 60), some(digits.test, 20)
    return Dataset("digits8", "Large digits", "made up", "none", train, None, test, digits.class_names)


def config(name: str, *settings: str) -> Config:
    own = [f"model.name={name}", f"model.channels={NARROW[name]}", "model.feature_activation=none"]
    own += ["data.name=digits8", "train.iterations=4", "train.batch_size=20", "train.checkpoint_seconds=null"]
    own += ["train.optimizer=sgd"]  # which traces soonest
    return load_config(QUICKSTART, settings=last_of_each(*own, *settings))


def outcome(path: Path) -> dict[str, bytes]:
    files = [*(path / "features").iterdir(), path / "checkpoints" / "step-00000004" / "state.npz"]
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.parametrize("name", NARROW)
def test_a_run_ends_as_one_that_was_stopped_and_as_one_that_took_over_a_program(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reuse, "load_dataset", enlarged)
    with reuse.programs_are_kept():
        train(config(name), tmp_path / "alone")  # for which the program is compiled
        train(config(name, "train.seed=3", "train.iterations=1"), tmp_path / "before")
        train(config(name), tmp_path / "after")
        with monkeypatch.context() as patch:
            stop_at(2, patch)
            with pytest.raises(InterruptedRunError):
                train(config(name), tmp_path / "stopped")
        resume(tmp_path / "stopped")
    expected = outcome(tmp_path / "alone")
    assert expected.keys() >= {"test-final.npz", "train-final.npz", "state.npz"}
    assert outcome(tmp_path / "after") == outcome(tmp_path / "stopped") == expected
