"""The course of the runs over the epochs: a plot per figure, a line per run.

Each run has a colour, the lighter the larger its λ, and a pattern of dashes, so that greys will do, and many runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from centerloss_core.config.axes import ALPHA, LAMBDA, SEED
from centerloss_core.formatting import finite, number, on_axis
from centerloss_core.limits import CURVE_ROWS, CURVE_ROWS_IN_ALL
from centerloss_core.plotting.log_ticks import log_ticks
from centerloss_core.report.empty import empty_figure
from centerloss_core.report.reading import Record
from centerloss_core.run_directory.history import Row

if TYPE_CHECKING:
    from bokeh.plotting import figure

_Values = NDArray[np.float64]
_MARGIN = 0.06  # of an axis, beyond the lines
_LETTERS = 48  # side by side below a plot on a phone
_MOST_CURVES = 12
# Whatever else a loss logs follows, by its own name.
_TITLES = {
    "softmax_loss": "softmax loss, training batches",
    "center_loss": "center loss ½‖x − c‖² per image, training batches",
    "lambda": "λ in force",
    "center_shift": "‖Δc‖ of a step",
    "learning_rate": "learning rate",
}
_NOT_DRAWN = ("kind", "step", "epoch", "images_per_second", "accuracy")
# Seven: with ten colours, 70 runs look each like no other.
_DASHES = ("none", "8 4", "2 3", "10 3 2 3", "14 5", "5 2 2 2 2 2", "4 8")
_MARKERS = ("circle", "triangle", "diamond", "star", "inverted_triangle", "hex", "cross")
# Of matplotlib's inferno, which grows lighter evenly: up to here all colours have a contrast of 3 with white.
_LIGHTEST = 0.62
_LINE_WIDTH = 2.2
_ACCURACIES = (
    ("accuracy", "softmax accuracy on the test images"),
    ("nearest_center_accuracy", "nearest-center accuracy on the test images"),
)


@dataclass(frozen=True)
class Look:
    """How the lines of a run are drawn; `dash` as in SVG, `marker` for a line that is a single point."""

    color: str
    dash: str
    marker: str


@dataclass(frozen=True)
class Curve:
    """A plot in words.

    Attributes:
        name: id of its element.
        words: the last value of each line, for those who do not see the lines.
        note: what the plot does not show.
    """

    name: str
    title: str
    words: str
    note: str


@dataclass(frozen=True)
class _Line:
    label: str
    look: Look
    x: _Values
    y: _Values


def looks_of(records: Sequence[Record]) -> list[Look]:
    """A look for each run."""
    import matplotlib
    from matplotlib.colors import to_hex

    ordered = sorted(records, key=_place)
    shades = matplotlib.colormaps["inferno"](np.linspace(0, _LIGHTEST, len(ordered)))
    colors = {id(record): to_hex(shade) for record, shade in zip(ordered, shades, strict=True)}
    return [
        Look(colors[id(record)], _DASHES[place % len(_DASHES)], _MARKERS[place % len(_MARKERS)])
        for place, record in enumerate(records)
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
    rows = [_thinned(record.history.steps, most) if record.history else [] for record in records]
    plots: list[tuple[Curve, figure]] = []
    for key in _figures(rows)[:_MOST_CURVES]:
        title = _TITLES.get(key, f"{key.replace('_', ' ')}, training batches")
        lines = _lines(records, looks, rows, key)
        values = np.concatenate([line.y for line in lines]) if lines else np.empty(0)
        if np.isfinite(values).any():
            curve = Curve(f"curve-{len(plots)}", title, _ends(lines), "")
            plots.append(_plot(curve, lines, log=_is_wide(values)))
    tests = [_tests(record) for record in records]
    once = max(map(len, tests), default=0) == 1
    for key, title in _ACCURACIES:
        lines = _lines(records, looks, tests, key)
        if any(np.isfinite(line.y).any() for line in lines):
            curve = Curve(f"curve-{len(plots)}", title, _ends(lines), "")
            plots.append((curve, _accuracy_by_run(records, looks, tests, key) if once else _accuracy(lines)))
    return plots


def _tests(record: Record) -> list[Row]:
    epochs = record.history.epochs if record.history else []
    return [row | row["test"] for row in epochs if isinstance(row.get("test"), dict)]


def _figures(rows: Sequence[Sequence[Row]]) -> list[str]:
    """The names of the figures that some row has, in the order of `_TITLES`, then as they are logged."""
    logged = {key: None for each in rows for row in each for key in row if key not in _NOT_DRAWN}
    return [*(key for key in _TITLES if key in logged), *(key for key in logged if key not in _TITLES)]


def _lines(
    records: Sequence[Record], looks: Sequence[Look], rows: Sequence[Sequence[Row]], key: str
) -> list[_Line]:
    return [
        _Line(record.label, look, _column(each, "epoch"), _column(each, key))
        for record, look, each in zip(records, looks, rows, strict=True)
        if each
    ]


def _plot(curve: Curve, lines: Sequence[_Line], *, log: bool) -> tuple[Curve, figure]:
    from bokeh.models import Range1d

    plot = _curve_figure(log=log)
    if log:
        absent = [line for line in lines if (line.y <= 0).any()]
        lines = [_Line(line.label, line.look, line.x, np.where(line.y > 0, line.y, np.nan)) for line in lines]
        ticks, names = log_ticks(np.concatenate([line.y for line in lines]))
        plot.yaxis.ticker, plot.yaxis.major_label_overrides = ticks, {**names}
        if absent:
            note = f"zeros have no place on this log axis and are not drawn: {_absence(absent, lines)}"
            curve = Curve(curve.name, curve.title, curve.words, note)
    else:
        low, high = _from_zero(np.concatenate([line.y for line in lines]))
        plot.y_range = Range1d(start=low, end=high)
    _draw(plot, lines)
    return curve, plot


def _from_zero(values: _Values) -> tuple[float, float]:
    """A linear axis that starts at 0, or a little lower where a line lies there: a constant has no range of its own."""
    known = values[np.isfinite(values)]
    low, high = min(0.0, float(known.min())), max(0.0, float(known.max()))
    room = _MARGIN * (high - low or 1)
    return low - room * bool((known <= 0).any()), high + room


def _absence(absent: Sequence[_Line], lines: Sequence[_Line]) -> str:
    wholly = [line.label for line in absent if (line.y <= 0).all()]
    partly = [line.label for line in absent if line.label not in wholly]
    parts = [f"all of {label}" for label in wholly]
    if len(partly) > 1 and len(absent) == len(lines):
        parts.append("a part of each other run" if wholly else "a part of each run")
    else:
        parts += [f"a part of {label}" for label in partly]
    return "; ".join(parts[:4]) + (f"; and of {len(parts) - 4} more" if len(parts) > 4 else "")


def _accuracy(lines: Sequence[_Line]) -> figure:
    plot = _accuracy_figure()
    _draw(plot, lines, dotted=True)
    return plot


def _accuracy_by_run(
    records: Sequence[Record], looks: Sequence[Look], tests: Sequence[Sequence[Row]], key: str
) -> figure:
    """Runs of one epoch have no course to show: they stand side by side instead.

    A variant may have any name, and a plain string may be taken for mathematics.
    """
    from bokeh.models import PlainText, Range1d

    plot = _accuracy_figure()
    places = list(range(len(records)))
    names = [", ".join(record.values.values()) or record.name for record in records]
    plot.xaxis.axis_label = PlainText(text=", ".join(records[0].values) or "run")
    plot.x_range = Range1d(start=-0.5, end=len(records) - 0.5)
    plot.xaxis.ticker = places
    plot.xaxis.major_label_overrides = {place: PlainText(text=name) for place, name in enumerate(names)}
    if len(names) * (max(map(len, names)) + 2) > _LETTERS:
        plot.xaxis.major_label_orientation = 1.1
    values = [finite(each[-1].get(key)) if each else None for each in tests]
    heights = [np.nan if value is None else value for value in values]
    plot.scatter(places, heights, size=8, color=[look.color for look in looks])
    return plot


def _accuracy_figure() -> figure:
    from bokeh.models import DataRange1d

    plot = _curve_figure(log=False)
    plot.y_range = DataRange1d(default_span=0.02)  # around runs that are all alike: two percent, not two
    # To the place of the ticks, wherever one zooms to: 99.05 % must not read 99.1 %.
    plot.yaxis.formatter.format = "0.0[000] %"  # type: ignore[attr-defined]
    return plot


def _curve_figure(*, log: bool) -> figure:
    from bokeh.models import BoxZoomTool, DataRange1d, NumeralTickFormatter, PanTool, ResetTool, WheelZoomTool

    wheel = WheelZoomTool(modifiers={"ctrl": True})
    tools = [PanTool(), BoxZoomTool(), wheel, ResetTool()]
    plot = empty_figure(tools=tools, y_axis_type="log" if log else "linear", x_axis_label="epoch")
    plot.toolbar.active_scroll = wheel
    plot.x_range = DataRange1d(start=0)  # left to itself, it would show one row in the middle of -1 to 1
    if not log:
        plot.yaxis.formatter = NumeralTickFormatter(format="0.[0000]")
    return plot


def _draw(plot: figure, lines: Sequence[_Line], *, dotted: bool = False) -> None:
    """All lines as one thing: a model for each would take most of the time of a large report."""
    from bokeh.models import ColumnDataSource, HoverTool

    content = {
        "x": [line.x for line in lines],
        "y": [line.y for line in lines],
        "color": [line.look.color for line in lines],
        "dash": ["solid" if line.look.dash == "none" else line.look.dash for line in lines],
        "label": [line.label for line in lines],
    }
    drawn = plot.multi_line(
        *("x", "y"),
        source=ColumnDataSource(content),
        line_color="color",
        line_dash="dash",
        line_width=_LINE_WIDTH,
    )
    spots = [
        (x, y, line.look.color, line.look.marker, line.label)
        for line in lines
        if dotted or len(line.x) == 1
        for x, y in zip(line.x, line.y, strict=True)
    ]
    columns = zip(*spots, strict=True) if spots else [[]] * 5
    points = dict(zip(("x", "y", "color", "marker", "label"), map(list, columns), strict=True))
    dots = plot.scatter("x", "y", source=ColumnDataSource(points), size=7, color="color", marker="marker")
    plot.add_tools(HoverTool(renderers=[drawn, dots], tooltips=[("run", "@label")]))


def _thinned(rows: Sequence[Row], most: int) -> list[Row]:
    if len(rows) <= most:
        return list(rows)
    return [rows[round(index * (len(rows) - 1) / (most - 1))] for index in range(most)]


def _column(rows: Sequence[Row], key: str) -> _Values:
    """The numbers under a key; anything else becomes a gap in the line."""
    return np.array([on_axis(row.get(key)) for row in rows], dtype=np.float64)


def _is_wide(values: _Values) -> bool:
    """Whether a log scale says more: the numbers span a decade."""
    positive = values[np.isfinite(values) & (values > 0)]
    return bool(positive.size and positive.max() >= 10 * positive.min())


def _ends(lines: Sequence[_Line]) -> str:
    words = "last value" if len(lines) == 1 else "last values"
    return f"{words}: " + "; ".join(f"{line.label}: {number(float(line.y[-1]))}" for line in lines)
