"""From the files of a run or sweep to its figures on disk."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from centerloss_core.files.atomic import atomic_write
from centerloss_core.files.untrusted import own_folder
from centerloss_core.limits import FIGURE_PIXELS
from centerloss_core.metrics.open_set import open_scores
from centerloss_core.plotting.accepted import NoPlaneError, accepted_figure
from centerloss_core.plotting.angle_histogram import angle_histogram
from centerloss_core.plotting.animation import read_film
from centerloss_core.plotting.classes import class_names
from centerloss_core.plotting.curves import curves_figure
from centerloss_core.plotting.directions import directions_figure
from centerloss_core.plotting.film import has_ffmpeg, save_film
from centerloss_core.plotting.grid import Cell, Grid, arrange
from centerloss_core.plotting.head import HeadError, read_head
from centerloss_core.plotting.histogram import all_distances_figure, distances_figure
from centerloss_core.plotting.open_set import (
    fitting_score,
    has_unknown,
    open_set_figure,
    open_sets_figure,
    train_of,
)
from centerloss_core.plotting.panel import panel_figure
from centerloss_core.plotting.plane import Projector, project
from centerloss_core.plotting.post import post_figure, post_panel
from centerloss_core.plotting.regions import regions_figure
from centerloss_core.plotting.request import PlotError, Request
from centerloss_core.plotting.scatter import scatter_figure
from centerloss_core.plotting.seeds import has_spread, seeds_figure
from centerloss_core.plotting.space import space_figure
from centerloss_core.plotting.style import house_style
from centerloss_core.plotting.tsne import tsne_projector
from centerloss_core.run_directory.advice import how_to_complete
from centerloss_core.run_directory.class_points import word_of
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.feature_dumps import FeatureFileError
from centerloss_core.run_directory.loss_names import name_losses, settings_by_loss
from centerloss_core.run_directory.manifest import mapping, read_summary
from centerloss_core.run_directory.names import FEATURES, PLOTS
from centerloss_core.run_directory.reader import RunRecord, Snapshot, SweepRecord

# Dates and version numbers would make two equal figures differ.
_NO_METADATA: dict[str, Any] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_MOST_PIXELS = 2**16  # along a side: matplotlib draws no larger figure
_RASTER_DPI = 220  # the points in a vector figure are pixels: so many that they stay round in print


@house_style()
def draw_run(run: RunRecord, request: Request) -> list[Path]:
    """Draw what is asked for of a run; errors as of `plot_directory`."""
    snapshot = run.snapshot(request.split)
    if snapshot is None:
        path = run.path / FEATURES / f"{request.split}-final.npz"
        why = "and a completed run has it: put it back, or train the run again"
        if run.status != "completed":
            why = f"for the run {how_to_complete(run)}"
        raise PlotError(f"{path}: no such feature dump, {why}")
    run.point = _row_in_its_sweep(run)
    figures = _figures_of_a_run(snapshot, request, _projector(request), request.named)
    written = _save_all(figures, run.path, request)
    if request.animate:
        written += _animate(arrange([Cell(run, snapshot)]), run.path, request)
    return written


@house_style()
def draw_sweep(sweep: SweepRecord, request: Request) -> list[Path]:
    """Draw what is asked for of a sweep and of its completed runs; errors as of `plot_directory`."""
    sweep = name_losses(sweep)
    cells, problems = read_cells(sweep, request.split)
    if not any(cell.snapshot for cell in cells):
        raise PlotError(
            f"{sweep.path}: no run of this sweep can be drawn:\n" + "\n".join(problems)
            if problems
            else f"{sweep.path}: no run of this sweep has {request.split} features to draw yet; let one finish"
        )
    for problem in problems:
        request.note(f"left out: {problem}")
    completed = [cell.snapshot for cell in cells if cell.snapshot and cell.run.status == "completed"]
    if request.out is None:  # before anything is drawn
        for snapshot in completed:
            own_folder(own_folder(snapshot.run.path) / PLOTS)
    grid = arrange(cells, sweep.axes, row=request.layout == "row", width=request.width)
    projector = _projector(request)
    written = _save_all(_figures_of_a_sweep(grid, completed, sweep, request, projector), sweep.path, request)
    for snapshot in completed if request.out is None else ():
        # Nothing named: what one run lacks does not stop the others.
        figures = _figures_of_a_run(snapshot, request, projector, named=())
        written += _save_all(figures, snapshot.run.path, request)
    if request.animate:
        written += _animate(grid, sweep.path, request)
    return written


def read_cells(sweep: SweepRecord, split: str) -> tuple[list[Cell], list[str]]:
    """Read the features of all points, as far as they have any; return what is damaged beside them."""
    cells, problems = [], []
    for run in sweep.runs:
        snapshot = None
        if run.problem:
            problems.append(run.problem)
        elif run.status != "failed":  # the earlier epochs of a failed run are no result
            try:
                snapshot = run.snapshot(split)
            except FeatureFileError as error:
                problems.append(str(error))
                run.status = "damaged"  # the panel says so
        cells.append(Cell(run, snapshot))
    return cells, problems


def _row_in_its_sweep(run: RunRecord) -> dict[str, object]:
    """Return what `summary.json` says of a point that is drawn alone: what varies in its sweep is in its titles."""
    path = run.path.absolute()
    try:
        rows = read_summary(path.parent)["runs"]
    except RunError:
        return run.point
    settings = settings_by_loss(rows, [mapping(row.get("settings")) for row in rows])
    for row, own in zip(rows, settings, strict=True):
        if row["directory"] == path.name:
            return {**row, "settings": own}
    return run.point


def _projector(request: Request) -> Projector:
    """Return what puts features into a plane."""
    return tsne_projector(request.note) if request.projection == "tsne" else project


def _save_all(figures: Iterator[tuple[str, Figure | None]], directory: Path, request: Request) -> list[Path]:
    """Write figures under their names. All are drawn first: after an error, the earlier files are as they were."""
    folder = request.out.parent if request.out else own_folder(directory / PLOTS)
    drawn = {request.out or folder / f"{name}.{request.fmt}": figure for name, figure in figures if figure}
    for path, figure in drawn.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        dpi = request.dpi or (figure.dpi if request.fmt == "png" else _RASTER_DPI)
        across, up = figure.get_size_inches()
        if across * up * dpi**2 > FIGURE_PIXELS or max(across, up) * dpi >= _MOST_PIXELS:
            raise PlotError(
                f"{path}: {across:.3g} × {up:.3g} inches at {dpi:g} dpi are too many pixels; set fewer"
            )
        with atomic_write(path) as file:
            figure.savefig(file, format=request.fmt, dpi=dpi, metadata=_NO_METADATA[request.fmt])
    return list(drawn)


def _figures_of_a_sweep(
    grid: Grid, completed: Sequence[Snapshot], sweep: SweepRecord, request: Request, projector: Projector
) -> Iterator[tuple[str, Figure]]:
    """Draw what shows several runs at once, each with its name."""
    if "panel" in request.figures:
        shared = request.shared
        post = request.style == "post"
        figure = (
            post_panel(grid, shared=shared, projector=projector)
            if post
            else panel_figure(grid, shared=shared, width=request.width, projector=projector)
        )
        yield f"panel-{request.suffix}{'-shared' * shared}", figure
    if "distances" in request.figures and (request.out or len(grid.snapshots) > 1):
        yield f"distances-{request.split}", all_distances_figure(grid, request.width)
    with_unknown = [snapshot for snapshot in completed if has_unknown(snapshot.dump)]
    if "open_set" in request.figures and with_unknown:
        yield f"open_set-{request.split}", open_sets_figure(with_unknown, sweep.axes, request.width)
    elif "open_set" in request.named:
        _refuse_open_set(sweep.path, request)
    if "seeds" in request.figures and has_spread([snapshot.run for snapshot in completed], sweep.axes):
        yield f"seeds-{request.split}", seeds_figure(completed, sweep.axes, request.width)
    elif "seeds" in request.named:
        why = "no point has completed runs of two seeds, so there is no spread to show"
        if request.figures == ("seeds",):
            raise PlotError(f"{sweep.path}: {why}")
        request.note(f"no seeds: {why}")


def _figures_of_a_run(
    snapshot: Snapshot, request: Request, projector: Projector, named: Sequence[str]
) -> Iterator[tuple[str, Figure | None]]:
    """Draw what shows one run, each with its name."""
    if "scatter" in request.figures:
        post = request.style == "post"
        figure = (
            post_figure(snapshot, projector) if post else scatter_figure(snapshot, request.width, projector)
        )
        yield f"scatter-{request.suffix}", figure
    if "space" in request.figures and snapshot.dump.features.shape[1] == 3:
        yield f"space-{request.split}", space_figure(snapshot, request.width)
    elif "space" in named:
        features = snapshot.dump.features.shape[1]
        request.note(f"no space: it needs three features, and this run has {features}")
    if "directions" in request.figures and ("directions" in named or snapshot.run.is_angular):
        yield f"directions-{request.split}", _directions(snapshot, request)
    if "curves" in request.figures:
        try:
            yield "curves", curves_figure(snapshot.run, snapshot.run.history(), request.width)
        except RunError as error:
            if "curves" in named:
                raise
            request.note(f"no curves: {error}")
    if "regions" in request.figures:
        yield f"regions-{request.split}", _regions(snapshot, request)
    if "distances" in request.figures:
        yield f"distances-{request.split}", distances_figure(snapshot, request.width)
    if "open_set" in request.figures and has_unknown(snapshot.dump):
        yield f"open_set-{request.split}", open_set_figure(snapshot, request.width)
        if not request.out:
            yield f"accepted-{request.split}", _accepted(snapshot, request)
    elif "open_set" in named:
        _refuse_open_set(snapshot.run.path, request)


def _refuse_open_set(path: Path, request: Request) -> None:
    why = f"the {request.split} images are all of known classes (data.known, data.unknown)"
    if request.figures == ("open_set",):
        raise PlotError(f"{path}: {why}")
    request.note(f"no open_set: {why}")


def _accepted(snapshot: Snapshot, request: Request) -> Figure | None:
    """Draw the accepted region; none without a plane, or where a score has no values in it."""
    if snapshot.dump.features.shape[1] != 2:
        return None
    train = train_of(snapshot.run)
    score = fitting_score(snapshot.run, list(open_scores(snapshot.dump, train)))
    try:
        head = read_head(snapshot.run, snapshot.dump, len(class_names(snapshot)))
    except HeadError:
        head = None
    try:
        return accepted_figure(snapshot, train, score, head, request.width)
    except NoPlaneError as error:
        request.note(f"no accepted region: {error}")
        return None


def _directions(snapshot: Snapshot, request: Request) -> Figure | None:
    """Draw the directions on a circle, or where there is none as a histogram; of one feature only the sign is left."""
    features = snapshot.dump.features.shape[1]
    if features == 1:
        request.note("no directions: a single feature has none but its sign")
        return None
    head = None
    try:
        head = read_head(snapshot.run, snapshot.dump, len(class_names(snapshot)))
    except HeadError as error:
        if snapshot.dump.predictions is not None:
            request.note(f"no weights of the head among the directions: {error}")
    draw = directions_figure if features == 2 else angle_histogram
    return draw(snapshot, head, request.width)


def _regions(snapshot: Snapshot, request: Request) -> Figure | None:
    """Draw the regions, without those of the head where it is missing; none without a plane to cut."""
    features = snapshot.dump.features.shape[1]
    if features != 2:
        request.note(f"no regions: they need two features, and these runs have {features}")
        return None
    try:
        head = read_head(snapshot.run, snapshot.dump, len(class_names(snapshot)))
    except HeadError as error:
        if snapshot.dump.centers is None:
            request.note(f"no regions: {error}")
            return None
        word = word_of(snapshot.dump.centers_kind or "center")
        request.note(f"no regions of the head, only of the nearest {word}: {error}")
        head = None
    return regions_figure(snapshot, head, request.width)


def _animate(grid: Grid, directory: Path, request: Request) -> list[Path]:
    """Write the animation as GIF, and as MP4 where that can be done; or the one that `out` names."""
    axes = request.axes or "follow"
    film = read_film(grid, request.split, axes=axes, note=request.note)
    if film is None:
        why = (
            f"no animation: {directory} has features of fewer than two epochs of the {request.split} images; "
            "train with train.dump_every: 50 (steps), or with train.epochs: 2 or more and train.dump_every_epoch: true"
        )
        if request.out:
            raise PlotError(why)
        request.note(why)
        return []
    if request.out:
        return [save_film(film, request.out, request.fmt)]
    ending = "" if axes == "follow" else f"-{axes}"
    path = own_folder(directory / PLOTS) / f"animation-{request.split}{ending}.gif"  # alike in every style
    written = [save_film(film, path, "gif")]
    if has_ffmpeg():
        try:
            written.append(save_film(film, path.with_suffix(".mp4"), "mp4"))
        except PlotError as error:  # there is a GIF already
            request.note(str(error))
    else:
        request.note("no MP4 beside the GIF: the program ffmpeg is not found")
    return written
