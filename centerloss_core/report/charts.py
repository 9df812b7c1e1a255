"""The scatter panels and the curves as Bokeh models. The panels' points are put in by `report.js`, epoch by epoch.

Nothing that a person wrote may enter a model: Bokeh takes `$$…$$` in a title for mathematics and would fetch a
library to set it. Words are in the page around the charts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.plotting.records import Row
from centerloss_core.report.frames import Shown
from centerloss_core.report.markup import finite, short
from centerloss_core.report.reading import Record

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure

MOST_ROWS = 400  # of a curve: a screen is not wider
_CURVES = (
    ("softmax_loss", "softmax loss, training batches"),
    ("center_loss", "center loss ½‖x − c‖² per image, training batches"),
    ("lambda", "λ in force"),
    ("center_shift", "‖Δc‖ of a step"),
    ("learning_rate", "learning rate"),
)
_ACCURACIES = (
    ("accuracy", "softmax accuracy on the test images", "solid"),
    ("nearest_center_accuracy", "nearest center (dashed)", "dashed"),
)


@dataclass(frozen=True)
class Charts:
    """The document, and where each of its roots belongs: the id of a model → the id of an element.

    Attributes:
        curves: id of the element, title and description of each plot of curves.
        colors: one per run with curves, by label.
        notes: what was left out.
    """

    document: dict[str, Any]
    roots: dict[str, str]
    curves: list[tuple[str, str, str]]
    colors: list[tuple[str, str]]
    notes: list[str]


def draw(shown: Shown, records: Sequence[Record]) -> Charts:
    """Make all charts of a report."""
    from bokeh.core.json_encoder import serialize_json
    from bokeh.document import Document

    document = Document()
    roots: dict[str, str] = {}
    sources = [_points_source() for _ in shown.groups]
    for index, panel in enumerate(shown.panels):
        plot = _panel(index, len(panel.frames[-1].dump.centers), sources[panel.group])
        document.add_root(plot)
        roots[str(plot.id)] = f"panel-{index}"
    curves, colors, notes = [], [], []
    drawn = [record for record in records if record.history is not None]
    if drawn:
        from centerloss_core.plotting.style import class_colors

        palette = class_colors(len(drawn))
        colors = [(record.label, color) for record, color in zip(drawn, palette, strict=True)]
        for index, (title, words, plot) in enumerate(_curve_plots(drawn, palette)):
            document.add_root(plot)
            roots[str(plot.id)] = f"curve-{index}"
            curves.append((f"curve-{index}", title, words))
        if any(len(record.history.steps) > MOST_ROWS for record in drawn if record.history):
            notes.append(f"Curves show at most {MOST_ROWS} evenly spread rows of a run's metrics.")
    return Charts(json.loads(serialize_json(document.to_json(deferred=False))), roots, curves, colors, notes)


def script() -> str:
    """Bokeh's own script, whole, for a <script> element."""
    from bokeh.settings import settings

    text = (settings.bokehjs_path() / "js" / "bokeh.min.js").read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script")


def _points_source() -> ColumnDataSource:
    from bokeh.models import ColumnDataSource

    return ColumnDataSource(data={"label": []})


def _panel(index: int, classes: int, source: ColumnDataSource) -> figure:
    from bokeh.core.properties import value
    from bokeh.models import (
        BooleanFilter,
        BoxSelectTool,
        BoxZoomTool,
        CDSView,
        ColumnDataSource,
        HoverTool,
        LassoSelectTool,
        LinearColorMapper,
        PanTool,
        Range1d,
        ResetTool,
        Text,
        WheelZoomTool,
    )

    from centerloss_core.plotting.style import INK, class_colors

    pan = PanTool()
    # With Ctrl (or two fingers), so that the wheel goes on to scroll the page.
    wheel = WheelZoomTool(modifiers={"ctrl": True})
    tools = [
        pan,
        wheel,
        BoxZoomTool(match_aspect=True),
        BoxSelectTool(),
        LassoSelectTool(),
        ResetTool(),
    ]
    plot = _figure(
        name=f"panel-{index}",
        tools=tools,
        x_range=Range1d(start=0, end=1),
        y_range=Range1d(start=0, end=1),
        lod_timeout=150,
    )
    plot.toolbar.active_drag = pan
    plot.toolbar.active_scroll = wheel
    mapper = LinearColorMapper(palette=class_colors(classes), low=-0.5, high=classes - 0.5)
    for name in (f"x{index}", f"y{index}"):
        source.add([], name)
    points = plot.scatter(
        f"x{index}",
        f"y{index}",
        source=source,
        view=CDSView(filter=BooleanFilter()),
        size=4.5,
        color={"field": "label", "transform": mapper},
        line_color=None,
        fill_alpha=0.6,
        selection_fill_alpha=1.0,
        selection_line_color="#000000",
        selection_line_alpha=1.0,
        nonselection_fill_alpha=0.1,
        name=f"points-{index}",
    )
    plot.add_tools(HoverTool(renderers=[points], tooltips=None, name=f"hover-{index}"))
    centers = ColumnDataSource(data={"x": [], "y": [], "digit": []}, name=f"centers-{index}")
    # Tools must leave the centers alone: they are no images.
    plot.scatter("x", "y", source=centers, marker="x", size=9, line_color=INK, line_width=2, name="centers")
    digits = Text(
        text="digit",
        x_offset=6,
        y_offset=-4,
        text_font=value("sans-serif"),  # a bare word would be a column
        text_font_size="14px",
        text_font_style="bold",
        text_color="#000000",
        background_fill_color="#ffffff",
        background_fill_alpha=0.65,
    )
    plot.add_glyph(centers, digits)
    for tool in tools:
        if isinstance(tool, BoxSelectTool | LassoSelectTool):
            tool.renderers = [points]
    return plot


def _figure(**settings: Any) -> figure:
    from bokeh.plotting import figure

    from centerloss_core.plotting.style import INK

    plot = figure(
        sizing_mode="stretch_both",
        toolbar_location="above",
        toolbar_sticky=False,
        output_backend="canvas",
        min_border_left=46,
        min_border_right=12,
        outline_line_color="#bbbbbb",
        **settings,
    )
    plot.toolbar.logo = None
    for axis in plot.axis:
        axis.major_label_text_color = INK
        axis.axis_line_color = "#888888"
        axis.minor_tick_line_color = None
        axis.major_tick_line_color = "#888888"
    plot.grid.grid_line_color = "#eeeeee"
    return plot


def _curve_plots(records: Sequence[Record], palette: Sequence[str]) -> list[tuple[str, str, figure]]:
    """Title, description and plot of each kind of curve that some run has."""
    plots = []
    for key, title in _CURVES:
        lines = [_thin(record.history.steps) if record.history else [] for record in records]
        columns = [(_column(rows, "epoch"), _column(rows, key)) for rows in lines]
        values = np.concatenate([y for _, y in columns])
        if not np.isfinite(values).any():
            continue
        plot = _curve_figure(_is_wide(values))
        for (x, y), color in zip(columns, palette, strict=True):
            _line(plot, x, y, color, "solid")
        plots.append((title, _ends(records, [y for _, y in columns]), plot))
    tests = [
        [row | row["test"] for row in r.history.epochs if isinstance(row.get("test"), dict)]
        if r.history
        else []
        for r in records
    ]
    if any(tests):
        plot = _curve_figure(log=False)
        for rows, color in zip(tests, palette, strict=True):
            for key, _, dash in _ACCURACIES:
                _line(plot, _column(rows, "epoch"), _column(rows, key), color, dash, dots=True)
        plot.yaxis.formatter.format = "0.0 %"  # type: ignore[attr-defined]
        title = ", ".join(words for _, words, _ in _ACCURACIES)
        plots.append((title, _ends(records, [_column(rows, "accuracy") for rows in tests]), plot))
    return plots


def _curve_figure(log: bool) -> figure:
    from bokeh.models import BoxZoomTool, NumeralTickFormatter, PanTool, ResetTool, WheelZoomTool

    wheel = WheelZoomTool(modifiers={"ctrl": True})
    tools = [PanTool(), BoxZoomTool(), wheel, ResetTool()]
    plot = _figure(tools=tools, y_axis_type="log" if log else "linear", x_axis_label="epoch")
    plot.toolbar.active_scroll = wheel
    if not log:
        plot.yaxis.formatter = NumeralTickFormatter(format="0.[0000]")
    return plot


def _line(
    plot: figure, x: NDArray[np.float64], y: NDArray[np.float64], color: str, dash: str, *, dots: bool = False
) -> None:
    if not len(x):
        return
    plot.line(x, y, line_color=color, line_dash=dash, line_width=1.6)
    if dots or len(x) == 1:
        plot.scatter(x, y, size=5, color=color)


def _thin(rows: Sequence[Row]) -> list[Row]:
    if len(rows) <= MOST_ROWS:
        return list(rows)
    return [rows[round(index * (len(rows) - 1) / (MOST_ROWS - 1))] for index in range(MOST_ROWS)]


def _column(rows: Sequence[Row], key: str) -> NDArray[np.float64]:
    """The numbers under a key; anything else becomes a gap in the line."""
    values = [finite(row.get(key)) for row in rows]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _is_wide(values: NDArray[np.float64]) -> bool:
    """Whether a log scale says more: the numbers span a decade. Zeros have no place on it and are left out."""
    positive = values[np.isfinite(values) & (values > 0)]
    return bool(positive.size and positive.max() >= 10 * positive.min())


def _ends(records: Sequence[Record], columns: Sequence[NDArray[np.float64]]) -> str:
    """The last value of each line, for those who do not see the lines."""
    ends = [
        f"{record.label}: {short(float(values[-1]))}"
        for record, values in zip(records, columns, strict=True)
        if len(values)
    ]
    return "last values: " + "; ".join(ends)
