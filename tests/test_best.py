"""`train.keep_best` keeps the checkpoint of the best epoch, and `train.early_stop` ends a run that stays behind it."""

import json
from pathlib import Path
from typing import Any

import pytest
from comparing import config, outcome, stopped_run

from centerloss_core.config import ConfigError
from centerloss_core.config.train import EarlyStop, Train
from centerloss_core.run_directory.writer import Run
from centerloss_core.training.best import Best
from centerloss_core.training.run import resume, train

pytestmark = pytest.mark.usefixtures("kept_programs")
# Nothing is learnt: no epoch is better than the first.
STILL = (
    *(
        "train.epochs=6",
        "train.keep_best=accuracy",
        "train.early_stop={patience: 1}",
        "train.checkpoint_every=5",
    ),
    *("train.learning_rate=1e-12", "model.batch_norm=false", "train.log_every=7"),
)


def row(epoch: int, accuracy: float | None) -> dict[str, Any]:
    validation = {"accuracy": accuracy, "nearest_center_accuracy": accuracy and 1 - accuracy}
    return {"kind": "epoch", "epoch": epoch, "step": 10 * epoch, "validation": validation}


@pytest.mark.parametrize(
    ("figure", "key", "best"),
    [("accuracy", "accuracy", (2, 0.7)), ("nearest_center", "nearest_center_accuracy", (4, 0.9))],
)
def test_the_first_of_the_best_epochs_is_noted_also_by_a_run_that_resumes(
    figure: Any, key: str, best: tuple[int, float], tmp_path: Path
) -> None:
    rows = [row(epoch, value) for epoch, value in enumerate((0.5, 0.7, 0.7, 0.1, None), start=1)]
    settings = Train(epochs=9, keep_best=figure, early_stop=EarlyStop(patience=3))
    with Run.create(tmp_path / "run", config(), {}) as run:
        found = Best(run, settings)
        for each in rows:
            found.on_row(each)
            run.log_row(each)
        assert run.manifest["best"] == {"epoch": best[0], "step": 10 * best[0], key: best[1]}
        assert found.is_over == (figure == "accuracy")
        again = Best(run, settings)
        assert (again.is_over, run.manifest["best"]["epoch"]) == (found.is_over, best[0])


def test_the_best_checkpoint_is_kept_and_the_run_ends_alike_when_it_was_stopped(
    tmp_path: Path, here: Any
) -> None:
    train(config(*STILL), tmp_path / "straight")
    manifest = json.loads((tmp_path / "straight" / "run.json").read_text())
    assert manifest["best"] == {"epoch": 1, "step": 10, "accuracy": manifest["best"]["accuracy"]}
    kept = sorted(path.name for path in (tmp_path / "straight" / "checkpoints").iterdir())
    assert kept == [
        "step-00000010",
        "step-00000015",
        "step-00000020",
    ]  # the best, and the last two of an early end
    stopped_run(tmp_path / "run", 15, *STILL)
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "straight")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["best"] == manifest["best"]
    (tmp_path / "run" / "checkpoints" / "step-00000020").rename(tmp_path / "lost")
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps(run | {"status": "interrupted", "metrics": {}}))
    code, output, _ = here(
        "train", "--resume", "run"
    )  # from step 15, and it stops again where it had stopped
    assert code == 0
    assert "best on the validation images: epoch 1, accuracy" in output
    assert outcome(tmp_path / "run") == outcome(tmp_path / "straight")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("train.keep_best=accuracy", "data.validation=0"), "set data.validation, such as 1000"),
        (("train.early_stop={patience: 2}",), "early_stop needs keep_best"),
        (("train.keep_best=loss",), "one of accuracy, nearest_center"),
    ],
)
def test_what_there_is_nothing_to_choose_by_is_refused(settings: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config(*settings)
