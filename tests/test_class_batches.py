"""Batches of P classes with K images of each."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from centerloss_core.config import ConfigError, load_config
from centerloss_core.datasets import ClassBatches, DataError

COUNTS = (7, 12, 5, 30, 9)
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(len(COUNTS)), COUNTS))


def stream(classes: int = 2, images: int = 3, seed: int = 0) -> ClassBatches:
    return ClassBatches(LABELS, len(COUNTS), classes, images, seed)


@pytest.mark.parametrize(("classes", "images"), [(5, 5), (2, 3), (3, 1), (1, 5)])
def test_a_batch_has_p_classes_and_k_images_of_each_none_twice(classes: int, images: int) -> None:
    for step in range(50):
        batch = stream(classes, images).batch(step)
        assert (batch.shape, batch.dtype) == ((classes * images,), np.int32)
        assert len(set(batch)) == len(batch)
        present, counts = np.unique(LABELS[batch], return_counts=True)
        assert (len(present), set(counts)) == (classes, {images})


def test_any_step_can_be_asked_for_alone_and_the_seed_decides() -> None:
    asked = stream()
    in_order = [asked.batch(step) for step in range(60)]
    for step in np.random.default_rng(0).permutation(60):
        np.testing.assert_array_equal(asked.batch(int(step)), in_order[step])
        np.testing.assert_array_equal(stream().batch(int(step)), in_order[step])
    assert not np.array_equal(stream(seed=1).batch(0), in_order[0])


def test_the_batches_are_the_same_with_every_numpy() -> None:
    labels = np.arange(12) % 3
    batches = ClassBatches(labels, 3, 2, 2, 0)
    assert [batches.batch(step).tolist() for step in range(3)] == [[2, 5, 6, 0], [9, 3, 8, 11], [9, 3, 1, 4]]


def test_classes_and_the_images_of_a_class_take_turns() -> None:
    batches = [stream(2, 3, seed=4).batch(step) for step in range(2000)]
    of_class = np.bincount(np.concatenate([LABELS[batch] for batch in batches]), minlength=5)
    assert of_class.sum() == 12_000
    assert of_class.min() > 2200  # 2,400 expected
    seen = np.bincount(np.concatenate(batches), minlength=len(LABELS))
    for label, count in enumerate(COUNTS):
        expected = of_class[label] / count
        assert (abs(seen[label == LABELS] - expected) < 0.25 * expected).all(), label
    within_a_pass = np.concatenate([stream(5, 3).batch(step) for step in range(2)])
    assert len(set(within_a_pass[np.isin(LABELS[within_a_pass], (0, 1, 3, 4))])) == 24  # of 7 and more images


def test_epochs_are_counted_by_images() -> None:
    assert [stream().completed_epochs(steps) for steps in (0, 10, 11, 21, 22)] == [0, 0, 1, 2, 2]


def test_too_few_classes_or_images_are_refused() -> None:
    with pytest.raises(DataError, match="asks for 6 classes in a batch, and there are 5"):
        stream(6, 2)
    with pytest.raises(DataError, match="asks for 6 images of a class, and class 2 has 5 to train on"):
        stream(2, 6)
    with pytest.raises(ValueError, match="step is -1"):
        stream().batch(-1)


def test_what_a_run_would_refuse_a_dry_run_refuses(here: Callable[..., tuple[int, str, str]]) -> None:
    few = ("train.sampler={classes: 2, images: 200}", "train.batch_size=400", "data.name=digits8")
    code, out, err = here("train", "quickstart", *few, "--dry-run")
    assert (code, out) == (1, "")
    assert "asks for 200 images of a class" in err


def test_a_batch_size_that_disagrees_is_a_config_error(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("data: {name: digits8}\ntrain:\n  epochs: 1\n  sampler: {classes: 10, images: 8}\n")
    with pytest.raises(ConfigError, match="are 80 images, and batch_size is 100: set"):
        load_config(path)
    assert load_config(path, settings=["train.batch_size=80"]).train.total_steps(1437) == 18
    with pytest.raises(ConfigError, match="images"):
        load_config(path, settings=["train.batch_size=10", "train.sampler.images=1"])
