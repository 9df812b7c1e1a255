"""`cl plot`: the figures of a run, a sweep or a folder of runs."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .options import Directories, Open

Split = StrEnum("Split", ["TEST", "TRAIN"])
Style = StrEnum("Style", ["DEFAULT", "POST"])
Format = StrEnum("Format", ["PNG", "SVG", "PDF"])
Projection = StrEnum("Projection", ["PCA", "TSNE"])
Axes = StrEnum("Axes", ["OWN", "SHARED", "FOLLOW"])
Layout = StrEnum("Layout", ["GRID", "ROW"])


def plot(
    directories: Directories,
    split: Annotated[Split, typer.Option(help="Which images to show.")] = Split.TEST,
    style: Annotated[
        Style, typer.Option(help="`post` is the look of the original post, to lay beside its figures.")
    ] = Style.DEFAULT,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Default: the suffix of --out, or png.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write one figure to this file only, replacing it: the scatter (of a sweep: the panel), or the one "
            "that --figures names. With --animate: the animation, a .gif or .mp4.",
        ),
    ] = None,
    figures: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="What to draw, with commas between: scatter, space, directions, curves, regions, distances, open_set "
            "(of runs with unknown classes: the accepted region, ROC and OSCR); of a sweep also panel and seeds; or "
            "all. Default: all of a run; of a sweep all but its runs' regions and distances. "
            "Directions are drawn of a loss that looks at them, or when named.",
            show_default=False,
        ),
    ] = None,
    projection: Annotated[
        Projection,
        typer.Option(
            help="How scatter and panel show more than two features: by two principal components, or by t-SNE, which "
            "keeps neighbours together and not distances."
        ),
    ] = Projection.PCA,
    axes: Annotated[
        Axes | None,
        typer.Option(
            help="Of a panel or animation: a scale of its own for each run, or one for all; an animation keeps it from "
            "beginning to end. `follow`, of an animation alone: axes that close in on the points. Default: own, and "
            "follow.",
        ),
    ] = None,
    layout: Annotated[
        Layout, typer.Option(help="Of a panel or animation over one setting: a near-square grid, or one row.")
    ] = Layout.GRID,
    width: Annotated[
        float | None,
        typer.Option(
            metavar="INCHES",
            help="Width of each figure: 3.5 for one column of a paper, 7 for two. Letters stay legible.",
        ),
    ] = None,
    dpi: Annotated[
        float | None,
        typer.Option(metavar="N", help="Dots per inch of a PNG, and of the points in an SVG or PDF."),
    ] = None,
    animate: Annotated[
        bool,
        typer.Option(
            "--animate",
            help="Also write the features over the epochs, or every train.dump_every steps, as a GIF, and as MP4 where "
            "ffmpeg is found.",
        ),
    ] = False,
    open_: Open = False,
) -> None:
    """Draw the figures of a run, or of a sweep or any runs together.

    scatter: features and the points of the classes. space: three features in a box. directions: features divided by
    their lengths, on the unit circle, with weights and histograms; of more than two features, their angles. curves:
    losses, schedules, accuracy. regions: the class that the head and the nearest center, or other point, give to
    every point of the plane. distances: within and between classes, as histograms, of a sweep also all runs below
    each other.
    panel: all runs side by side. seeds: accuracy and separation against λ, or what else varies, with the spread
    over seeds.
    """
    from centerloss_core.plotting import plot_directory
    from centerloss_core.run_directory.collection import row_of
    from centerloss_core.run_directory.reader import SweepRecord, read_directory
    from centerloss_core.sweeps import rows_now

    from .browser import open_in_browser
    from .results import show_figures, show_sweep_table
    from .streams import note

    written = plot_directory(
        directories,
        split=split.value,
        style=style.value,
        fmt=None if format_ is None else format_.value,
        out=out,
        figures=None if figures is None else [name.strip() for name in figures.split(",")],
        projection=projection.value,
        axes=None if axes is None else axes.value,
        animate=animate,
        layout=layout.value,
        dpi=dpi,
        width=width,
        note=note,
    )
    record = read_directory(directories)
    if isinstance(record, SweepRecord):
        rows = list(map(row_of, record.runs)) if record.is_collection else rows_now(record.path) or []
        show_sweep_table(rows)
        if not record.is_collection and any(row.get("status") == "stopped" for row in rows):
            note(f"the sweep was killed; resume it: cl sweep --resume {shlex.quote(str(record.path))}")
    show_figures(written)
    if open_:
        open_in_browser(written[0])
