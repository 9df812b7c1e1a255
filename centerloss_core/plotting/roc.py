"""ROC curves of pairs: what part of the pairs of one class is accepted, where how many of the others are."""

from collections.abc import Sequence
from typing import IO, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from centerloss_core.plotting.one_box import one_box
from centerloss_core.plotting.sheet import sheet_of
from centerloss_core.plotting.style import CLASS_COLORS, house_style

# Inches: the figure, its margins, the height of its box.
_WIDTH, _LEFT, _RIGHT, _BOTTOM, _BOX = 6.4, 0.8, 0.2, 0.55, 3.5
# A colour and a line for each curve, so that grey and every eye tell them apart.
_LOOKS = ((CLASS_COLORS[9], "-"), (CLASS_COLORS[1], "--"))
_MARKED = (1e-2, 1e-3)  # false accept rates that the table has, too


class Curve(NamedTuple):
    """A curve: its name, the distances of the pairs (m,), and whether each is of one class (m,)."""

    name: str
    distances: NDArray[np.float64]
    same: NDArray[np.bool_]


@house_style()
def draw_roc(file: IO[bytes], curves: Sequence[Curve], title: str) -> None:
    """Write the figure of `roc_figure` as PNG; equal curves give equal bytes."""
    roc_figure(curves, title).savefig(file, format="png", metadata={"Software": None})


def roc_figure(curves: Sequence[Curve], title: str) -> Figure:
    """Draw curves over a log scale of false accept rates, on which the rates that matter have room.

    It begins at one false accept of all pairs of two classes: no lower rate can be seen.
    """
    from sklearn.metrics import roc_curve

    sheet = sheet_of(_WIDTH, None)
    figure, axes = one_box(title, sheet, left=_LEFT, right=_RIGHT, below=_BOTTOM, height=_BOX)
    lowest = 1 / max(2, *(int((~curve.same).sum()) for curve in curves))
    for curve, (color, line) in zip(curves, _LOOKS, strict=False):
        far, tar, _ = roc_curve(curve.same, -curve.distances, drop_intermediate=False)
        steps = np.maximum(far, lowest), tar
        axes.step(*steps, line, where="post", color=color, label=curve.name, linewidth=1.8)
        for rate in _MARKED:
            if rate >= lowest:
                reached = tar[np.searchsorted(far, rate, side="right") - 1]
                axes.plot(rate, reached, "o", color=color, markersize=5)
    chance = np.geomspace(lowest, 1, 100)
    axes.plot(chance, chance, ":", color="#777777", linewidth=1.2, label="chance")
    axes.set_xscale("log")
    axes.set_xlim(lowest, 1)
    axes.set_ylim(0, 1.01)
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.set_xlabel("false accept rate: pairs of two classes accepted", fontsize=10)
    axes.set_ylabel("true accept rate: pairs of one class accepted", fontsize=10)
    axes.tick_params(labelsize=9)
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", fontsize=9, facecolor="white", edgecolor="none", framealpha=1)
    return figure
