"""How far images lie from their own class, and how far from the others, as two histograms over one log scale."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from centerloss_core.metrics.distances import class_means, squared_distances
from centerloss_core.metrics.separation import separation
from centerloss_core.plotting.style import CLASS_COLORS, DPI, INK
from centerloss_core.plotting.text_fit import fit
from centerloss_core.plotting.titles import ratio_title, snapshot_title
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.reader import Snapshot

_SIZE = (8.2, 4.3)  # inches
_MARGINS = (0.1, 0.13, 0.88, 0.64)  # left, bottom, width, height of the box, as parts of the figure
_BINS = 80
_MARGIN = 1.06  # beyond the outermost bins
# One filled and dark, one hatched and light: told apart without colours too.
_OWN, _OTHER = CLASS_COLORS[6], CLASS_COLORS[8]


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


def distances_figure(snapshot: Snapshot) -> Figure:
    """Draw both histograms; the less they overlap, the better the classes are told apart."""
    (own, others), metrics = distances(snapshot.dump), separation(snapshot.dump)
    figure = Figure(figsize=_SIZE, dpi=DPI)
    axes = figure.add_axes(_MARGINS)
    both = np.concatenate([own, others])
    positive = both[both > 0]
    if positive.size:
        bins = _bins(positive)
        axes.set_xscale("log")
        axes.set_xlim(bins[0] / _MARGIN, bins[-1] * _MARGIN)
        _draw(axes, own, bins, "of an image to the mean of its own class", _OWN, hatch="")
        _draw(axes, others, bins, "… to the mean of each other class", _OTHER, hatch="////")
        for name, value, style in (
            ("intra {:.3g}", metrics.intra_class_distance, "--"),
            ("inter {:.3g}, between two means", metrics.inter_class_distance, ":"),
        ):
            if value:
                axes.axvline(value, color="black", linestyle=style, linewidth=1.6, label=name.format(value))
        where: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 1.0), "ncols": 2}
        axes.legend(**where, fontsize=9.5, frameon=False, columnspacing=2.0)
    else:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "all distances are 0", transform=axes.transAxes, ha="center", fontsize=14)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("share of the distances")
    zeros = both.size - positive.size  # a log scale has no place for them
    missing = f" ({zeros:,} of 0 not shown)" if zeros and positive.size else ""
    axes.set_xlabel("distance between features" + missing)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    title = f"{snapshot_title(snapshot)}: {ratio_title(metrics.separation_ratio)}"
    fit(figure.text(_MARGINS[0], 0.945, title, fontsize=11, va="center"), _MARGINS[2] * _SIZE[0])
    return figure


def _bins(positive: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of bins that are equally wide on a log scale."""
    low, high = np.log10(positive.min()), np.log10(positive.max())
    if high - low < 0.1:  # one point, or points in a ring
        low, high = low - 0.5, high + 0.5
    edges: NDArray[np.float64] = 10 ** np.linspace(low - 0.02, high + 0.02, _BINS + 1)
    return edges


def _draw(
    axes: Axes, values: NDArray[np.float64], bins: NDArray[np.float64], name: str, color: str, hatch: str
) -> None:
    if not values.size:  # one class has no others
        return
    shares = np.histogram(values, bins)[0] / values.size
    axes.stairs(
        shares,
        bins,
        fill=True,
        facecolor=(color, 0.75 if not hatch else 0.3),
        edgecolor=INK,
        linewidth=0.8,
        hatch=hatch or None,
        label=name,
    )
