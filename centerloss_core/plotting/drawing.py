"""From the files of a run or sweep to its figures on disk. matplotlib is loaded once there is something to draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from centerloss_core.files.untrusted import own_folder
from centerloss_core.plotting.errors import PlotError
from centerloss_core.plotting.request import (
    OF_A_RUN,
    Request,
    check_choices,
    choose_figures,
    choose_format,
)
from centerloss_core.run_directory.advice import how_to_complete
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.feature_dumps import FeatureFileError
from centerloss_core.run_directory.manifest import read_summary
from centerloss_core.run_directory.names import FEATURES, PLOTS
from centerloss_core.run_directory.reader import (
    RunRecord,
    Snapshot,
    SweepRecord,
    read_directory,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from centerloss_core.plotting.grid import Cell, Grid


def plot_directory(
    directory: Path,
    *,
    split: str = "test",
    style: str = "default",
    fmt: str | None = None,
    out: Path | None = None,
    figures: Sequence[str] | None = None,
    axes: str = "own",
    animate: bool = False,
    note: Callable[[str], None] | None = None,
) -> list[Path]:
    """Draw the figures of a run or a sweep from its files, replacing earlier ones of the same name.

    A run gets `plots/scatter-<split>.<fmt>`, `plots/curves.<fmt>`, `plots/regions-<split>.<fmt>` (with two features)
    and `plots/distances-<split>.<fmt>`. A sweep gets `plots/panel-<split>.<fmt>` with all its runs and, with several
    seeds, `plots/seeds-<split>.<fmt>`; its completed runs get their scatter plots and curves, the others when asked
    for. In the post's style the names of scatter plots and panel end in `-post`; the other figures look the same.

    Args:
        directory: a run directory (with `run.json`) or a sweep directory (with `summary.json`).
        split: "test" or "train", the images to show.
        style: "default", or "post" for the look of the blog post's figures.
        fmt: "png", "svg" or "pdf"; None takes the suffix of `out`, or png.
        out: write one figure to this file and nothing else: the one named in `figures`, else the scatter plot of a run
            or the panel of a sweep; with `animate`, the animation (.gif or .mp4).
        figures: names out of `request.OF_A_RUN` and `request.OF_A_SWEEP`, or "all"; None for the usual ones.
        axes: "own" or "shared" scale for the runs of a panel or animation; names of shared ones end in `-shared`. Those
            of an animation are the same at every epoch, or "follow" the points (`-follow`), beside a panel with "own".
        animate: also write `plots/animation-<split>.gif`, and `.mp4` where ffmpeg is found.
        note: called with what is missing and why, where that is no error.

    Returns:
        The files written, the panel or scatter plot first.

    Raises:
        PlotError: no features to draw yet, or settings that contradict each other.
        RunError: no such directory, a damaged one, or curves named in `figures` of a run without a history.
        FeatureFileError: a feature dump of the run is damaged; of a sweep's runs, a note says so instead.
        LinkError: the folder for the figures is a link.
        OSError: a figure cannot be written.
    """
    check_choices(split=split, style=style, axes=axes, animate=animate)
    fmt = choose_format(fmt, out, animate=animate)
    record = read_directory(directory)
    chosen = choose_figures(figures, sweep=isinstance(record, SweepRecord), out=out, animate=animate)
    named = tuple(name for name in chosen if name in (figures or ()))
    request = Request(split, style, fmt, out, chosen, named, axes, animate, _once(note))
    written = _plot_sweep(record, request) if isinstance(record, SweepRecord) else _plot_run(record, request)
    if not written:
        raise PlotError(f"{directory}: nothing of what was asked for can be drawn")
    return written


def _once(note: Callable[[str], None] | None) -> Callable[[str], None]:
    """Say only once what is true of every run of a sweep."""
    said: set[str] = set()

    def say(message: str) -> None:
        if note and message not in said:
            said.add(message)
            note(message)

    return say


def _plot_run(run: RunRecord, request: Request) -> list[Path]:
    snapshot = run.snapshot(request.split)
    if snapshot is None:
        path = run.path / FEATURES / f"{request.split}-final.npz"
        raise PlotError(f"{path}: no such feature dump, {_why_no_features(run)}")
    run.point = _row_in_its_sweep(run)
    _refuse_links(request, run.path)

    from centerloss_core.plotting.grid import Cell, arrange
    from centerloss_core.plotting.style import house_style

    with house_style():
        written = list(_draw_run(snapshot, request))
        if request.animate:
            written += _animate(arrange([Cell(run, snapshot)]), run.path, request)
    return written


def _row_in_its_sweep(run: RunRecord) -> dict[str, object]:
    """Return what `summary.json` says of a point that is drawn alone: what varies in its sweep is in its titles."""
    path = run.path.absolute()
    try:
        rows = read_summary(path.parent)["runs"]
    except RunError:
        return run.point
    return next((row for row in rows if row["directory"] == path.name), run.point)


def _plot_sweep(sweep: SweepRecord, request: Request) -> list[Path]:
    """Draw what is asked for of a sweep and of its completed runs."""
    from centerloss_core.plotting.grid import Cell, arrange
    from centerloss_core.plotting.style import house_style

    problems: list[str] = []
    cells = [Cell(run, _read_or_leave_out(run, request.split, problems)) for run in sweep.runs]
    snapshots = [cell.snapshot for cell in cells if cell.snapshot]
    if not snapshots:
        raise PlotError(
            f"{sweep.path}: no run of this sweep can be drawn:\n" + "\n".join(problems)
            if problems
            else f"{sweep.path}: no run of this sweep has {request.split} features to draw yet; let one finish"
        )
    for problem in problems:
        request.note(f"left out: {problem}")
    completed = [snapshot for snapshot in snapshots if snapshot.run.status == "completed"]
    _refuse_links(request, sweep.path, [snapshot.run for snapshot in completed])
    with house_style():
        written = list(_draw_sweep(cells, sweep, request))
        for snapshot in completed:
            # Nothing named: what one run lacks does not stop the others.
            written += _draw_run(snapshot, replace(request, named=()))
        if request.animate:
            written += _animate(arrange(cells, sweep.axes), sweep.path, request)
    return written


def _read_or_leave_out(run: RunRecord, split: str, problems: list[str]) -> Snapshot | None:
    """Read the features of a point, if it has any; what is damaged joins the problems, and the panel says so."""
    if run.problem:
        problems.append(run.problem)
    if run.problem or run.status == "failed":  # a failed run's earlier epochs are no result
        return None
    try:
        return run.snapshot(split)
    except FeatureFileError as error:
        problems.append(str(error))
        run.status = "damaged"
        return None


def _refuse_links(request: Request, directory: Path, runs: Sequence[RunRecord] = ()) -> None:
    """Raise LinkError if a folder that figures are to go into is a link, before any is drawn; `runs`: of a sweep."""
    if request.out is None:
        own_folder(directory / PLOTS)
        for run in runs:
            own_folder(own_folder(run.path) / PLOTS)


def _draw_sweep(cells: list[Cell], sweep: SweepRecord, request: Request) -> Iterator[Path]:
    """Draw what shows several runs at once."""
    from centerloss_core.plotting.grid import arrange
    from centerloss_core.plotting.panel import panel_figure
    from centerloss_core.plotting.post import post_panel
    from centerloss_core.plotting.save import save_figure
    from centerloss_core.plotting.seeds import has_spread, measure, seeds_figure
    from centerloss_core.plotting.titles import data_title

    if "panel" in request.figures:
        draw = post_panel if request.style == "post" else panel_figure
        path = (
            request.out
            or sweep.path / PLOTS / f"panel-{request.suffix}{'-shared' * request.shared}.{request.fmt}"
        )
        yield save_figure(draw(arrange(cells, sweep.axes), shared=request.shared), path, request.fmt)
    if "seeds" in request.figures and has_spread(cells, sweep.axes):
        path = request.out or sweep.path / PLOTS / f"seeds-{request.split}.{request.fmt}"
        measured = measure(cells)
        figure = seeds_figure(measured, f"{data_title(measured[0].run)} {request.split}", sweep.axes)
        yield save_figure(figure, path, request.fmt)
    elif "seeds" in request.named:
        why = "no point has completed runs of two seeds, so there is no spread to show"
        if request.figures == ("seeds",):
            raise PlotError(f"{sweep.path}: {why}")
        request.note(f"no seeds: {why}")


def _draw_run(snapshot: Snapshot, request: Request) -> Iterator[Path]:
    """Draw one run into its own folder."""
    from centerloss_core.plotting.histogram import distances_figure
    from centerloss_core.plotting.post import post_figure
    from centerloss_core.plotting.save import save_figure
    from centerloss_core.plotting.scatter import scatter_figure

    scatter = post_figure if request.style == "post" else scatter_figure
    # Read first: where it is an error, the earlier figures stay as they are.
    draw_curves = _curves(snapshot.run, request) if "curves" in request.figures else None
    drawings: dict[str, tuple[str, Callable[[], Figure | None]]] = {
        "scatter": (f"scatter-{request.suffix}", lambda: scatter(snapshot)),
        "curves": ("curves", lambda: draw_curves() if draw_curves else None),
        "regions": (f"regions-{request.split}", lambda: _regions(snapshot, request)),
        "distances": (f"distances-{request.split}", lambda: distances_figure(snapshot)),
    }
    for name in OF_A_RUN:
        if name in request.figures:
            file, draw = drawings[name]
            figure = draw()
            if figure:
                path = request.out or snapshot.run.path / PLOTS / f"{file}.{request.fmt}"
                yield save_figure(figure, path, request.fmt)


def _curves(run: RunRecord, request: Request) -> Callable[[], Figure] | None:
    """Read what the curves show; where it is missing, the other figures do without, unless curves were named."""
    from centerloss_core.plotting.curves import curves_figure

    try:
        history = run.history()
    except RunError as error:
        if "curves" in request.named:
            raise
        request.note(f"no curves: {error}")
        return None
    return lambda: curves_figure(run, history)


def _regions(snapshot: Snapshot, request: Request) -> Figure | None:
    """Draw the regions, without those of the softmax head where it is missing; none without a plane to cut."""
    from centerloss_core.plotting.classes import class_names
    from centerloss_core.plotting.head import HeadError, read_head
    from centerloss_core.plotting.regions import regions_figure

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
        request.note(f"no regions of the softmax head, only of the nearest center: {error}")
        head = None
    return regions_figure(snapshot, head)


def _animate(grid: Grid, directory: Path, request: Request) -> list[Path]:
    """Write the animation as GIF, and as MP4 where that can be done; or the one that `out` names."""
    from centerloss_core.limits import FILM_FRAMES
    from centerloss_core.plotting.animation import read_film
    from centerloss_core.plotting.film import has_ffmpeg, save_film

    film = read_film(grid, request.split, axes=request.axes, note=request.note)
    if film is None:
        why = (
            f"no animation: {directory} has features of fewer than two epochs of the {request.split} images; "
            "train with train.epochs: 2 or more and train.dump_every_epoch: true"
        )
        if request.out:
            raise PlotError(why)
        request.note(why)
        return []
    if film.skipped:
        request.note(f"the animation shows {FILM_FRAMES} of {FILM_FRAMES + film.skipped} epochs")
    if request.out:
        return [save_film(film, request.out, request.fmt)]
    axes = "" if request.axes == "own" else f"-{request.axes}"
    path = directory / PLOTS / f"animation-{request.split}{axes}.gif"  # it looks alike in every style
    written = [save_film(film, path, "gif")]
    if has_ffmpeg():
        try:
            written.append(save_film(film, path.with_suffix(".mp4"), "mp4"))
        except PlotError as error:  # there is a GIF already
            request.note(str(error))
    else:
        request.note("no MP4 beside the GIF: the program ffmpeg is not found")
    return written


def _why_no_features(run: RunRecord) -> str:
    if run.status == "completed":
        return "and a completed run has it: put it back, or train the run again"
    return f"for the run {how_to_complete(run)}"
