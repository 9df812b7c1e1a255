"""Who would be called what: the plane cut into the regions of the softmax head and of the nearest center.

Only for two features: a plane through more of them cuts the regions anywhere.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from centerloss_core.plotting.head import SoftmaxHead
from centerloss_core.plotting.limits import Limits, limits_of
from centerloss_core.plotting.plane import project
from centerloss_core.plotting.records import Snapshot
from centerloss_core.plotting.scatter import legend_handles, mark_centers
from centerloss_core.plotting.style import DIGIT_COLORS, INK, class_colors
from centerloss_core.plotting.text_fit import fit
from centerloss_core.plotting.titles import percent, settings_title

_DPI = 110
# Inches, fixed: the boxes of two figures stand in the same place.
_LEFT, _BOTTOM, _BOX, _GAP, _RIGHT, _TOP = 0.6, 0.85, 4.3, 0.6, 0.2, 0.75
_PIXELS = 480  # along the side of a box, about as many as it has on a screen
_BORDER_POINTS = 150  # borders are straight lines, so a coarser grid finds them exactly
_TINT = 0.28  # how much of its colour a region keeps: the points in it must stand out
# A thick black cross under a thin one in the colour of the digit: seen on every region, and in grey.
_CROSSES = ((2.8, 34), (1.3, 26))  # width of the lines, area
_FEW, _SMALLEST_CROSS = 60, 0.55  # more crosses than these are drawn smaller, down to this part


@dataclass(frozen=True, eq=False)
class Rule:
    """A classifier of the plane: the class with the largest x · kernel + bias wins; of equals, the lowest.

    Attributes:
        kernel: (2, k) float64.
        bias: (k,) float64.
    """

    kernel: NDArray[np.float64]
    bias: NDArray[np.float64]

    @classmethod
    def of_head(cls, head: SoftmaxHead) -> Self:
        return cls(head.kernel.astype(np.float64), head.bias.astype(np.float64))

    @classmethod
    def of_centers(cls, centers: NDArray[np.float32]) -> Self:
        """Nearest center: ‖x − c‖² is least where x·c − ‖c‖²/2 is largest."""
        exact = centers.astype(np.float64)
        return cls(exact.T, -np.square(exact).sum(axis=1) / 2)

    def winners(self, points: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
        """Return the class of each of (…, 2) points; class by class, which needs no memory for n · k scores."""
        best = np.full(points.shape[:-1], -np.inf)
        winners = np.zeros(best.shape, dtype=np.intp)
        for label in range(len(self.bias)):
            score = self._score(points, label)
            better = score > best
            winners[better] = label
            np.maximum(best, score, out=best)
        return winners

    def margin(self, points: NDArray[np.floating[Any]], label: int) -> NDArray[np.float64]:
        """Return how far a class is ahead of the best other one; it is 0 on the border of its region."""
        others = np.full(points.shape[:-1], -np.inf)
        for other in range(len(self.bias)):
            if other != label:
                np.maximum(others, self._score(points, other), out=others)
        margin: NDArray[np.float64] = self._score(points, label) - others
        return margin

    def _score(self, points: NDArray[np.floating[Any]], label: int) -> NDArray[np.float64]:
        score: NDArray[np.float64] = points @ self.kernel[:, label] + self.bias[label]
        return score


def regions_figure(snapshot: Snapshot, head: SoftmaxHead | None) -> Figure:
    """Draw the regions of the head, where there is one, and of the trained centers, at one scale."""
    dump = snapshot.dump
    limits = limits_of([project(dump)])
    centers = Rule.of_centers(dump.centers)
    nearest = centers.winners(dump.features.astype(np.float64))
    maps: list[tuple[str, Rule, NDArray[np.integer[Any]]]] = [("nearest trained center", centers, nearest)]
    if head:
        # The predictions that the run made count; ours may differ from them in the last bit.
        maps.insert(0, ("softmax head", Rule.of_head(head), dump.predictions))
    width = _LEFT + len(maps) * (_BOX + _GAP) - _GAP + _RIGHT
    height = _BOTTOM + _BOX + _TOP
    figure = Figure(figsize=(width, height), dpi=_DPI)
    most = max((called != dump.labels).sum() for _, _, called in maps)
    size = float(np.clip(np.sqrt(_FEW / max(most, 1)), _SMALLEST_CROSS, 1))  # the same on both sides
    for column, (name, rule, called) in enumerate(maps):
        left = _LEFT + column * (_BOX + _GAP)
        axes = figure.add_axes((left / width, _BOTTOM / height, _BOX / width, _BOX / height))
        wrong = called != dump.labels
        _draw_regions(axes, rule, limits)
        limits.apply(axes)
        _draw_points(axes, snapshot, wrong, size)
        title = f"{name}: {percent(1 - wrong.mean())} right, {wrong.sum():,} wrong"
        fit(axes.set_title(title, loc="left", fontsize=10), _BOX)
    head_line = figure.text(
        _LEFT / width, 1 - 0.27 / height, settings_title(snapshot), fontsize=11, va="center"
    )
    fit(head_line, width - _LEFT - _RIGHT)
    long_names = len(dump.centers) > len(DIGIT_COLORS)  # several digits share a colour and a name
    figure.legend(
        handles=[*legend_handles(len(dump.centers)), _cross_handle()],
        loc="lower center",
        ncols=12 if len(maps) > 1 and not long_names else 6,
        columnspacing=1.0,
        handletextpad=0.1,
        frameon=False,
        fontsize=8 if long_names else 10,
    )
    return figure


def _draw_regions(axes: Axes, rule: Rule, limits: Limits) -> None:
    """Paint the regions in pale colours of their digits, with a line between them that is seen in grey too."""
    # Each pixel has the class of its middle, half a pixel away from the edges.
    winners = rule.winners(_lattice(limits.inset(0.5 / _PIXELS), _PIXELS))
    colors = np.array([to_rgb(color) for color in class_colors(len(rule.bias))])
    pale = (255 * (1 - _TINT * (1 - colors))).astype(np.uint8)
    extent = (limits.left, limits.right, limits.bottom, limits.top)
    axes.imshow(
        pale[winners], origin="lower", extent=extent, interpolation="nearest", aspect="auto", zorder=0
    )
    coarse = _lattice(limits, _BORDER_POINTS)
    present = np.unique(winners)
    for label in present[1:] if len(present) > 1 else []:
        axes.contour(
            coarse[0, :, 0],
            coarse[:, 0, 1],
            rule.margin(coarse, label),
            levels=[0.0],
            colors=[INK],
            linewidths=0.7,
            zorder=1,
        )


def _lattice(limits: Limits, count: int) -> NDArray[np.float64]:
    """Return (count, count, 2) points, rows from bottom to top, the outer ones on the edges of the limits."""
    x = np.linspace(limits.left, limits.right, count)
    y = np.linspace(limits.bottom, limits.top, count)
    return np.stack(np.meshgrid(x, y), axis=-1)


def _draw_points(axes: Axes, snapshot: Snapshot, wrong: NDArray[np.bool_], size: float) -> None:
    dump = snapshot.dump
    colors = np.array([to_rgb(color) for color in class_colors(len(dump.centers))])[dump.labels]
    order = np.random.default_rng(0).permutation(len(wrong))  # no class hides the others
    right = order[~wrong[order]]
    x, y = dump.features.T
    axes.scatter(x[right], y[right], c=colors[right], s=5, alpha=0.8, linewidths=0, rasterized=True)
    for (line, length), color in zip(_CROSSES, ("black", colors[wrong]), strict=True):
        axes.scatter(
            *(x[wrong], y[wrong]), c=color, marker="x", linewidths=line * size, s=length * size**2, zorder=2.5
        )
    mark_centers(axes, project(dump))
    axes.tick_params(labelsize=9, length=0)


def _cross_handle() -> Line2D:
    look: dict[str, Any] = {
        "marker": "x",
        "linestyle": "none",
        "color": "black",
        "markeredgewidth": 2,
        "markersize": 6,
    }
    return Line2D([], [], **look, label="called wrong")
