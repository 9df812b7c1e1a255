"""`mislabels`: how many of the labels that were made wrong stand first in the lists of `cl rank`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.sections import Options
from centerloss_core import load_config, read_run, train
from centerloss_core.datasets import load_dataset
from centerloss_core.run_directory.reader import RunRecord

FOLDER = Path("runs") / "benchmarks" / "mislabels"
LAMBDAS = (0.0, 0.01, 1.0)
SHARE = 0.02  # of the labels, made wrong


def flipped(labels: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """The labels, (n,), of which `SHARE` are replaced by one of the other classes, evenly."""
    chance = np.random.default_rng(seed)
    wrong = chance.choice(len(labels), round(SHARE * len(labels)), replace=False)
    classes = int(labels.max()) + 1
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + chance.integers(1, classes, len(wrong))) % classes
    return changed


def written(folder: Path, seed: int) -> Path:
    """The packaged digits as an .npz file in `folder`, with flipped training labels; test labels are right."""
    digits = load_dataset("mnist5k")
    path = folder / f"flipped-seed{seed}.npz"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        x_train=digits.train.images,
        y_train=flipped(digits.train.labels, seed),
        x_test=digits.test.images,
        y_test=digits.test.labels,
    )
    return path


def trained(folder: Path, lambda_: float, seed: int, options: Options) -> RunRecord:
    """The quickstart's recipe on those labels. A run that `folder` has is taken as it is."""
    path = folder / f"lambda{lambda_:g}-seed{seed}"
    if not path.exists():
        settings = {
            "data.name": "npz",
            "data.dir": str(written(folder, seed)),
            "loss.lambda": lambda_,
            "train.seed": seed,
            "train.precision": "float32",
            "train.dump_train": None,
            "train.device": options.device,
            **({"model.channels": [8, 16, 16], "train.epochs": 1} if options.quick else {}),
        }
        train(load_config("quickstart", settings), path)
    return read_run(path)
