"""A small run with all that a run can have, stopped where a test wants it, and what must be equal at its end."""

import json
import signal
from pathlib import Path
from typing import Any

import keras
import pytest

from centerloss_core.config import Config, Model, load_config
from centerloss_core.interrupts import InterruptedRunError
from centerloss_core.training import train
from centerloss_core.training.step import TrainStep

QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
STEPS_PER_EPOCH = 10
LAST_STEP = 20
CLOCKS = ("images_per_second", "seconds", "training_seconds")


def config(*settings: str) -> Config:
    """Two epochs of ten steps with all that a run can have, of a narrow network; rows every 4 steps."""
    own = ["data.name=digits8", "data.validation=100", "model.channels=[4, 8, 8]", "train.batch_size=134"]
    own += ["train.log_every=4", "train.checkpoint_seconds=null"]
    if not any(setting.startswith("train.iterations=") for setting in settings):
        own.append("train.epochs=2")
    return load_config(QUICKSTART, {"loss.lambda": 0.1}, settings=last_of_each(*own, *settings))


def one_layer(image_shape: tuple[int, int, int], model: Model) -> Any:
    """The smallest network that learns, for what holds of each: it is traced in a tenth of the time of another."""
    images = keras.Input(image_shape)
    return keras.layers.Dense(model.feature_dim)(
        keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    )


def last_of_each(*settings: str) -> list[str]:
    """Each key once, with its last value."""
    return [*{each.partition("=")[0]: each for each in settings}.values()]


def without_clocks(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in CLOCKS}


def outcome(path: Path) -> dict[str, Any]:
    """All that must be equal: each dump and each array of the last checkpoint byte for byte, rows and final figures."""
    files = [*(path / "features").iterdir(), path / "checkpoints" / f"step-{LAST_STEP:08d}" / "state.npz"]
    rows = [without_clocks(json.loads(line)) for line in (path / "metrics.jsonl").read_text().splitlines()]
    manifest = json.loads((path / "run.json").read_text())
    return {
        **{file.name: file.read_bytes() for file in files},
        "rows": rows,
        "metrics": without_clocks(manifest["metrics"]),
        "status": manifest["status"],
        "warnings": set(manifest["warnings"]),
    }


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a SIGTERM come while step number `step` is under way."""
    taken = 0
    take = TrainStep.take

    def step_and_signal(self: TrainStep, *arguments: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken == step:
            signal.raise_signal(signal.SIGTERM)
        return take(self, *arguments)

    monkeypatch.setattr(TrainStep, "take", step_and_signal)


def stopped_run(path: Path, step: int, *settings: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_at(step, patch)
        with pytest.raises(InterruptedRunError, match=f"stopped after step {step} of") as caught:
            train(config(*settings), path)
    assert caught.value.exit_code == 143
    assert caught.value.__notes__ == [f"resume it: cl train --resume {path}"]
