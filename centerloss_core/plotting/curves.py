"""The course of a training run over the epochs: losses, λ in force, steps of the centers, rate, accuracy."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator, PercentFormatter
from numpy.typing import NDArray

from centerloss_core.formatting import on_axis
from centerloss_core.plotting.log_ticks import log_ticks
from centerloss_core.plotting.records import History, Row, Run
from centerloss_core.plotting.style import DIGIT_COLORS, INK
from centerloss_core.plotting.text_fit import fit
from centerloss_core.plotting.titles import run_title

_DPI = 110
_SIZE = (9.0, 8.2)  # inches
# Fixed margins: measuring all labels to find the tightest would take as long as the drawing itself.
_MARGINS = {"left": 0.075, "right": 0.98, "bottom": 0.065, "top": 0.91, "wspace": 0.19, "hspace": 0.21}
_MOST_EPOCH_TICKS = 6
_BELOW_ZERO = 0.06  # so that a line of zeros does not lie on the bottom of its box, unseen
_TRAIN, _TEST, _CENTER, _VALIDATION = "#8a8a8a", DIGIT_COLORS[6], DIGIT_COLORS[5], DIGIT_COLORS[8]


def curves_figure(run: Run, history: History) -> Figure:
    """Draw the history of one run as six small plots over one axis of epochs."""
    figure = Figure(figsize=_SIZE, dpi=_DPI)
    axes = figure.subplots(3, 2, sharex=True, gridspec_kw=_MARGINS).ravel()
    _draw_column(axes[0], history.steps, "softmax_loss", "softmax loss, training batches")
    _draw_column(axes[1], history.steps, "center_loss", "center loss ½‖x − c‖² per image, training batches")
    _draw_column(axes[2], history.steps, "lambda", "λ in force")
    _draw_column(axes[3], history.steps, "center_shift", "‖Δc‖ of a step, all centers as one vector")
    _draw_column(axes[4], history.steps, "learning_rate", "learning rate", linear=True)
    _draw_accuracy(axes[5], history)
    for plot in axes:
        plot.grid(color="#eeeeee", linewidth=0.8)
        plot.set_axisbelow(True)
        plot.tick_params(labelsize=9, length=0, which="both")
        plot.spines[["top", "right"]].set_visible(False)
    # From 0 also for a run of a few steps, around whose only row matplotlib would put a dozen long numbers.
    axes[0].set_xlim(left=0)
    for plot in axes[4:]:
        plot.xaxis.set_major_locator(MaxNLocator(_MOST_EPOCH_TICKS))
        plot.set_xlabel("epoch")
    fit(figure.suptitle(run_title(run), fontsize=11), _SIZE[0] - 0.4)
    return figure


def _draw_column(axes: Axes, rows: Sequence[Row], key: str, title: str, *, linear: bool = False) -> None:
    values = _column(rows, key)
    axes.set_title(title, loc="left", fontsize=10)
    if np.isnan(values).all():  # versions before that figure was logged, or a run that has logged no step
        axes.annotate(
            "not recorded", (0.5, 0.5), xycoords="axes fraction", ha="center", va="center", fontsize=11
        )
        axes.set_yticks([])
        return
    _draw_line(axes, _column(rows, "epoch"), values, color=INK)
    if linear:
        axes.set_ylim(bottom=0)
    else:
        _set_scale(axes, values)


def _draw_accuracy(axes: Axes, history: History) -> None:
    _draw_line(
        axes,
        _column(history.steps, "epoch"),
        _column(history.steps, "accuracy"),
        color=_TRAIN,
        label="training batches",
    )
    # Signs of their own, for those who see no colours.
    for split, key, name, look, color in (
        ("validation", "accuracy", "validation", "^:", _VALIDATION),
        ("test", "accuracy", "test", "o-", _TEST),
        ("test", "nearest_center_accuracy", "test, nearest center", "s--", _CENTER),
    ):
        rows = [row for row in history.epochs if isinstance(row.get(split), dict)]
        if rows:
            values = _column([row[split] for row in rows], key)
            label = f"{name} ({values[-1]:.2%})".replace("%", " %")
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
    positive = values[np.isfinite(values) & (values > 0)]
    zeros = bool((values <= 0).any())
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
