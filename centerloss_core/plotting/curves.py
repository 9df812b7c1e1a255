"""The course of a training run over the epochs: the figures of its loss, its schedules, and accuracies."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator, PercentFormatter
from numpy.typing import NDArray

from centerloss_core.config.problems import shortened
from centerloss_core.formatting import on_axis, percent
from centerloss_core.plotting.log_ticks import log_ticks
from centerloss_core.plotting.style import CLASS_COLORS, INK
from centerloss_core.plotting.text_fit import fit
from centerloss_core.plotting.titles import run_title
from centerloss_core.run_directory.history import History, Row
from centerloss_core.run_directory.reader import RunRecord

_DPI = 110
_SIZE = (9.0, 8.2)  # inches, with three rows of plots
# Inches, fixed: measuring all labels to find the tightest margins would take as long as the drawing itself.
_BOTTOM, _TOP, _HEIGHT = 0.533, 0.738, 2.02602
_GAP = 0.21 * _HEIGHT
_SIDES = {"left": 0.075, "right": 0.98, "wspace": 0.19}  # as parts of the width
_MOST_EPOCH_TICKS = 6
_BELOW_ZERO = 0.06  # so that a line of zeros does not lie on the bottom of its box, unseen
_TRAIN, _TEST, _CENTER, _VALIDATION = "#8a8a8a", CLASS_COLORS[6], CLASS_COLORS[5], CLASS_COLORS[8]
# The figures that have a title of their own, in the order of the plots; others follow the losses.
_LOSSES = {
    "softmax_loss": "softmax loss, training batches",
    "center_loss": "center loss ½‖x − c‖² per image, training batches",
    "lambda": "λ in force",
    "center_shift": "‖Δc‖ of a step, all centers as one vector",
}
_RATES = {"learning_rate": "learning rate"}
_NOT_DRAWN = {"kind", "step", "epoch", "images_per_second", "accuracy"}  # accuracy has a plot of its own
_MOST_FIGURES, _LONGEST_NAME = 11, 40


def curves_figure(run: RunRecord, history: History) -> Figure:
    """Draw the history of one run: a small plot for each figure that it logs, over one axis of epochs."""
    titles = _titles(history.steps)
    rows = len(titles) // 2 + 1  # the last place is that of the accuracies
    height = round(_BOTTOM + rows * (_HEIGHT + _GAP) - _GAP + _TOP, 3)
    figure = Figure(figsize=(_SIZE[0], height), dpi=_DPI)
    margins = {"bottom": _BOTTOM / height, "top": 1 - _TOP / height, "hspace": _GAP / _HEIGHT}
    axes = figure.subplots(rows, 2, sharex=True, squeeze=False, gridspec_kw=_SIDES | margins).ravel()
    for plot, (key, title) in zip(axes, titles.items(), strict=False):
        _draw_column(plot, history.steps, key, title, linear=key in _RATES)
    _draw_accuracy(axes[len(titles)], history)
    drawn = axes[: len(titles) + 1]
    for plot in axes[len(drawn) :]:
        plot.remove()
    for plot in drawn:
        plot.grid(color="#eeeeee", linewidth=0.8)
        plot.set_axisbelow(True)
        plot.tick_params(labelsize=9, length=0, which="both")
        plot.spines[["top", "right"]].set_visible(False)
    # From 0 also for a run of a few steps, around whose only row matplotlib would put a dozen long numbers.
    axes[0].set_xlim(left=0)
    for plot in drawn[-2:]:
        plot.xaxis.set_major_locator(MaxNLocator(_MOST_EPOCH_TICKS))
        plot.tick_params(labelbottom=True)
        plot.set_xlabel("epoch")
    fit(figure.suptitle(run_title(run), y=1 - 0.164 / height, fontsize=11), _SIZE[0] - 0.4)
    return figure


def _titles(rows: Sequence[Row]) -> dict[str, str]:
    """Return the figures to draw and the titles of their plots."""
    logged = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in _NOT_DRAWN]
    others = {
        key: shortened(key.replace("_", " "), _LONGEST_NAME)
        for key in logged
        if key not in _LOSSES and key not in _RATES
    }
    titles = {key: title for key, title in (_LOSSES | others | _RATES).items() if key in logged}
    return dict(list(titles.items())[:_MOST_FIGURES])


def _draw_column(axes: Axes, rows: Sequence[Row], key: str, title: str, *, linear: bool) -> None:
    values = _column(rows, key)
    axes.set_title(title, loc="left", fontsize=10, parse_math=False)
    _draw_line(axes, _column(rows, "epoch"), values, color=INK)
    if linear:
        axes.set_ylim(bottom=0)
    else:
        _set_scale(axes, values)


def _draw_accuracy(axes: Axes, history: History) -> None:
    if history.steps:
        epochs, values = _column(history.steps, "epoch"), _column(history.steps, "accuracy")
        _draw_line(axes, epochs, values, color=_TRAIN, label="training batches")
    # Signs of their own, for those who see no colours.
    for split, key, name, look, color in (
        ("validation", "accuracy", "validation", "^:", _VALIDATION),
        ("test", "accuracy", "test", "o-", _TEST),
        ("test", "nearest_center_accuracy", "test, nearest center", "s--", _CENTER),
    ):
        rows = [row for row in history.epochs if isinstance(row.get(split), dict)]
        values = _column([row[split] for row in rows], key)
        if not np.isnan(values).all():
            label = f"{name} ({percent(values[-1])})"
            epochs = _column(rows, "epoch")
            axes.plot(epochs, values, look, color=color, markersize=4, linewidth=1.2, label=label)
    axes.set_title("accuracy", loc="left", fontsize=10)
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.legend(loc="best", fontsize=8.5, frameon=False)


def _draw_line(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], color: str, label: str = ""
) -> None:
    # A run that has logged a single row has no line to show, but it has a point.
    axes.plot(x, y, "-" if len(x) > 1 else "o", color=color, linewidth=1.1, markersize=4, label=label)


def _column(rows: Sequence[Row], key: str) -> NDArray[np.float64]:
    """Return the numbers under a key; a missing one, null or what is no figure of a run becomes a gap in the line."""
    return np.array([on_axis(row.get(key)) for row in rows])


def _set_scale(axes: Axes, values: NDArray[np.float64]) -> None:
    """Use a log scale for a decade or more; with zeros, one that is linear below the smallest other value."""
    known = values[np.isfinite(values)]
    positive = known[known > 0]
    if (known < 0).any():  # a log scale has no place for it
        return
    zeros = bool((known == 0).any())
    if not positive.size:
        axes.set_ylim(-1, 1)
        axes.set_yticks([0])
    elif positive.max() < 10 * positive.min():
        axes.set_ylim(bottom=-_BELOW_ZERO * positive.max() if zeros else 0)
    elif zeros:
        axes.set_yscale("symlog", linthresh=positive.min())
        # The linear part is as high as a decade.
        decades_shown = 1 + math.log10(positive.max() / positive.min())
        axes.set_ylim(bottom=-_BELOW_ZERO * decades_shown * positive.min())
        # Nothing is named below the smallest value but the 0: it would lie on top of it.
        _set_log_ticks(axes, positive, floor=[0])
    else:
        axes.set_yscale("log")
        _set_log_ticks(axes, positive)


def _set_log_ticks(axes: Axes, positive: NDArray[np.float64], floor: Sequence[float] = ()) -> None:
    """Put ticks at round numbers; those of a floor are below all values, and the only ones there."""
    ticks, names = log_ticks(positive)
    shown = [*floor, *(tick for tick in ticks if not floor or tick >= positive.min())]
    axes.yaxis.set_major_locator(FixedLocator(shown))
    axes.yaxis.set_major_formatter(FixedFormatter([names.get(tick, f"{tick:g}") for tick in shown]))
    axes.yaxis.set_minor_locator(NullLocator())
