"""How far images lie from their own class, and how far from the others, as two histograms over one log scale."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from centerloss_core.metrics.distances import class_means, squared_distances
from centerloss_core.metrics.separation import SeparationMetrics, separation
from centerloss_core.plotting.grid import Grid
from centerloss_core.plotting.sheet import sheet_of
from centerloss_core.plotting.style import CLASS_COLORS, DPI, INK
from centerloss_core.plotting.text_fit import fit, legend_below, title_height
from centerloss_core.plotting.titles import ratio_title, snapshot_title
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.reader import Snapshot

# Inches: the figure, its margins, the height of the box of one run and of one of several, and of the legend.
_WIDTH, _LEFT, _RIGHT, _BOTTOM, _BOX, _SMALL_BOX, _LEGEND = 8.2, 0.82, 0.16, 0.5, 2.75, 1.3, 0.55
_BINS = 80
_MARGIN = 1.06  # beyond the outermost bins
_LINE = 1.3  # of a title, in letters
# One filled and dark, one hatched and light: told apart without colours too.
OWN, OTHER = CLASS_COLORS[0], CLASS_COLORS[8]


def distances(dump: FeatureDump) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure how far images lie from the mean features of classes; those of unknown classes take no part.

    Returns:
        (n,) of each image to the mean of its class; their mean is the figure "intra".
        (n · (classes present − 1),) of each image to the means of the other classes.
    """
    known = dump.known()
    features = known.features.astype(np.float64)
    present, means = class_means(features, known.labels)
    squares = np.concatenate([squared for _, squared in squared_distances(features, means)])
    own = known.labels[:, np.newaxis] == present
    return np.sqrt(squares[own]), np.sqrt(squares[~own])


def distances_figure(snapshot: Snapshot, width: float | None = None) -> Figure:
    """Draw both histograms of a run; the less they overlap, the better the classes are told apart."""
    measured = separation(snapshot.dump)
    title = f"{snapshot_title(snapshot)}: {ratio_title(measured.separation_ratio)}"
    return _figure([(title, snapshot.dump, measured)], "", width)


def all_distances_figure(grid: Grid, width: float | None = None) -> Figure:
    """Draw those of several runs one below the other, over the same axes, so that they can be compared."""
    boxes = []
    for _, _, cell in grid.places:
        if cell.snapshot:
            measured = separation(cell.snapshot.dump)
            title = f"{grid.cell_title(cell)}: {ratio_title(measured.separation_ratio)}"
            boxes.append((title, cell.snapshot.dump, measured))
    return _figure(boxes, f"{grid.title()} · all at one scale", width)


def _figure(
    boxes: Sequence[tuple[str, FeatureDump, SeparationMetrics]], over: str, width: float | None
) -> Figure:
    """Draw a box for each title, dump and its metrics, all with the same axes, under a title over all."""
    sheet = sheet_of(_WIDTH, width)
    margin, letters = sheet.margins, sheet.letters
    measured = [distances(dump) for _, dump, _ in boxes]
    everything = np.concatenate([part for pair in measured for part in pair])
    positive = everything[everything > 0]
    bins = _bins(positive) if positive.size else np.array([0.1, 1.0])
    figure = Figure(figsize=(sheet.width, sheet.width), dpi=DPI)
    room = sheet.width - (_LEFT + _RIGHT) * margin
    box = max(sheet.scale, 0.6) * (_BOX if len(boxes) == 1 else _SMALL_BOX)
    drawn = figure.subplots(len(boxes), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    titles = [
        axes.set_title(title, loc="left", fontsize=letters(11 if len(boxes) == 1 else 10), linespacing=_LINE)
        for axes, (title, _, _) in zip(drawn, boxes, strict=True)
    ]
    head = figure.text(0, 0, over, fontsize=letters(12))
    for text, space in ((head, sheet.width - 0.2), *((title, room) for title in titles)):
        fit(text, space)
    above = title_height(head, 1.2) + 0.05 * margin if over else 0.1
    high = max(title_height(title, _LINE) for title in titles) + box + (0.12 * margin if over else 0)
    bottom = (_BOTTOM + _LEGEND) * margin
    height = above + len(boxes) * high + bottom
    figure.set_size_inches(sheet.width, height)
    head.set(position=(0.5, 1 - 0.1 * margin / height), ha="center", va="top")
    for place, (axes, (own, others), (_, _, metrics)) in enumerate(zip(drawn, measured, boxes, strict=True)):
        low = bottom + (len(boxes) - 1 - place) * high
        axes.set_position((_LEFT * margin / sheet.width, low / height, room / sheet.width, box / height))
        axes.tick_params(labelsize=letters(9))
        axes.spines[["top", "right"]].set_visible(False)
        if not (own > 0).any() and not (others > 0).any():
            if len(boxes) == 1:
                axes.set(xticks=[], yticks=[])
            axes.text(0.5, 0.5, "all distances are 0", transform=axes.transAxes, ha="center", fontsize=14)
            continue
        axes.set_xscale("log")
        axes.set_xlim(bins[0] / _MARGIN, bins[-1] * _MARGIN)
        draw_shares(axes, own, bins, "of an image to the mean of its own class", OWN, hatch="")
        draw_shares(axes, others, bins, "… to the mean of each other class", OTHER, hatch="////")
        # Several have these numbers in common words: what they are stands in the legend once.
        for name, value, style in (
            ("intra {:.3g}", metrics.intra_class_distance, "--"),
            ("inter {:.3g}, between two means", metrics.inter_class_distance, ":"),
        ):
            if value:
                label = name.format(value) if len(boxes) == 1 else name.replace(" {:.3g}", "")
                axes.axvline(value, color="black", linestyle=style, linewidth=1.6, label=label)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
        axes.autoscale(axis="y")
    drawn[0].set_ylim(bottom=0)
    figure.text(
        0.1 / sheet.width * margin,
        (bottom + (len(boxes) * high - high + box) / 2) / height,
        "share of the distances",
        rotation=90,
        va="center",
        fontsize=letters(10),
    )
    zeros = everything.size - positive.size  # a log scale has no place for them
    missing = f" ({zeros:,} of 0 not shown)" if zeros and positive.size else ""
    drawn[-1].set_xlabel("distance between features" + missing, fontsize=letters(10))
    named = {handle.get_label(): handle for axes in drawn for handle in axes.get_legend_handles_labels()[0]}
    if named:
        legend_below(
            figure,
            list(named.values()),
            columns=2,
            fewest=1,
            fontsize=letters(9.5),
            room=sheet.width - 0.1,
            height=_LEGEND * margin,
            columnspacing=2.0,
        )
    return figure


def _bins(positive: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of bins that are equally wide on a log scale."""
    low, high = np.log10(positive.min()), np.log10(positive.max())
    if high - low < 0.1:  # one point, or points in a ring
        low, high = low - 0.5, high + 0.5
    edges: NDArray[np.float64] = 10 ** np.linspace(low - 0.02, high + 0.02, _BINS + 1)
    return edges


def draw_shares(
    axes: Axes, values: NDArray[np.float64], bins: NDArray[np.float64], name: str, color: str, hatch: str
) -> None:
    """Draw what share of some values is in each bin."""
    if not values.size:  # one class has no others
        return
    shares = np.histogram(values, bins)[0] / values.size
    look: dict[str, Any] = {"edgecolor": INK, "linewidth": 0.8, "hatch": hatch or None, "label": name}
    axes.stairs(shares, bins, fill=True, facecolor=(color, 0.75 if not hatch else 0.3), **look)
