"""What training again with another seed changes: accuracies and separation against λ, with every seed to be seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from centerloss_core.formatting import exact
from centerloss_core.metrics.separation import SeparationMetrics, separation
from centerloss_core.plotting.grid import Cell
from centerloss_core.plotting.style import DIGIT_COLORS, INK
from centerloss_core.plotting.text_fit import fit, ruler
from centerloss_core.plotting.titles import number

_DPI = 110
_SIZE = (9.6, 4.0)  # inches
_MARGINS = {"left": 0.085, "right": 0.985, "bottom": 0.22, "top": 0.8, "wspace": 0.32}
# A colour and a sign per α, so that it shows in grey too; more are told apart by their order from left to right.
_LOOKS = tuple(zip((DIGIT_COLORS[i] for i in (6, 5, 0, 8, 3)), "Ds^vP", strict=True))
_SPREAD = 0.75  # of the distance between two λ, for the α side by side
_MARGIN = 0.08  # of a plot's height, above and below what is shown
_LEAST_SHARE, _LEAST_PART = 0.002, 0.01  # the least height of a plot: 0.2 %, or this part of a ratio
_MOST_TICKS = 8
_TITLE, _NAME_ROOM = 0.28, 0.28  # inches: from the upper edge; for names of λ in a figure of the usual height
_LETTERS, _GAP = 9, 5  # points: names of λ, and between two of them
_ANGLES = (30, 45, 60)
# Points: seeds stand on the right of their mean, so that neither hides the other.
_MEAN, _SEED, _PLOT_WIDTH = 7.0, 4.0, 2.45 * 72


@dataclass(frozen=True)
class Measured:
    """What one run of a sweep reached."""

    weight: float
    weight_eq: float
    alpha: float
    seed: int
    metrics: SeparationMetrics


def measure(cells: Sequence[Cell]) -> list[Measured]:
    """Measure the completed runs among some cells."""
    return [
        Measured(
            cell.point.weight,
            cell.snapshot.run.weight_eq,
            cell.point.alpha,
            cell.point.seed,
            separation(cell.snapshot.dump),
        )
        for cell in cells
        if cell.snapshot and cell.point.status == "completed"
    ]


def has_spread(cells: Sequence[Cell]) -> bool:
    """Whether any λ and α were trained with more than one seed."""
    done = [cell.point for cell in cells if cell.snapshot and cell.point.status == "completed"]
    return len({(point.weight, point.alpha) for point in done}) < len(done)


def seeds_figure(runs: Sequence[Measured], data: str) -> Figure:
    """Draw three plots over λ: mean, range and every single seed.

    Args:
        runs: at least one.
        data: what was measured on, like `MNIST test`.
    """
    figure = Figure(figsize=_SIZE, dpi=_DPI)
    figure.subplots_adjust(**_MARGINS)
    alphas = sorted({run.alpha for run in runs})
    plots = figure.subplots(1, 3)
    for axes, (name, key) in zip(
        plots,
        (
            ("softmax accuracy", "accuracy"),
            ("nearest-center accuracy", "nearest_center_accuracy"),
            ("inter/intra", "separation_ratio"),
        ),
        strict=True,
    ):
        _draw(axes, runs, alphas, key)
        axes.set_title(name, loc="left", fontsize=10)
        if key != "separation_ratio":
            axes.yaxis.set_major_formatter(FuncFormatter(partial(_percent, axes)))
    of_alpha = f"α = {exact(alphas[0])}" if len(alphas) == 1 else f"{len(alphas)} values of α"
    _make_room(figure)
    height = figure.get_figheight()
    title = figure.text(
        _MARGINS["left"],
        1 - _TITLE / height,
        f"{data} · {of_alpha} · {_count(runs)}",
        fontsize=11,
        va="center",
    )
    fit(title, _SIZE[0] * (_MARGINS["right"] - _MARGINS["left"]))
    figure.legend(
        handles=_legend(alphas), loc="lower center", ncols=6, frameon=False, fontsize=9.5, handletextpad=0.4
    )
    return figure


def _draw(axes: Axes, runs: Sequence[Measured], alphas: list[float], key: str) -> None:
    weights = sorted({run.weight for run in runs})
    for place, alpha in enumerate(alphas):
        color, sign = _LOOKS[place % len(_LOOKS)]
        # λ = 0 has no place on a log scale, and neighbours are decades apart: λ are set side by side.
        shift = _SPREAD * ((place + 0.5) / len(alphas) - 0.5)
        size = min(_MEAN, 0.4 * _PLOT_WIDTH * _SPREAD / len(weights) / len(alphas))
        beside = (size + _SEED) / 2 / (_PLOT_WIDTH / len(weights))
        means = np.full(len(weights), math.nan)
        for index, weight in enumerate(weights):
            found = [getattr(run.metrics, key) for run in runs if run.weight == weight and run.alpha == alpha]
            values = [value for value in found if value is not None]
            if values:
                means[index] = np.mean(values)
                x = index + shift
                axes.plot([x, x], [min(values), max(values)], color=color, linewidth=1.4, zorder=2)
                axes.plot([x + beside] * len(values), values, **_seed_look(color), zorder=4, clip_on=False)
        x_all = np.arange(len(weights)) + shift
        axes.plot(x_all, means, color=color, linewidth=0.8, alpha=0.5, zorder=1)
        axes.plot(x_all, means, sign, color=color, markersize=size, zorder=3, clip_on=False)
    axes.tick_params(labelsize=_LETTERS, length=0)
    axes.set_xlim(-0.5, len(weights) - 0.5)
    _name_weights(axes, weights)
    axes.set_xlabel(_weight_name(runs), labelpad=1)
    shown = [value for run in runs if (value := getattr(run.metrics, key)) is not None]
    if shown:
        _set_height(axes, min(shown), max(shown), is_share=key != "separation_ratio")
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.grid(axis="y", color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _percent(axes: Axes, value: float, _: int) -> str:
    """A tick with as many decimals as its neighbours need: 99.95 %, not 99.9 %."""
    ticks = [100 * tick for tick in axes.get_yticks()]
    decimals = next((n for n in range(6) if all(abs(round(tick, n) - tick) < 1e-9 for tick in ticks)), 6)
    return f"{100 * value:.{decimals}f} %"


def _make_room(figure: Figure) -> None:
    """A taller figure where names of λ reach far down, so that none meets the legend; the plots stay as they are."""
    ends = [label.get_window_extent(ruler(figure)).height for label in figure.axes[0].get_xticklabels()]
    more = max(0.0, max(ends) / figure.dpi - _NAME_ROOM)
    width, height = _SIZE[0], _SIZE[1] + more
    figure.set_size_inches(width, height)
    figure.subplots_adjust(
        bottom=(_MARGINS["bottom"] * _SIZE[1] + more) / height,
        top=1 - (1 - _MARGINS["top"]) * _SIZE[1] / height,
    )


def _set_height(axes: Axes, low: float, high: float, *, is_share: bool) -> None:
    """Show all, but nothing beyond 100 %, and no differences so small that a tick would need ten digits."""
    least = _LEAST_SHARE if is_share else _LEAST_PART * abs(high)
    missing = max(0.0, least - (high - low)) / 2 or (0.5 if low == high == 0 else 0.0)
    margin = _MARGIN * (high - low + 2 * missing)
    top = high + missing + margin
    # At 100 % a mark sticks out of its box, which is why marks are not clipped.
    axes.set_ylim(low - missing - margin, min(top, 1.0) if is_share else top)
    axes.yaxis.set_major_locator(MaxNLocator(_MOST_TICKS, steps=[1, 2, 5, 10]))


def _name_weights(axes: Axes, weights: Sequence[float]) -> None:
    """Write each λ below its place: level if no two come near each other, else as steep as it takes."""
    short = [number(weight) for weight in weights]
    names = short if len(set(short)) == len(short) else [exact(weight) for weight in weights]
    axes.set_xticks(range(len(weights)), names)
    figure = axes.get_figure(root=True)
    assert figure is not None, "names are measured where they stand"
    boxes = [label.get_window_extent(ruler(figure)) for label in axes.get_xticklabels()]
    room, gap = axes.bbox.width / len(weights), _GAP * figure.dpi / 72
    if all((one.width + other.width) / 2 + gap <= room for one, other in pairwise(boxes)):
        return
    line = max(box.height for box in boxes)
    angle = next((each for each in _ANGLES if room * math.sin(math.radians(each)) > line), 90)
    stride = max(1, math.ceil(line / room))  # of a hundred λ not even upright names have room
    axes.set_xticks(
        range(0, len(weights), stride),
        names[::stride],
        rotation=angle,
        rotation_mode="anchor",
        ha="right",
        va="center" if angle == 90 else "top",
    )


def _weight_name(runs: Sequence[Measured]) -> str:
    """Return `λ (λ_eq = 100 λ)`; `λ` where λ_eq is the same, or no multiple of it that all runs have in common."""
    factors = {number(run.weight_eq / run.weight) for run in runs if run.weight > 0}
    return f"λ (λ_eq = {factors.pop()} λ)" if len(factors) == 1 and factors != {"1"} else "λ"


def _seed_look(color: str) -> dict[str, Any]:
    return {
        "marker": "o",
        "linestyle": "none",
        "markersize": _SEED,
        "markerfacecolor": "white",
        "markeredgecolor": color,
        "markeredgewidth": 1.0,
    }


def _legend(alphas: list[float]) -> list[Line2D]:
    signs = [
        Line2D(
            [],
            [],
            marker=_LOOKS[place % len(_LOOKS)][1],
            color=_LOOKS[place % len(_LOOKS)][0],
            linestyle="none",
            markersize=7,
            label="mean" if len(alphas) == 1 else f"mean, α = {exact(alpha)}",
        )
        for place, alpha in enumerate(alphas)
    ]
    return [
        *signs,
        Line2D([], [], **_seed_look(INK), label="one seed"),
        Line2D([], [], color=INK, linewidth=1.4, label="lowest to highest"),
    ]


def _count(runs: Sequence[Measured]) -> str:
    """Return `5 seeds`, or `2 to 5 seeds` where not every point has as many."""
    counts = [
        len({run.seed for run in runs if (run.weight, run.alpha) == point})
        for point in {(run.weight, run.alpha) for run in runs}
    ]
    fewest, most = min(counts), max(counts)
    return f"{most} seeds each" if fewest == most else f"{fewest} to {most} seeds each"
