"""The long tests (`make slow`): the shipped recipes reach what their headers and the README claim."""

import json
import os
from pathlib import Path

import pytest
from test_cli import ROOT, cl

pytestmark = pytest.mark.slow


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


@pytest.mark.skipif(
    "CENTERLOSS_DATA_DIR" not in os.environ, reason="needs full MNIST: set CENTERLOSS_DATA_DIR"
)
def test_the_mnist_recipe_reaches_its_claim(tmp_path: Path) -> None:
    rows = sweep("mnist.yaml", tmp_path)
    assert set(rows) == {0.0, 0.01, 0.1, 1.0}
    for lambda_, row in rows.items():
        assert row["accuracy"] >= 0.985, row
        if lambda_ > 0:
            assert row["nearest_center_accuracy"] >= 0.983, row
            assert row["separation_ratio"] >= 2.2 * rows[0.0]["separation_ratio"], row
