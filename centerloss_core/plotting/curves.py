"""The course of a training run over the epochs: the figures of its loss, its schedules, and accuracies."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator, PercentFormatter
from numpy.typing import NDArray

from centerloss_core.formatting import percent
from centerloss_core.plotting.logged import column, evaluated, log_ticks, titles_of
from centerloss_core.plotting.sheet import sheet_of
from centerloss_core.plotting.style import CLASS_COLORS, DPI, INK
from centerloss_core.plotting.text_fit import fit
from centerloss_core.plotting.titles import run_title
from centerloss_core.run_directory.class_points import word_of
from centerloss_core.run_directory.history import History, Row
from centerloss_core.run_directory.reader import RunRecord

_WIDTH = 9.0  # inches
# Inches, fixed: measuring all labels to find the tightest margins would take as long as the drawing itself.
_BOTTOM, _TOP, _HEIGHT = 0.533, 0.738, 2.02602
_GAP = 0.21 * _HEIGHT
_LEFT, _RIGHT, _BESIDE = 0.675, 0.18, 0.75
_MOST_EPOCH_TICKS = 6
_BELOW_ZERO = 0.06  # so that a line of zeros does not lie on the bottom of its box, unseen
_TRAIN, _TEST, _CENTER, _VALIDATION = "#8a8a8a", CLASS_COLORS[9], CLASS_COLORS[1], CLASS_COLORS[0]
_MOST_FIGURES = 11


def curves_figure(run: RunRecord, history: History, width: float | None = None) -> Figure:
    """Draw the history of one run: a small plot for each figure that it logs, over one axis of epochs."""
    titles = {key: title for key, title in titles_of(history.steps).items() if _tells(history.steps, key)}
    titles = dict(list(titles.items())[:_MOST_FIGURES])
    sheet = sheet_of(_WIDTH, width)
    margin, letters = sheet.margins, sheet.letters
    columns = 1 if sheet.is_narrow else 2
    rows = -(-(len(titles) + 1) // columns)  # the last place is that of the accuracies
    plot_height, gap = _HEIGHT * margin, _GAP * margin
    over = Figure(dpi=DPI).text(0, 0, run_title(run), fontsize=letters(11))
    fit(over, sheet.width - 0.4)
    top = _TOP * margin + (len(over.get_text().split("\n")) - 1) * letters(11) * 1.2 / 72
    height = round(_BOTTOM * margin + rows * (plot_height + gap) - gap + top, 3)
    figure = Figure(figsize=(sheet.width, height), dpi=DPI)
    across = (sheet.width - (_LEFT + _RIGHT + (columns - 1) * _BESIDE) * margin) / columns
    layout = {
        "left": _LEFT * margin / sheet.width,
        "right": 1 - _RIGHT * margin / sheet.width,
        "wspace": _BESIDE * margin / across,
        "bottom": _BOTTOM * margin / height,
        "top": 1 - top / height,
        "hspace": gap / plot_height,
    }
    axes = figure.subplots(rows, columns, sharex=True, squeeze=False, gridspec_kw=layout).ravel()
    for plot, (key, title) in zip(axes, titles.items(), strict=False):
        fit(plot.set_title(title, loc="left", fontsize=letters(10), parse_math=False), across)
        values = _draw_line(plot, history.steps, key, color=INK)
        if key == "learning_rate":
            plot.set_ylim(bottom=0)
        else:
            _set_scale(plot, values)
    _draw_accuracy(axes[len(titles)], run, history, letters)
    drawn = axes[: len(titles) + 1]
    for plot in axes[len(drawn) :]:
        plot.remove()
    for plot in drawn:
        plot.grid(color="#eeeeee", linewidth=0.8)
        plot.set_axisbelow(True)
        plot.tick_params(labelsize=letters(9), length=0, which="both")
        plot.spines[["top", "right"]].set_visible(False)
    # From 0 also for a run of a few steps, around whose only row matplotlib would put a dozen long numbers.
    axes[0].set_xlim(left=0)
    for plot in drawn[-columns:]:
        plot.xaxis.set_major_locator(MaxNLocator(_MOST_EPOCH_TICKS))
        plot.tick_params(labelbottom=True)
        plot.set_xlabel("epoch", fontsize=letters(10))
    size = over.get_fontsize()
    figure.suptitle(over.get_text(), y=1 - 0.164 * margin / height, fontsize=size, parse_math=False)
    return figure


def _tells(rows: Sequence[Row], key: str) -> bool:
    """Whether a figure has something to show: λ in force does not, in a run whose λ is 0."""
    return key != "lambda" or bool(np.nan_to_num(column(rows, key)).any())


def _draw_accuracy(axes: Axes, run: RunRecord, history: History, letters: Callable[[float], float]) -> None:
    rows = [*history.steps, *evaluated(history.epochs, "test")]
    has_logits = not np.isnan(column(rows, "accuracy")).all()
    if has_logits and history.steps:
        _draw_line(axes, history.steps, "accuracy", color=_TRAIN, label="training batches")
    # Signs of their own, for those who see no colours. Without logits the nearest class mean has to say it.
    key, name = ("accuracy", "") if has_logits else ("nearest_mean_accuracy", ", nearest mean")
    for split, figure, title, look, color in (
        ("validation", key, f"validation{name}", "^:", _VALIDATION),
        ("test", key, f"test{name}", "o-", _TEST),
        ("test", "nearest_center_accuracy", f"test, nearest {word_of(run.class_points)}", "s--", _CENTER),
    ):
        rows = evaluated(history.epochs, split)
        epochs, values = column(rows, "epoch"), column(rows, figure)
        if not np.isnan(values).all():
            label = f"{title} ({percent(values[-1])})"
            axes.plot(epochs, values, look, color=color, markersize=4, linewidth=1.2, label=label)
    axes.set_title("accuracy", loc="left", fontsize=letters(10))
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    if axes.lines:
        axes.legend(loc="best", fontsize=letters(8.5), frameon=False)


def _draw_line(axes: Axes, rows: Sequence[Row], key: str, color: str, label: str = "") -> NDArray[np.float64]:
    epochs, values = column(rows, "epoch"), column(rows, key)
    # A run that has logged a single row has no line to show, but it has a point.
    look = "-" if len(rows) > 1 else "o"
    axes.plot(epochs, values, look, color=color, linewidth=1.1, markersize=4, label=label)
    return values


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
    shown = [*floor, *(tick for tick in log_ticks(positive) if not floor or tick >= positive.min())]
    axes.yaxis.set_major_locator(FixedLocator(shown))
    axes.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in shown]))
    axes.yaxis.set_minor_locator(NullLocator())
