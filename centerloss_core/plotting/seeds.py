"""What training again with another seed changes: accuracies and separation against λ, with every seed to be seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from centerloss_core.metrics import SeparationMetrics, separation
from centerloss_core.plotting.grid import Cell
from centerloss_core.plotting.room import fit
from centerloss_core.plotting.style import DIGIT_COLORS, INK
from centerloss_core.plotting.titles import number
from centerloss_core.written import exact

_DPI = 110
_SIZE = (9.6, 4.0)  # inches
_MARGINS = {"left": 0.085, "right": 0.985, "bottom": 0.22, "top": 0.8, "wspace": 0.32}
# A colour and a sign per α, so that it shows in grey too; more are told apart by their order from left to right.
_LOOKS = tuple(zip((DIGIT_COLORS[i] for i in (6, 5, 0, 8, 3)), "Ds^vP", strict=True))
_SPREAD = 0.75  # of the distance between two λ, for the α side by side
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
    alphas = sorted({run.alpha for run in runs})
    plots = figure.subplots(1, 3, gridspec_kw=_MARGINS)
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
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    of_alpha = f"α = {exact(alphas[0])}" if len(alphas) == 1 else f"{len(alphas)} values of α"
    title = figure.text(
        _MARGINS["left"], 0.93, f"{data} · {of_alpha} · {_count(runs)}", fontsize=11, va="center"
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
                axes.plot([x + beside] * len(values), values, **_seed_look(color), zorder=4)
        x_all = np.arange(len(weights)) + shift
        axes.plot(x_all, means, color=color, linewidth=0.8, alpha=0.5, zorder=1)
        axes.plot(x_all, means, sign, color=color, markersize=size, zorder=3)
    names = [exact(weight) for weight in weights]
    crowded = sum(map(len, names)) > 22
    axes.set_xticks(
        range(len(weights)), names, rotation=30 if crowded else 0, ha="right" if crowded else "center"
    )
    axes.set_xlim(-0.5, len(weights) - 0.5)
    axes.set_xlabel(_weight_name(runs), labelpad=1)
    axes.margins(y=0.08)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.grid(axis="y", color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9, length=0)
    axes.spines[["top", "right"]].set_visible(False)


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
