"""The network of a run, opened again: the features of its dumps, its checkpoints, and runs that cannot be used."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from comparing import LAST_STEP, config

from centerloss_core import read_run
from centerloss_core.datasets import load_dataset
from centerloss_core.inference.model import InferenceError, checkpoint_of, open_model
from centerloss_core.run_directory.checkpoints import DamagedCheckpointError


def test_its_features_are_those_of_the_dumps_bit_for_bit(straight_run: Path) -> None:
    model = open_model(read_run(straight_run))
    dataset = load_dataset(config().data)
    assert len(dataset.train) % 500  # the last batch is not full
    for split, name in ((dataset.train, "train-final"), (dataset.test, "test-final")):
        dump = read_run(straight_run).dump(name)
        features, logits = model.apply(np.asarray(split.images))
        assert features.tobytes() == dump.features.tobytes()
        assert logits is not None
        np.testing.assert_array_equal(logits.argmax(axis=1), dump.predictions)
        assert model.points is not None
        assert dump.centers is not None
        assert model.points.tobytes() == dump.centers.tobytes()
    assert (model.step, model.points_kind, model.is_final) == (LAST_STEP, "center", True)
    assert (model.image_shape, len(model.class_names)) == ((8, 8, 1), 10)


def test_a_checkpoint_is_the_last_the_best_or_that_of_a_step(straight_run: Path) -> None:
    run = read_run(straight_run)
    assert checkpoint_of(run, "last").name == "step-00000020"
    earlier = open_model(run, "10")
    dump = run.dump("test-epoch-0001")
    assert (
        earlier.apply(np.asarray(load_dataset(config().data).test.images))[0].tobytes()
        == dump.features.tobytes()
    )
    assert not earlier.is_final
    run.manifest["best"] = {"step": 10}
    assert checkpoint_of(run, "best").name == "step-00000010"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("best", "no best checkpoint.*train.keep_best"),
        ("11", "has no checkpoint '11': there are last and of steps 10, 20$"),
        ("newest", "has no checkpoint 'newest'"),
    ],
)
def test_what_is_no_checkpoint_is_named(straight_run: Path, wanted: str, message: str) -> None:
    with pytest.raises(InferenceError, match=message):
        checkpoint_of(read_run(straight_run), wanted)


def test_a_damaged_checkpoint_is_refused_and_not_replaced_by_an_older_one(
    straight_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(straight_run, tmp_path / "run")
    state = run / "checkpoints" / "step-00000020" / "state.npz"
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
    with pytest.raises(DamagedCheckpointError, match="step-00000020: damaged") as caught:
        open_model(read_run(run))
    assert caught.value.__notes__ == ["other checkpoints of the run: step-00000010"]
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(InferenceError, match="run has lost its checkpoints: put them back"):
        open_model(read_run(run))
