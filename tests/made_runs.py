"""Runs and sweeps that no training has made: what they would leave on disk, and what figures are drawn from."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from centerloss_core.metrics.separation import separation
from centerloss_core.plotting.drawing import read_cells
from centerloss_core.plotting.grid import Cell, Grid, arrange
from centerloss_core.run_directory.feature_dumps import FeatureDump, write_features
from centerloss_core.run_directory.manifest import FORMAT
from centerloss_core.run_directory.reader import RunRecord, Snapshot, read_sweep

WEIGHTS = (0.0, 0.01, 0.1, 1.0)
DIGITS = [str(digit) for digit in range(10)]


def make_dump(weight: float = 0.01, n: int = 300, d: int = 2, seed: int = 0) -> FeatureDump:
    """Rays for λ = 0, clusters that shrink with λ for the others."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 10
    angles = labels * 2 * np.pi / 10
    radii = rng.uniform(20, 300, n) if weight == 0 else rng.normal(15 * 0.01 / weight, 0.5 * 0.01 / weight, n)
    x = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    x = x[:, :1] if d == 1 else x @ np.eye(2, d) + rng.normal(scale=1e-3, size=(n, d))
    centers = np.stack([x[labels == digit].mean(axis=0) for digit in range(10)])
    return FeatureDump(x.astype(np.float32), labels, labels.copy(), centers.astype(np.float32))


def make_snapshot(weight: float = 0.01, d: int = 2, epoch: int | None = None, seed: int = 0) -> Snapshot:
    return Snapshot(make_record(weight, seed=seed), "test", make_dump(weight, d=d, seed=seed), epoch)


def make_record(
    weight: float = 0.01, status: Any = "completed", path: str = "run", **changes: Any
) -> RunRecord:
    """A run that is not on disk."""
    manifest = {
        "lambda": weight,
        "lambda_eq": weight * 100,
        "alpha": 0.5,
        "seed": 0,
        "data": {"title": "MNIST"},
    }
    return RunRecord(Path(path), status, manifest | changes)


def make_run(directory: Path, weight: float = 0.01, status: str = "completed", **changes: Any) -> Path:
    """Write what a training run leaves."""
    (directory / "features").mkdir(parents=True)
    dump = make_dump(weight)
    names = ("test-final", "train-final") if status == "completed" else ("test-epoch-0002", "test-epoch-0010")
    for name in names:
        write_features(directory / "features" / f"{name}.npz", dump)
    manifest = {
        "format": FORMAT,
        "status": status,
        "lambda": weight,
        "lambda_eq": weight * 100,
        "alpha": 0.5,
        "seed": 0,
        "data": {"title": "MNIST"},
    }
    (directory / "run.json").write_text(json.dumps(manifest | changes))
    rows: list[dict[str, Any]] = [
        {
            "kind": "steps",
            "step": step,
            "epoch": step / 600,
            "softmax_loss": 230 / step,
            "center_loss": 1e5 / step,
            "lambda": weight * max(0.0, (step - 100) / 500),
            "accuracy": step / 700,
            "center_shift": 5 / step,
        }
        for step in range(100, 601, 100)
    ]
    rows.append({"kind": "epoch", "epoch": 1, "step": 600, "test": separation(dump).as_dict()})
    (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return directory


def make_sweep(
    directory: Path, statuses: dict[float, str] | None = None, weights: tuple[float, ...] = WEIGHTS
) -> Path:
    """Write a sweep over λ; a run whose status is "missing" has no directory."""
    rows = []
    for weight in weights:
        name, status = f"lambda{weight:g}-alpha0.5-seed0", (statuses or {}).get(weight, "completed")
        if status != "missing":
            make_run(directory / name, weight, status)
        rows.append({"directory": name, "lambda": weight, "alpha": 0.5, "seed": 0, "status": status})
    (directory / "sweep.yaml").write_text("")
    (directory / "summary.json").write_text(json.dumps({"format": FORMAT, "runs": rows}))
    return directory


def make_grid(weights: tuple[float, ...] = WEIGHTS, seeds: int = 1, failed: float | None = None) -> Grid:
    return arrange(
        [
            Cell(make_record(weight, "failed", seed=seed))
            if weight == failed
            else Cell(make_record(weight, seed=seed), make_snapshot(weight, seed=seed))
            for weight in weights
            for seed in range(seeds)
        ]
    )


def grid_of(sweep: Path) -> Grid:
    record = read_sweep(sweep)
    return arrange(read_cells(record, "test")[0], record.axes)


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def assert_within(figure: Figure) -> None:
    """Nothing is drawn over the edge of a white sheet, and no legend runs over it."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    for edge in (pixels[[0, -1]], pixels[:, [0, -1]]):
        np.testing.assert_array_equal(edge, 255)
    legends = [*figure.legends, *(legend for axes in figure.axes if (legend := axes.get_legend()))]
    for legend in legends:
        box = legend.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


def covered(axes: Axes, features: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Which of some points are under the legend."""
    legend = axes.get_legend()
    assert legend is not None
    box, points = legend.get_window_extent(), axes.transData.transform(features)
    under: NDArray[np.bool_] = ((points > box.min) & (points < box.max)).all(axis=1)
    return under


def plotted(directory: Path) -> dict[str, list[str]]:
    """Return the names in every plots/ folder under a directory."""
    folders = sorted(directory.rglob("plots"))
    return {str(folder.parent.relative_to(directory)): sorted(os.listdir(folder)) for folder in folders}


def short_run(directory: Path) -> Path:
    """What three steps leave: a row of means, no evaluation, and the final figures."""
    measured = separation(make_dump()).as_dict()
    run = make_run(directory, metrics={"test": measured, "seconds": 1.0})
    row = {"kind": "steps", "step": 3, "epoch": 0.0144, "softmax_loss": 2.3, "accuracy": 0.1}
    (run / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    return run
