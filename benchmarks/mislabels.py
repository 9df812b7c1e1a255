"""`mislabels`: how many of the labels that were made wrong stand first in the lists of `cl rank`.

The quickstart's recipe, three epochs, on 4,000 training digits of which 80 have a wrong label. Runs are kept in
runs/benchmarks/mislabels, and those that are there are not trained again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.sections import Options, Outcome
from centerloss_core import load_config, read_run, train
from centerloss_core.datasets import load_dataset
from centerloss_core.inference.rank import Ranking, rank
from centerloss_core.metrics.label_fit import Order
from centerloss_core.run_directory.reader import RunRecord

FOLDER = Path("runs") / "benchmarks" / "mislabels"
LAMBDAS = (0.0, 0.01, 1.0)
ORDERS: tuple[Order, ...] = ("distance", "margin", "loss")
SHARE = 0.02  # of the labels, made wrong
LOOKED_AT = (0.02, 0.05)  # of the list


def measure(options: Options) -> Outcome:
    """The share of the wrong labels that a person finds who looks at the first of a list, by its order."""
    outcome = Outcome(notes=["in suspects.txt: images that are nearer to another class, by margin"])
    folder = FOLDER / "quick" if options.quick else FOLDER
    for lambda_ in LAMBDAS:
        found: dict[tuple[Order, float], list[float]] = {}
        listed: dict[str, list[float]] = {"images": [], "wrong": []}
        for seed in options.seeds:
            run = trained(folder, lambda_, seed, options)
            for by in ORDERS:
                ranking = rank(run, "train", by)
                is_wrong = wrong_of(ranking)
                for share in LOOKED_AT:
                    first = ranking.order[: round(share * len(is_wrong))]
                    found.setdefault((by, share), []).append(100 * is_wrong[first].sum() / is_wrong.sum())
                if by == "margin":
                    listed["images"].append(len(ranking.suspects))
                    listed["wrong"].append(100 * is_wrong[ranking.suspects].sum() / is_wrong.sum())
        for (by, share), values in found.items():
            outcome.add(f"λ = {lambda_:g}, by {by}: found in the first {share:.0%}", "%", values)
        outcome.add(f"λ = {lambda_:g}: in suspects.txt", "images", listed["images"])
        outcome.add(f"λ = {lambda_:g}: found in suspects.txt", "%", listed["wrong"])
    return outcome


def wrong_of(ranking: Ranking) -> npt.NDArray[np.bool_]:
    """Which images of a ranking, (n,), have another label than the packaged digits."""
    rows = [int(ranking.images.name(index).split()[1]) for index in range(len(ranking.images))]
    different: npt.NDArray[np.bool_] = load_dataset("mnist5k").train.labels[rows] != ranking.images.labels
    return different


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
