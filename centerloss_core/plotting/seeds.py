"""What training again with another seed changes: accuracies and separation, with every seed to be seen."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from centerloss_core.config.axes import LAMBDA, LOSS, SEED, short, sign, varying
from centerloss_core.config.problems import shortened
from centerloss_core.formatting import finite
from centerloss_core.metrics.separation import SeparationMetrics, separation
from centerloss_core.plotting.grid import combination, combinations, label_of, main_axis, values_of
from centerloss_core.plotting.sheet import Sheet, sheet_of
from centerloss_core.plotting.style import CLASS_COLORS, DPI, INK
from centerloss_core.plotting.text_fit import dpi, fit, legend_below, ruler
from centerloss_core.plotting.titles import data_title, join, settings_title, title_keys
from centerloss_core.run_directory.class_points import word_of
from centerloss_core.run_directory.reader import RunRecord, Snapshot

# Inches: the figure, its margins, a plot's height, what is between two plots, and a line more of the title.
_WIDTH, _LEFT, _RIGHT, _BOTTOM, _TOP, _BOX, _BESIDE, _GAP_BELOW, _TITLE_LINE = (
    *(9.6, 0.816, 0.144, 0.88, 0.8),
    *(2.32, 0.76, 0.42, 0.18),
)
# A colour and a sign per line, so that it shows in grey too; more are told apart by their order from left to right.
_LOOKS = tuple(zip((CLASS_COLORS[i] for i in (9, 1, 0, 4, 7)), "Ds^vP", strict=True))
_NEAREST_MEAN = "nearest_mean_accuracy"
_LEGEND = 0.3  # inches, the height of a legend of one row
_MOST_NAMES = 12  # of lines in the legend
_SPREAD = 0.75  # of the distance between two values, for the lines side by side
_MARGIN = 0.08  # of a plot's height, above and below what is shown
_LEAST_SHARE, _LEAST_PART = 0.002, 0.01  # the least height of a plot: 0.2 %, or this part of a ratio
_MOST_TICKS = 8
_TITLE = 0.2  # inches from the upper edge
_NAME_ROOM = 0.28  # inches for names of values in a figure of the usual height
_LETTERS, _GAP = 9, 5  # points: names of values, and between two of them
_LONGEST_VALUE, _LONGEST_UPRIGHT = 24, 36  # characters
_ANGLES = (30, 45, 60)
# Points: seeds stand on the right of their mean, so that neither hides the other.
_MEAN, _SEED = 7.0, 4.0
_HOLLOW: dict[str, Any] = {"markersize": _SEED, "markerfacecolor": "white"}


def has_spread(runs: Sequence[RunRecord], axes: Sequence[str] = ()) -> bool:
    """Whether any settings were trained with more than one seed."""
    others = _averaged(axes)
    return len({combination(run, others) for run in runs}) < len(runs)


def _averaged(axes: Sequence[str]) -> list[str]:
    return [key for key in title_keys(axes) if key != SEED]


def seeds_figure(
    snapshots: Sequence[Snapshot], axes: Sequence[str] = (), width: float | None = None
) -> Figure:
    """Draw three plots of one or more runs: mean, range and every single seed over λ, or over what else varies.

    In a narrow figure they stand one below the other.
    """
    sheet = sheet_of(_WIDTH, width)
    rows, columns = (3, 1) if sheet.is_narrow else (1, 3)
    figure = Figure(figsize=(sheet.width, sheet.width), dpi=DPI)
    plots = figure.subplots(rows, columns, squeeze=False).ravel()
    _place(figure, sheet, rows, 0)
    runs, keys = [each.run for each in snapshots], _averaged(axes)
    measured = [separation(each.dump) for each in snapshots]
    vary = varying([run.settings for run in runs], keys)
    across = main_axis(runs, vary)
    others = [key for key in vary if key != across]
    lines = combinations(runs, others)
    over_losses = across == LOSS
    for plot, (key, name) in zip(plots, _figures(snapshots, measured, over_losses).items(), strict=True):
        by_angle = over_losses and key == _NEAREST_MEAN
        points = [
            (label_of(run, across), combination(run, others), value)
            for run, metrics in zip(runs, measured, strict=True)
            if (value := getattr(metrics, f"{key}_cosine" if by_angle and run.is_angular else key))
            is not None
        ]
        is_share = key != "separation_ratio"
        # Losses have no order that a line could follow.
        _draw(
            plot, points, values_of(runs, across), lines, sheet, is_share=is_share, is_joined=not over_losses
        )
        plot.set_title(name, loc="left", fontsize=sheet.letters(10))
        if plot in plots[-columns:]:
            plot.set_xlabel(_axis_name(runs, across), labelpad=1, fontsize=sheet.letters(10))
        else:
            plot.tick_params(labelbottom=False)
    room = sheet.width - (_LEFT + _RIGHT) * sheet.margins
    first = {combination(run, others): run for run in reversed(runs)}
    names = [settings_title(first[line], others) for line in lines]
    legend = legend_below(
        figure,
        _legend(names),
        columns=6,
        fewest=1 if sheet.is_narrow else 3,
        room=sheet.width - 0.2,
        fontsize=sheet.letters(9.5),
        handletextpad=0.4,
    )
    # No name of a value meets the legend, however far down it reaches, or however many rows the legend has.
    ends = [label.get_window_extent(ruler(figure)).height for label in plots[-1].get_xticklabels()]
    more = max(0.0, max(ends) / figure.dpi - _NAME_ROOM * sheet.margins)
    more += max(0.0, legend.get_window_extent(ruler(figure)).height / figure.dpi - _LEGEND * sheet.margins)
    same = settings_title(runs[0], [key for key in keys if key not in vary and key != across])
    several = [f"{len(values_of(runs, key))} values of {sign(key, keys)}" for key in others]
    words = join(f"{data_title(runs[0])} {snapshots[0].split}", same, *several, _count(runs, keys))
    title = figure.text(_LEFT * sheet.margins / sheet.width, 0, words, fontsize=sheet.letters(11), va="top")
    fit(title, room)
    _place(figure, sheet, rows, more, title.get_text().count("\n"))
    title.set_y(1 - _TITLE / figure.get_figheight())
    return figure


def _place(figure: Figure, sheet: Sheet, rows: int, more: float, lines: int = 0) -> None:
    """Give the figure its height: `more` inches for what is below, and for `lines` more lines of its title."""
    margin = sheet.margins
    box = _BOX * (sheet.scale if rows == 1 else margin)
    bottom, top = _BOTTOM * margin + more, (_TOP + lines * _TITLE_LINE) * margin
    gap = _GAP_BELOW * margin
    height = bottom + rows * (box + gap) - gap + top
    figure.set_size_inches(sheet.width, height)
    across = (sheet.width - (_LEFT + _RIGHT + (0 if rows > 1 else 2 * _BESIDE)) * margin) / (3 // rows)
    figure.subplots_adjust(
        left=_LEFT * margin / sheet.width,
        right=1 - _RIGHT * margin / sheet.width,
        bottom=bottom / height,
        top=1 - top / height,
        wspace=_BESIDE * margin / across,
        hspace=gap / box,
    )


def _figures(
    snapshots: Sequence[Snapshot], measured: Sequence[SeparationMetrics], over_losses: bool
) -> dict[str, str]:
    """Return what is drawn, and its title; means of classes stand in where runs have no points of their own.

    Losses have means in common, and points of many kinds or none.
    """
    if over_losses:
        nearest_mean = "nearest mean, cos if angular"
        return {
            "accuracy": "softmax accuracy",
            _NEAREST_MEAN: nearest_mean,
            "separation_ratio": "inter/intra",
        }
    kinds = [each.dump.centers_kind for each in snapshots]
    has_points = any(each.nearest_center_accuracy is not None for each in measured)
    key, nearest = ("center", word_of(*filter(None, kinds))) if has_points else ("mean", "mean")
    return {
        "accuracy": "softmax accuracy",
        f"nearest_{key}_accuracy": f"nearest-{nearest} accuracy",
        "separation_ratio": "inter/intra",
    }


def _draw(
    axes: Axes,
    points: Sequence[tuple[str, tuple[str, ...], float]],
    values: dict[str, Any],
    lines: Sequence[tuple[str, ...]],
    sheet: Sheet,
    *,
    is_share: bool,
    is_joined: bool,
) -> None:
    """Draw points, each of a value of the axis across, a line, and what was measured."""
    plot_width = axes.bbox.width / dpi(axes) * 72
    for place, line in enumerate(lines):
        color, mark = _LOOKS[place % len(_LOOKS)]
        # λ = 0 has no place on a log scale, and neighbours are decades apart: values are set side by side.
        shift = _SPREAD * ((place + 0.5) / len(lines) - 0.5)
        size = min(_MEAN, 0.4 * plot_width * _SPREAD / len(values) / len(lines))
        beside = (size + _SEED) / 2 / (plot_width / len(values))
        means = np.full(len(values), math.nan)
        for index, value in enumerate(values):
            found = [height for at, of_line, height in points if at == value and of_line == line]
            if found:
                means[index] = np.mean(found)
                x = index + shift
                axes.plot([x, x], [min(found), max(found)], color=color, linewidth=1.4, zorder=2)
                axes.plot(
                    [x + beside] * len(found), found, "o", color=color, **_HOLLOW, zorder=4, clip_on=False
                )
        x_all = np.arange(len(values)) + shift
        if is_joined:
            axes.plot(x_all, means, color=color, linewidth=0.8, alpha=0.5, zorder=1)
        axes.plot(x_all, means, mark, color=color, markersize=size, zorder=3, clip_on=False)
    axes.tick_params(labelsize=sheet.letters(_LETTERS), length=0)
    axes.set_xlim(-0.5, len(values) - 0.5)
    _name_values(axes, list(values.values()))
    shown = [height for _, _, height in points]
    if shown:
        _set_height(axes, min(shown), max(shown), is_share=is_share)
    axes.ticklabel_format(axis="y", useOffset=False)
    if is_share:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axes.grid(axis="y", color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _set_height(axes: Axes, low: float, high: float, *, is_share: bool) -> None:
    """Show all, but nothing beyond 100 %, and no differences so small that a tick would need ten digits."""
    least = _LEAST_SHARE if is_share else _LEAST_PART * abs(high)
    missing = max(0.0, least - (high - low)) / 2 or (0.5 if low == high == 0 else 0.0)
    margin = _MARGIN * (high - low + 2 * missing)
    top = high + missing + margin
    # At 100 % a mark sticks out of its box, which is why marks are not clipped.
    axes.set_ylim(low - missing - margin, min(top, 1.0) if is_share else top)
    axes.yaxis.set_major_locator(MaxNLocator(_MOST_TICKS, steps=[1, 2, 5, 10]))


def _name_values(axes: Axes, values: Sequence[Any]) -> None:
    """Write each value below its place: level if no two come near each other, else as steep as it takes."""
    numbers = [finite(value) for value in values]
    brief = [f"{number:g}" for number in numbers if number is not None]
    names = [shortened(short(value), _LONGEST_VALUE) for value in values]
    if len(set(brief)) == len(values):
        names = brief
    axes.set_xticks(range(len(values)), names, parse_math=False)
    boxes = [label.get_window_extent(ruler(axes)) for label in axes.get_xticklabels()]
    room, gap = axes.bbox.width / len(values), _GAP * dpi(axes) / 72
    if all((one.width + other.width) / 2 + gap <= room for one, other in pairwise(boxes)):
        return
    line = max(box.height for box in boxes)
    angle = next((each for each in _ANGLES if room * math.sin(math.radians(each)) > line), 90)
    if angle == 90 and names is not brief:  # where a long name runs over no edge
        names = [shortened(short(value), _LONGEST_UPRIGHT) for value in values]
    stride = max(1, math.ceil(line / room))  # of a hundred values not even upright names have room
    axes.set_xticks(
        range(0, len(values), stride),
        names[::stride],
        rotation=angle,
        rotation_mode="anchor",
        ha="right",
        va="center" if angle == 90 else "top",
        parse_math=False,
    )


def _axis_name(runs: Sequence[RunRecord], key: str) -> str:
    """Return `feature_dim`; of λ, `λ (λ_eq = 100 λ)` if λ_eq is the same multiple of it in all runs."""
    if key != LAMBDA:
        return sign(key)
    factors = {
        f"{run.lambda_eq / run.lambda_:g}" for run in runs if run.lambda_ and run.lambda_eq is not None
    }
    return f"λ (λ_eq = {factors.pop()} λ)" if len(factors) == 1 and factors != {"1"} else "λ"


def _legend(lines: Sequence[str]) -> list[Line2D]:
    means: dict[str, Any] = {"linestyle": "none", "markersize": 7}
    return [
        *(
            Line2D([], [], **means, marker=mark, color=color, label=f"mean, {name}" if name else "mean")
            for name, (color, mark) in zip(lines[:_MOST_NAMES], _LOOKS * _MOST_NAMES, strict=False)
        ),
        Line2D([], [], **_HOLLOW, marker="o", linestyle="none", color=INK, label="one seed"),
        Line2D([], [], color=INK, linewidth=1.4, label="lowest to highest"),
    ]


def _count(runs: Sequence[RunRecord], keys: Sequence[str]) -> str:
    """Return `5 seeds each`, or `2 to 5 seeds each` where not every point has as many."""
    counts = Counter(combination(run, keys) for run in runs).values()
    fewest, most = min(counts), max(counts)
    return f"{most} seeds each" if fewest == most else f"{fewest} to {most} seeds each"
