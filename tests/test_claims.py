"""The long tests (`make slow`): the shipped recipes reach what their headers and the README claim."""

import json
import os
from pathlib import Path

import pytest
from test_cli import ROOT, cl

from centerloss_core.config import load_config

pytestmark = pytest.mark.slow
needs_mnist = pytest.mark.skipif(
    "CENTERLOSS_DATA_DIR" not in os.environ, reason="needs full MNIST: set CENTERLOSS_DATA_DIR"
)


def sweep(config: str, home: Path) -> dict[float, dict[str, float]]:
    """Run a shipped config's sweep; the rows of its summary by λ."""
    done = cl("sweep", "--config", ROOT / "configs" / config, "--run-dir", "sweep", cwd=home, timeout=3600)
    assert done.returncode == 0, done.stderr
    rows = json.loads((home / "sweep" / "summary.json").read_text())["runs"]
    return {row["lambda"]: row for row in rows}


def test_the_quickstart_reaches_its_claim(tmp_path: Path) -> None:
    rows = sweep("quickstart.yaml", tmp_path)
    assert set(rows) == {0.0, 0.01, 0.1, 1.0}
    for lambda_, row in rows.items():
        assert row["accuracy"] >= 0.95, row
        assert lambda_ == 0 or row["nearest_center_accuracy"] >= 0.945, row


@needs_mnist
def test_the_mnist_recipe_reaches_its_claim(tmp_path: Path) -> None:
    rows = sweep("mnist.yaml", tmp_path)
    assert set(rows) == {0.0, 0.01, 0.1, 1.0}
    softmax = {0.0: 0.985, 0.01: 0.99, 0.1: 0.988, 1.0: 0.988}
    nearest_center = {0.01: 0.989, 0.1: 0.988, 1.0: 0.988}
    for lambda_, row in rows.items():
        assert row["accuracy"] >= softmax[lambda_], row
        if lambda_ > 0:
            assert row["nearest_center_accuracy"] >= nearest_center[lambda_], row
            assert row["separation_ratio"] >= 2.2 * rows[0.0]["separation_ratio"], row


@needs_mnist
def test_every_loss_reaches_its_claim(tmp_path: Path) -> None:
    config = ROOT / "configs" / "losses" / "all.yaml"
    done = cl("sweep", "--config", config, "--run-dir", "sweep", cwd=tmp_path, timeout=4 * 3600)
    assert done.returncode == 0, done.stderr
    assert cl("evaluate", "sweep", cwd=tmp_path, timeout=3600).returncode == 0
    rows = json.loads((tmp_path / "sweep" / "evaluation.json").read_text())["runs"]
    assert len(rows) == 17
    for row in rows:
        test, loss = row["test"], load_config(f"losses/{row['variant']}").loss
        by_angle = "_cosine" if loss.is_angular else ""
        nearest = test[f"nearest_train_mean_accuracy{by_angle}"]
        if loss.head.name == "none":
            assert nearest >= 0.98, row
        else:
            assert test["accuracy"] >= 0.985, row
            assert row["variant"] == "softmax" or nearest >= 0.983, row


@pytest.mark.parametrize("batch_size", [100, 1000])
def test_processes_of_the_same_seed_give_the_same_bits(batch_size: int, tmp_path: Path) -> None:
    """At large batches TensorFlow's own op determinism is not enough; see docs/experiments.md."""
    dumps = set()
    for name in ("one", "two", "three", "four"):
        settings = [f"train.batch_size={batch_size}", f"train.iterations={4000 // batch_size}"]
        flags = [word for setting in settings for word in ("--set", setting)]
        done = cl(
            "train", "--config", ROOT / "configs" / "quickstart.yaml", *flags, "--name", name, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        dumps.add((tmp_path / "runs" / name / "features" / "train-final.npz").read_bytes())
    assert len(dumps) == 1
