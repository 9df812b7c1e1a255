"""Which class every point of the plane would get: the regions of the softmax head and of the nearest center.

Only for two features: a plane through more of them cuts the regions anywhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from centerloss_core.formatting import percent
from centerloss_core.plotting.classes import class_names, has_short_names, legend_handles
from centerloss_core.plotting.head import SoftmaxHead
from centerloss_core.plotting.limits import Limits, limits_of
from centerloss_core.plotting.plane import project
from centerloss_core.plotting.scatter import mark_centers
from centerloss_core.plotting.style import INK, class_colors, colors_of
from centerloss_core.plotting.text_fit import fit, legend_below
from centerloss_core.plotting.titles import snapshot_title
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.reader import Snapshot

_DPI = 110
# Inches, fixed: the boxes of two figures stand in the same place.
_LEFT, _BOTTOM, _BOX, _GAP, _RIGHT, _TOP = 0.6, 0.85, 4.3, 0.6, 0.2, 0.75
_LEGEND_ROW = 0.2  # more under a single map, where a legend of long names has three rows
_PIXELS = 480  # along the side of a box, about as many as it has on a screen
_BORDER_POINTS = 150  # borders are straight lines, so a coarser grid finds them exactly
_TINT = 0.28  # how much of its colour a region keeps: the points in it must stand out
# A thick black cross under a thin one in the colour of the class: seen on every region, and in grey.
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
        """Return the class of each of (…, 2) points."""
        return self._ranked(points)[0]

    def margins(self, points: NDArray[np.floating[Any]]) -> Iterator[NDArray[np.float64]]:
        """Return, class by class, how far it is ahead of the best other one; 0 is the border of its region."""
        winners, best, second = self._ranked(points)
        for label in range(len(self.bias)):
            yield self._score(points, label) - np.where(winners == label, second, best)

    def _ranked(
        self, points: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
        """Return the best class, its score and that of the second; needs no memory for n · k scores."""
        best, second = np.full((2, *points.shape[:-1]), -np.inf)
        winners = np.zeros(best.shape, dtype=np.intp)
        for label in range(len(self.bias)):
            score = self._score(points, label)
            better = score > best
            np.maximum(second, np.where(better, best, score), out=second)
            winners[better] = label
            np.maximum(best, score, out=best)
        return winners, best, second

    def _score(self, points: NDArray[np.floating[Any]], label: int) -> NDArray[np.float64]:
        score: NDArray[np.float64] = points @ self.kernel[:, label] + self.bias[label]
        return score


def regions_figure(snapshot: Snapshot, head: SoftmaxHead | None) -> Figure:
    """Draw the regions of the head and of the trained centers, where there are such, at one scale."""
    dump, names = snapshot.dump, class_names(snapshot)
    limits = limits_of([project(dump)])
    maps: list[tuple[str, Rule, NDArray[np.integer[Any]]]] = []
    if head:
        # The predictions that the run made count; those of NumPy may differ from them in the last bit.
        maps.append(("softmax head", Rule.of_head(head), dump.predictions))
    if dump.centers is not None:
        centers = Rule.of_centers(dump.centers)
        maps.append(
            (
                f"nearest trained {dump.centers_kind}",
                centers,
                centers.winners(dump.features.astype(np.float64)),
            )
        )
    width = _LEFT + len(maps) * (_BOX + _GAP) - _GAP + _RIGHT
    handles = legend_handles(names, dump)
    short = has_short_names(handles)
    bottom = _BOTTOM + (_LEGEND_ROW if len(maps) == 1 and not short else 0)
    height = bottom + _BOX + _TOP
    figure = Figure(figsize=(width, height), dpi=_DPI)
    most = max((called != dump.labels).sum() for _, _, called in maps)
    size = float(np.clip(np.sqrt(_FEW / max(most, 1)), _SMALLEST_CROSS, 1))  # the same on both sides
    for column, (name, rule, called) in enumerate(maps):
        left = _LEFT + column * (_BOX + _GAP)
        axes = figure.add_axes((left / width, bottom / height, _BOX / width, _BOX / height))
        wrong = (called != dump.labels) & (dump.labels >= 0)
        _draw_regions(axes, rule, limits)
        limits.apply(axes)
        _draw_points(axes, dump, names, wrong, size)
        share = 1 - wrong.sum() / max(1, (dump.labels >= 0).sum())
        title = f"{name}: {percent(share)} right, {wrong.sum():,} wrong"
        fit(axes.set_title(title, loc="left", fontsize=10), _BOX)
    head_line = figure.text(
        _LEFT / width, 1 - 0.27 / height, snapshot_title(snapshot), fontsize=11, va="center"
    )
    fit(head_line, width - _LEFT - _RIGHT)
    legend_below(
        figure,
        [*handles, _cross_handle()],
        columns=12 if short and len(maps) > 1 else 6,
        fewest=6 if len(maps) > 1 else 4,
        room=width - 0.2,
        columnspacing=1.0,
        handletextpad=0.1,
        fontsize=10 if short else 8,
    )
    return figure


def _draw_regions(axes: Axes, rule: Rule, limits: Limits) -> None:
    """Paint the regions in pale colours of their classes, with a line between them that is seen in grey too."""
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
    for label, margin in enumerate(rule.margins(coarse)):
        if label not in present[1:]:  # the borders of all others but one are those of that one, too
            continue
        axes.contour(
            coarse[0, :, 0],
            coarse[:, 0, 1],
            margin,
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


def _draw_points(
    axes: Axes, dump: FeatureDump, names: Sequence[str], wrong: NDArray[np.bool_], size: float
) -> None:
    colors = colors_of(dump.labels, len(names))
    order = np.random.default_rng(0).permutation(len(wrong))  # no class hides the others
    right = order[~wrong[order]]
    x, y = dump.features.T
    axes.scatter(x[right], y[right], c=colors[right], s=5, alpha=0.8, linewidths=0, rasterized=True)
    crosses: tuple[Any, Any] = ("black", colors[wrong])
    for (line, length), color in zip(_CROSSES, crosses, strict=True):
        axes.scatter(
            *(x[wrong], y[wrong]), c=color, marker="x", linewidths=line * size, s=length * size**2, zorder=2.5
        )
    mark_centers(axes, project(dump), names)
    axes.tick_params(labelsize=9, length=0)


def _cross_handle() -> Line2D:
    return Line2D(
        [],
        [],
        marker="x",
        linestyle="none",
        color="black",
        markeredgewidth=2,
        markersize=6,
        label="called wrong",
    )
