"""The course of a training run: both losses, λ in force, and accuracy over the epochs."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from centerloss_core.plotting.records import History, Row, Run
from centerloss_core.plotting.style import DIGIT_COLORS, INK
from centerloss_core.plotting.titles import run_title

_DPI = 110
_SIZE = (9.0, 6.2)  # inches
# Fixed margins: measuring all labels to find the tightest would take as long as the drawing itself.
_MARGINS = {"left": 0.075, "right": 0.98, "bottom": 0.085, "top": 0.88, "wspace": 0.19, "hspace": 0.2}
_TRAIN, _TEST, _CENTER, _VALIDATION = "#8a8a8a", DIGIT_COLORS[6], DIGIT_COLORS[5], DIGIT_COLORS[8]


def curves_figure(run: Run, history: History) -> Figure:
    """Draw the history of one run as four small plots over one axis of epochs."""
    figure = Figure(figsize=_SIZE, dpi=_DPI)
    axes = figure.subplots(2, 2, sharex=True, gridspec_kw=_MARGINS).ravel()
    _draw_column(axes[0], history.steps, "softmax_loss", "softmax loss, training batches")
    _draw_column(axes[1], history.steps, "center_loss", "center loss ½‖x − c‖² per image, training batches")
    _draw_column(axes[2], history.steps, "lambda", "λ in force")
    _draw_accuracy(axes[3], history)
    for plot in axes:
        plot.grid(color="#eeeeee", linewidth=0.8)
        plot.set_axisbelow(True)
        plot.tick_params(labelsize=9, length=0, which="both")
        plot.spines[["top", "right"]].set_visible(False)
    for plot in axes[2:]:
        plot.set_xlabel("epoch")
    figure.suptitle(run_title(run), fontsize=11)
    return figure


def _draw_column(axes: Axes, rows: Sequence[Row], key: str, title: str) -> None:
    values = _column(rows, key)
    _draw_line(axes, _column(rows, "epoch"), values, color=INK)
    axes.set_title(title, loc="left", fontsize=10)
    _set_scale(axes, values)


def _draw_accuracy(axes: Axes, history: History) -> None:
    _draw_line(
        axes,
        _column(history.steps, "epoch"),
        _column(history.steps, "accuracy"),
        color=_TRAIN,
        label="training batches",
    )
    for split, key, name, color in (
        ("validation", "accuracy", "validation", _VALIDATION),
        ("test", "accuracy", "test", _TEST),
        ("test", "nearest_center_accuracy", "test, nearest center", _CENTER),
    ):
        rows = [row for row in history.epochs if row.get(split)]
        if rows:
            values = _column([row[split] for row in rows], key)
            label = f"{name} ({values[-1]:.2%})".replace("%", " %")
            epochs = _column(rows, "epoch")
            axes.plot(epochs, values, "o-", color=color, markersize=4, linewidth=1.2, label=label)
    axes.set_title("accuracy", loc="left", fontsize=10)
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.legend(loc="best", fontsize=8.5, frameon=False)


def _draw_line(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], color: str, label: str = ""
) -> None:
    # A run that has logged a single row has no line to show, but it has a point.
    axes.plot(x, y, "-" if len(x) > 1 else "o", color=color, linewidth=1.1, markersize=4, label=label)


def _column(rows: Sequence[Row], key: str) -> NDArray[np.float64]:
    """Return the numbers under a key; a missing one or null becomes a gap in the line."""
    values = [row.get(key) for row in rows]
    return np.array([math.nan if value is None else float(value) for value in values])


def _set_scale(axes: Axes, values: NDArray[np.float64]) -> None:
    """Use a log scale for a decade or more; with zeros, one that is linear below the smallest other value."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size or positive.max() < 10 * positive.min():
        axes.set_ylim(bottom=0)
    elif (values <= 0).any():
        axes.set_yscale("symlog", linthresh=positive.min())
        axes.set_ylim(bottom=0)
    else:
        axes.set_yscale("log")
