"""From the files of a run or sweep to its figures on disk."""

from pathlib import Path

from matplotlib.figure import Figure

from centerloss_core.plotting.curves import curves_figure
from centerloss_core.plotting.errors import PlotError
from centerloss_core.plotting.grid import Cell, Grid, arrange
from centerloss_core.plotting.panel import panel_figure
from centerloss_core.plotting.post import post_figure, post_panel
from centerloss_core.plotting.records import (
    Snapshot,
    SweepPoint,
    is_run,
    read_history,
    read_run,
    read_snapshot,
    read_sweep,
)
from centerloss_core.plotting.save import save_figure
from centerloss_core.plotting.scatter import scatter_figure
from centerloss_core.plotting.style import house_style


def plot_run(directory: Path, split: str, style: str, fmt: str, out: Path | None) -> list[Path]:
    """Draw one run's figures, or its scatter plot into `out`; return the files."""
    run = read_run(directory)
    snapshot = read_snapshot(run, split)
    if snapshot is None:
        raise PlotError(
            f"{directory / 'features' / split}-final.npz: no such feature dump, and the run is {run.status}; "
            "plot when it is completed"
        )
    with house_style():
        if out:
            return [save_figure(_scatter(snapshot, style), out, fmt)]
        return _draw_run(snapshot, style, fmt)


def plot_sweep(directory: Path, split: str, style: str, fmt: str, out: Path | None) -> list[Path]:
    """Draw a sweep's panel and its completed runs' figures, or the panel into `out`; return the files."""
    cells = [_read_cell(point, split) for point in read_sweep(directory)]
    snapshots = [cell.snapshot for cell in cells if cell.snapshot]
    if not snapshots:
        raise PlotError(f"{directory}: no run of this sweep has {split} features to draw yet; let one finish")
    with house_style():
        path = out or directory / "plots" / f"panel-{_suffix(split, style)}.{fmt}"
        written = [save_figure(_panel(arrange(cells), style), path, fmt)]
        if not out:
            for snapshot in snapshots:
                if snapshot.run.status == "completed":
                    written += _draw_run(snapshot, style, fmt)
    return written


def _draw_run(snapshot: Snapshot, style: str, fmt: str) -> list[Path]:
    """Draw scatter plot and curves of one run into its own folder."""
    run, plots = snapshot.run, snapshot.run.directory / "plots"
    scatter = plots / f"scatter-{_suffix(snapshot.split, style)}.{fmt}"
    history = read_history(run)
    return [
        save_figure(_scatter(snapshot, style), scatter, fmt),
        save_figure(curves_figure(run, history), plots / f"curves.{fmt}", fmt),
    ]


def _read_cell(point: SweepPoint, split: str) -> Cell:
    """Read the features of a point, if it has any; a failed run's earlier epochs are no result."""
    if point.status == "failed" or not is_run(point.directory):
        return Cell(point)
    return Cell(point, read_snapshot(read_run(point.directory), split))


def _scatter(snapshot: Snapshot, style: str) -> Figure:
    return post_figure(snapshot) if style == "post" else scatter_figure(snapshot)


def _panel(grid: Grid, style: str) -> Figure:
    return post_panel(grid) if style == "post" else panel_figure(grid)


def _suffix(split: str, style: str) -> str:
    return split if style == "default" else f"{split}-{style}"
