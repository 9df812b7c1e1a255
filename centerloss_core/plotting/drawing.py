"""From the files of a run or sweep to its figures on disk."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from centerloss_core.files.untrusted import own_folder
from centerloss_core.plotting.animation import MAX_FRAMES, read_film
from centerloss_core.plotting.curves import curves_figure
from centerloss_core.plotting.errors import PlotError
from centerloss_core.plotting.film import has_ffmpeg, save_film
from centerloss_core.plotting.grid import Cell, Grid, arrange
from centerloss_core.plotting.head import HeadError, read_head
from centerloss_core.plotting.histogram import distances_figure
from centerloss_core.plotting.panel import panel_figure
from centerloss_core.plotting.post import post_figure, post_panel
from centerloss_core.plotting.records import (
    History,
    Run,
    Snapshot,
    SweepPoint,
    is_run,
    read_history,
    read_run,
    read_snapshot,
    read_sweep,
)
from centerloss_core.plotting.regions import regions_figure
from centerloss_core.plotting.request import OF_A_RUN, Order
from centerloss_core.plotting.save import save_figure
from centerloss_core.plotting.scatter import scatter_figure
from centerloss_core.plotting.seeds import has_spread, measure, seeds_figure
from centerloss_core.plotting.style import house_style
from centerloss_core.run_directory.advice import how_to_finish, status_of
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.feature_dumps import FeatureFileError
from centerloss_core.run_directory.manifest import read_manifest


def plot_run(directory: Path, order: Order) -> list[Path]:
    """Draw the figures of one run that are ordered; return the files."""
    run = read_run(directory)
    snapshot = read_snapshot(run, order.split)
    if snapshot is None:
        raise PlotError(
            f"{directory / 'features' / order.split}-final.npz: no such feature dump, {_why_no_features(run)}"
        )
    _refuse_links(order, directory)
    with house_style():
        written = _draw_run(snapshot, order)
        if order.animate:
            written += _animate(_alone(snapshot), directory, order)
    return _refuse_nothing(directory, written)


def plot_sweep(directory: Path, order: Order) -> list[Path]:
    """Draw what is ordered of a sweep and of its completed runs; return the files."""
    problems: list[str] = []
    cells = [_read_or_leave_out(point, order.split, problems) for point in read_sweep(directory)]
    snapshots = [cell.snapshot for cell in cells if cell.snapshot]
    if not snapshots:
        raise PlotError(
            f"{directory}: no run of this sweep can be drawn:\n" + "\n".join(problems)
            if problems
            else f"{directory}: no run of this sweep has {order.split} features to draw yet; let one finish"
        )
    for problem in problems:
        order.note(f"left out: {problem}")
    completed = [snapshot for snapshot in snapshots if snapshot.run.status == "completed"]
    _refuse_links(order, directory, [snapshot.run for snapshot in completed])
    with house_style():
        written = _draw_sweep(cells, directory / "plots", order)
        for snapshot in completed:
            # Nothing named: what one run lacks does not stop the others.
            written += _draw_run(snapshot, replace(order, named=()))
        if order.animate:
            written += _animate(arrange(cells), directory, order)
    return _refuse_nothing(directory, written)


def _refuse_links(order: Order, directory: Path, runs: Sequence[Run] = ()) -> None:
    """Raise LinkError if a folder that figures are to go into is a link, before any is drawn; `runs`: of a sweep."""
    if order.out is None:
        own_folder(directory / "plots")
        for run in runs:
            own_folder(own_folder(run.directory) / "plots")


def _draw_sweep(cells: list[Cell], plots: Path, order: Order) -> list[Path]:
    """Draw what shows several runs at once."""
    written = []
    if "panel" in order.figures:
        draw = post_panel if order.style == "post" else panel_figure
        path = order.out or plots / f"panel-{order.panel_suffix}.{order.fmt}"
        written.append(save_figure(draw(arrange(cells), shared=order.shared), path, order.fmt))
    if "seeds" in order.figures and has_spread(cells):
        data = next(cell.snapshot for cell in cells if cell.snapshot).run.data_title
        path = order.out or plots / f"seeds-{order.split}.{order.fmt}"
        figure = seeds_figure(measure(cells), f"{data} {order.split}")
        written.append(save_figure(figure, path, order.fmt))
    elif "seeds" in order.named:
        why = "no λ and α has completed runs of two seeds, so there is no spread to show"
        if order.figures == ("seeds",):
            raise PlotError(f"{plots.parent}: {why}")
        order.note(f"no seeds: {why}")
    return written


def _draw_run(snapshot: Snapshot, order: Order) -> list[Path]:
    """Draw one run into its own folder."""
    plots = snapshot.run.directory / "plots"
    # Read first: where it is an error, the earlier figures stay as they are.
    history = _history(snapshot.run, order)
    drawings: dict[str, tuple[str, Callable[[], Figure | None]]] = {
        "scatter": (order.suffix, lambda: _scatter(snapshot, order.style)),
        "curves": ("", lambda: curves_figure(snapshot.run, history) if history else None),
        "regions": (order.split, lambda: _regions(snapshot, order)),
        "distances": (order.split, lambda: distances_figure(snapshot)),
    }
    written = []
    for name in OF_A_RUN:
        if name in order.figures:
            suffix, draw = drawings[name]
            figure = draw()
            if figure:
                path = order.out or plots / f"{name}{suffix and '-' + suffix}.{order.fmt}"
                written.append(save_figure(figure, path, order.fmt))
    return written


def _history(run: Run, order: Order) -> History | None:
    """Read what the curves show; where it cannot be had, the other figures do without, unless curves were named."""
    if "curves" not in order.figures:
        return None
    try:
        return read_history(run)
    except PlotError as error:
        if "curves" in order.named:
            raise
        order.note(f"no curves: {error}")
        return None


def _scatter(snapshot: Snapshot, style: str) -> Figure:
    return post_figure(snapshot) if style == "post" else scatter_figure(snapshot)


def _regions(snapshot: Snapshot, order: Order) -> Figure | None:
    """Draw the regions, without those of the softmax head where it cannot be had; none without a plane to cut."""
    features = snapshot.dump.features.shape[1]
    if features != 2:
        order.note(f"no regions: they need two features, and these runs have {features}")
        return None
    try:
        head = read_head(snapshot.run.directory, snapshot.dump)
    except HeadError as error:
        order.note(f"no regions of the softmax head, only of the nearest center: {error}")
        head = None
    return regions_figure(snapshot, head)


def _animate(grid: Grid, directory: Path, order: Order) -> list[Path]:
    """Write the animation as GIF, and as MP4 where that can be done; or the one that `out` names."""
    film = read_film(grid, order.split, axes=order.axes, note=order.note)
    if film is None:
        why = (
            f"no animation: {directory} has features of fewer than two epochs of the {order.split} images; "
            "train with train.epochs: 2 or more and train.dump_every_epoch: true"
        )
        if order.out:
            raise PlotError(why)
        order.note(why)
        return []
    if film.skipped:
        order.note(f"the animation shows {MAX_FRAMES} of {MAX_FRAMES + film.skipped} epochs")
    if order.out:
        return [save_film(film, order.out, order.fmt)]
    path = directory / "plots" / f"animation-{order.film_suffix}.gif"
    written = [save_film(film, path, "gif")]
    if has_ffmpeg():
        try:
            written.append(save_film(film, path.with_suffix(".mp4"), "mp4"))
        except PlotError as error:  # there is a GIF already
            order.note(str(error))
    else:
        order.note("no MP4 beside the GIF: the program ffmpeg is not found")
    return written


def _alone(snapshot: Snapshot) -> Grid:
    """Put a run where the runs of a sweep would stand."""
    run = snapshot.run
    point = SweepPoint(run.directory, run.status, run.weight, run.alpha, run.seed, run.weight_eq)
    return arrange([Cell(point, snapshot)])


def _why_no_features(run: Run) -> str:
    if run.status == "completed":
        return "and a completed run has it: put it back, or train the run again"
    return f"for the run {how_to_finish(run.directory, read_manifest(run.directory))}"


def _read_cell(point: SweepPoint, split: str) -> Cell:
    """Read the features of a point, if it has any; a failed run's earlier epochs are no result."""
    if point.status == "running" and is_run(point.directory):  # a sweep that was killed says so for ever
        point = replace(point, status=status_of(point.directory, read_manifest(point.directory)))
    if point.status == "failed" or not is_run(point.directory):
        return Cell(point)
    return Cell(point, read_snapshot(read_run(point.directory), split))


def _read_or_leave_out(point: SweepPoint, split: str, problems: list[str]) -> Cell:
    """Read a point; what is damaged joins the problems, and its place in a panel says so."""
    try:
        return _read_cell(point, split)
    except (PlotError, FeatureFileError, RunError) as error:
        problems.append(str(error))
        return Cell(replace(point, status="damaged"))


def _refuse_nothing(directory: Path, written: list[Path]) -> list[Path]:
    if not written:
        raise PlotError(f"{directory}: nothing of what was asked for can be drawn")
    return written
