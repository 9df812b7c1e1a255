"""ROC curves of pairs: what part of the pairs of one class is accepted, where how many of the others are."""

from collections.abc import Sequence
from typing import IO, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from centerloss_core.plotting.sheet import sheet_of
from centerloss_core.plotting.style import CLASS_COLORS, DPI, house_style
from centerloss_core.plotting.text_fit import fit

# Inches: the figure and its margins.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _BOTTOM, _TOP = 6.4, 4.6, 0.75, 0.2, 0.6, 0.5
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


def roc_figure(curves: Sequence[Curve], title: str, width: float | None = None) -> Figure:
    """Draw curves over a log scale of false accept rates, on which the rates that matter have room.

    It begins at one false accept of all pairs of two classes: no lower rate can be seen.
    """
    from sklearn.metrics import roc_curve

    sheet = sheet_of(_WIDTH, width)
    margin, letters = sheet.margins, sheet.letters
    height = _HEIGHT * max(sheet.scale, 0.6)
    figure = Figure(figsize=(sheet.width, height), dpi=DPI)
    axes = figure.add_axes(
        (
            _LEFT * margin / sheet.width,
            _BOTTOM * margin / height,
            1 - (_LEFT + _RIGHT) * margin / sheet.width,
            1 - (_BOTTOM + _TOP) * margin / height,
        )
    )
    others = max(int((~curve.same).sum()) for curve in curves)
    left = 1 / max(others, 2)
    for curve, (color, line) in zip(curves, _LOOKS, strict=False):
        far, tar, _ = roc_curve(curve.same, -curve.distances, drop_intermediate=False)
        axes.step(
            np.maximum(far, left), tar, line, where="post", color=color, label=curve.name, linewidth=1.8
        )
        for rate in _MARKED:
            if rate >= left:
                reached = tar[np.searchsorted(far, rate, side="right") - 1]
                axes.plot(rate, reached, "o", color=color, markersize=5 * sheet.marks)
    chance = np.geomspace(left, 1, 100)
    axes.plot(chance, chance, ":", color="#777777", linewidth=1.2, label="chance")
    axes.set_xscale("log")
    axes.set_xlim(left, 1)
    axes.set_ylim(0, 1.01)
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.set_xlabel("false accept rate: pairs of two classes accepted", fontsize=letters(10))
    axes.set_ylabel("true accept rate", fontsize=letters(10))
    axes.tick_params(labelsize=letters(9))
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", fontsize=letters(9), facecolor="white", edgecolor="none", framealpha=1)
    over = figure.suptitle(title, y=1 - 0.14 * margin / height, fontsize=letters(11), parse_math=False)
    fit(over, sheet.width - 0.3)
    return figure
