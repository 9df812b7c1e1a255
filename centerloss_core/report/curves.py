"""The course of the runs over the epochs: a plot per figure, a line per run.

Each run has a colour, the lighter the larger its λ, and a pattern of dashes, so that greys will do, and many runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np
from bokeh import models
from bokeh.plotting import figure
from numpy.typing import NDArray

from centerloss_core.config.axes import ALPHA, LAMBDA, SEED
from centerloss_core.formatting import finite, number
from centerloss_core.isolation import import_matplotlib
from centerloss_core.limits import CURVE_ROWS, CURVE_ROWS_IN_ALL
from centerloss_core.metrics.names import ANGLE_MEANING, CENTER, MEAN, SOFTMAX
from centerloss_core.plotting.logged import TITLES, column, evaluated, evenly, log_ticks, titles_of
from centerloss_core.report.empty import empty_figure
from centerloss_core.report.reading import Record
from centerloss_core.run_directory.class_points import renamed
from centerloss_core.run_directory.history import Row

_Values = NDArray[np.float64]
_MARGIN = 0.06  # of an axis, beyond the lines
_LETTERS = 48  # side by side below a plot on a phone
_MOST_CURVES = 12
# Seven: with ten colours, 70 runs look each like no other.
_DASHES = ("none", "8 4", "2 3", "10 3 2 3", "14 5", "5 2 2 2 2 2", "4 8")
_MARKERS = ("circle", "triangle", "diamond", "star", "inverted_triangle", "hex", "cross")
# Of matplotlib's inferno, which grows lighter evenly: up to here all colours have a contrast of 3 with white.
_LIGHTEST = 0.62
_LINE_WIDTH = 2.2
_MOST_NAMED = 4  # runs without a line
_ACCURACIES = {
    SOFTMAX: "softmax accuracy on the test images",
    CENTER: "nearest-center accuracy on the test images",
    MEAN: "nearest-mean accuracy on the test images",
}


@dataclass(frozen=True)
class Look:
    """How the lines of a run are drawn; `dash` as in SVG, `marker` for a line that is a single point."""

    label: str
    color: str
    dash: str
    marker: str


@dataclass(frozen=True)
class Curve:
    """A plot in words."""

    name: str  # id of its element
    title: str
    words: str  # the last value of each line, for those who do not see the lines
    note: str  # what the plot does not show


@dataclass(frozen=True)
class Line:
    """What a plot has of a run."""

    record: Record
    look: Look
    x: _Values
    y: _Values


def looks_of(records: Sequence[Record]) -> list[Look]:
    """A look for each run."""
    import_matplotlib()
    import matplotlib
    from matplotlib.colors import to_hex

    ordered = sorted(records, key=_place)
    shades = matplotlib.colormaps["inferno"](np.linspace(0, _LIGHTEST, len(ordered)))
    colors = {id(record): to_hex(shade) for record, shade in zip(ordered, shades, strict=True)}
    return [
        Look(record.label, colors[id(record)], dash, marker)
        for record, dash, marker in zip(records, cycle(_DASHES), cycle(_MARKERS), strict=False)
    ]


def _place(record: Record) -> list[tuple[bool, float, str]]:
    """Where a run stands among others: by the numbers of its settings, then by their words."""
    values = [*map(record.value, (LAMBDA, ALPHA, SEED)), *record.values.values()]
    return [(isinstance(value, str), finite(value) or 0.0, str(value)) for value in values]


def most_rows(runs: int) -> int:
    """How many rows of each run are drawn: fewer of many, or the file would grow with them."""
    return min(CURVE_ROWS, CURVE_ROWS_IN_ALL // max(1, runs))


def curve_plots(records: Sequence[Record], looks: Sequence[Look]) -> list[tuple[Curve, figure]]:
    """A plot of each figure that some run has."""
    most = most_rows(len(records))
    steps = [evenly(record.history.steps, most) for record in records]
    tests = [evaluated(record.history.epochs, "test") for record in records]
    logged = titles_of(row for rows in steps for row in rows)
    drawn = sorted(logged, key=lambda key: key not in TITLES)[:_MOST_CURVES]
    plots: list[tuple[Curve, figure]] = []
    for key in drawn:
        if lines := _lines(records, looks, steps, [key] * len(records)):
            title = logged[key] if key in TITLES else f"{logged[key]}, training batches"
            note, plot = _course(lines)
            plots.append((Curve(f"curve-{len(plots)}", title, _ends(lines), note), plot))
    fits = [{"is_angular": record.run.is_angular} for record in records]
    needs_mean = any(not np.isfinite(column(rows, CENTER.key)).any() for rows in tests if rows)
    for name, title in _ACCURACIES.items():
        if name is MEAN and not needs_mean:
            continue
        if lines := _lines(records, looks, tests, [name.key_of(fit) for fit in fits]):
            note = ANGLE_MEANING if any(map(name.sign, fits)) else ""
            words = renamed(title, (record.run.class_points for record in records))
            plots.append((Curve(f"curve-{len(plots)}", words, _ends(lines), note), _accuracy(lines)))
    return plots


def _lines(
    records: Sequence[Record], looks: Sequence[Look], rows: Sequence[Sequence[Row]], keys: Sequence[str]
) -> list[Line]:
    """The line of each run that has rows; none where no run has a number under its key."""
    lines = [
        Line(record, look, column(each, "epoch"), column(each, key))
        for record, look, each, key in zip(records, looks, rows, keys, strict=True)
        if each
    ]
    return lines if any(np.isfinite(line.y).any() for line in lines) else []


def _course(lines: Sequence[Line]) -> tuple[str, figure]:
    """What the plot does not show, and the plot: with a log axis where the figure spans a decade."""
    values = np.concatenate([line.y for line in lines])
    positive = values[np.isfinite(values) & (values > 0)]
    log = bool(positive.size and positive.max() >= 10 * positive.min())
    plot = curve_figure("log" if log else "linear")
    note = ""
    if log:
        absent = [line.record.label for line in lines if (line.y <= 0).all()]
        if (values <= 0).any():
            note = "zeros have no place on this log axis and are not drawn"
            note += f": all of {', '.join(absent[:_MOST_NAMED])}" if absent else ""
            note += f" and {len(absent) - _MOST_NAMED} more" if len(absent) > _MOST_NAMED else ""
        lines = [replace(line, y=np.where(line.y > 0, line.y, np.nan)) for line in lines]
        ticks = log_ticks(positive)
        plot.yaxis.ticker, plot.yaxis.major_label_overrides = ticks, {tick: f"{tick:g}" for tick in ticks}
    else:
        low, high = _from_zero(values)
        plot.y_range = models.Range1d(start=low, end=high)
    draw_lines(plot, lines)
    return note, plot


def _from_zero(values: _Values) -> tuple[float, float]:
    """A linear axis that starts at 0, or a little lower where a line lies there: a constant has no range of its own."""
    known = values[np.isfinite(values)]
    low, high = min(0.0, float(known.min())), max(0.0, float(known.max()))
    room = _MARGIN * (high - low or 1)
    return low - room * bool((known <= 0).any()), high + room


def _accuracy(lines: Sequence[Line]) -> figure:
    """The course over the epochs; runs of one epoch have none, and stand side by side instead."""
    plot = curve_figure("linear")
    plot.y_range = models.DataRange1d(
        default_span=0.02
    )  # around runs that are all alike: two percent, not two
    # To the place of the ticks, wherever one zooms to: 99.05 % must not read 99.1 %.
    plot.yaxis.formatter.format = "0.0[000] %"  # type: ignore[attr-defined]
    if all(len(line.x) == 1 for line in lines):
        lines = [replace(line, x=np.array([place])) for place, line in enumerate(lines)]
        names = [", ".join(line.record.values.values()) or line.record.name for line in lines]
        # A variant may have any name, and a plain string may be taken for mathematics.
        plot.xaxis.axis_label = models.PlainText(text=", ".join(lines[0].record.values) or "run")
        plot.xaxis.major_label_overrides = {
            place: models.PlainText(text=name) for place, name in enumerate(names)
        }
        plot.xaxis.ticker = list(range(len(lines)))
        plot.x_range = models.Range1d(start=-0.5, end=len(lines) - 0.5)
        if len(names) * (max(map(len, names)) + 2) > _LETTERS:
            plot.xaxis.major_label_orientation = 1.1
    draw_lines(plot, lines, dotted=True)
    return plot


def curve_figure(scale: str, across: str = "epoch", x_scale: str = "linear") -> figure:
    """A plot without lines."""
    plot = empty_figure(models.BoxZoomTool(), x_axis_type=x_scale, y_axis_type=scale, x_axis_label=across)
    plot.x_range = models.DataRange1d(
        start=0
    )  # left to itself, it would show one row in the middle of -1 to 1
    if scale == "linear":
        plot.yaxis.formatter = models.NumeralTickFormatter(format="0.[0000]")
    return plot


def draw_lines(plot: figure, lines: Sequence[Line], *, dotted: bool = False) -> None:
    """All lines as one thing: a model for each would take most of the time of a large report."""
    content = {
        "x": [line.x for line in lines],
        "y": [line.y for line in lines],
        "color": [line.look.color for line in lines],
        "dash": ["solid" if line.look.dash == "none" else line.look.dash for line in lines],
        "label": [line.record.label for line in lines],
    }
    source = models.ColumnDataSource(content)
    drawn = plot.multi_line(
        "x", "y", source=source, line_color="color", line_dash="dash", line_width=_LINE_WIDTH
    )
    marked = [(line, i) for line in lines if dotted or len(line.x) == 1 for i in range(len(line.x))]
    points = {
        "x": [line.x[i] for line, i in marked],
        "y": [line.y[i] for line, i in marked],
        "color": [line.look.color for line, _ in marked],
        "marker": [line.look.marker for line, _ in marked],
        "label": [line.record.label for line, _ in marked],
    }
    dots = plot.scatter(
        "x", "y", source=models.ColumnDataSource(points), size=7, color="color", marker="marker"
    )
    plot.add_tools(models.HoverTool(renderers=[drawn, dots], tooltips=[("run", "@label")]))


def _ends(lines: Sequence[Line]) -> str:
    words = "last value" if len(lines) == 1 else "last values"
    return f"{words}: " + "; ".join(f"{line.record.label}: {number(float(line.y[-1]))}" for line in lines)
