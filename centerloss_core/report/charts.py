"""All charts as Bokeh models, the scatter panels among them: `report.js` puts in their points, epoch by epoch.

Nothing that a person wrote may enter a model: Bokeh takes `$$…$$` in a title for mathematics and would fetch a
library to set it. Words are in the page around the charts.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bokeh import models
from bokeh.core.json_encoder import serialize_json
from bokeh.core.properties import value
from bokeh.document import Document
from bokeh.plotting import figure
from bokeh.settings import settings

from centerloss_core.plotting.style import UNKNOWN
from centerloss_core.report.curves import Curve, Look, curve_plots, looks_of, most_rows
from centerloss_core.report.empty import empty_figure
from centerloss_core.report.frames import Shown
from centerloss_core.report.open_set import open_set_plots
from centerloss_core.report.reading import Record

Marker = Literal["circle", "diamond", "square", "triangle", "inverted_triangle"]


@dataclass(frozen=True)
class PointLook:
    """How points of the classes are marked: Bokeh's marker, and the same shape as an SVG path of 16 × 16."""

    marker: Marker
    path: str


_LOOKS: dict[str, PointLook] = {
    "prototype": PointLook("diamond", "M8 1.5 14 8 8 14.5 2 8z"),
    "anchor": PointLook("square", "M3 3h10v10H3z"),
    "mean": PointLook("triangle", "M8 2.5 14 13H2z"),
    "weight": PointLook("inverted_triangle", "M8 13.5 14 3H2z"),
}


def look_of(kind: str) -> PointLook:
    """As figures have it: a ring for a center, and a shape of its own for each other kind."""
    return _LOOKS.get(kind, PointLook("circle", "M2.5 8a5.5 5.5 0 1 1 11 0a5.5 5.5 0 1 1 -11 0z"))


@dataclass(frozen=True)
class Charts:
    """The document, and where each of its roots belongs: the id of a model → the id of an element."""

    document: dict[str, Any]
    roots: dict[str, str]
    curves: list[Curve]
    looks: list[Look]  # of the lines of each run with curves
    notes: list[str]  # what was left out


def draw(shown: Shown, records: Sequence[Record]) -> Charts:
    """Make all charts of a report."""
    document = Document()
    roots: dict[str, str] = {}
    sources = [models.ColumnDataSource(data={"label": []}) for _ in shown.groups]
    drawn = [record for record in records if record.history.steps or record.history.epochs]
    looks = looks_of(drawn)
    curves = []
    names, colors = shown.names, shown.colors
    with document.models.freeze():  # or all models would be gone through again for each that is added
        for index, panel in enumerate(shown.panels):
            kind = panel.last.dump.centers_kind or "center"
            palette = [colors[names.index(name)] for name in panel.class_names]
            plot = _panel(index, palette, sources[panel.group], look_of(kind).marker)
            document.add_root(plot)
            roots[str(plot.id)] = f"panel-{index}"
        for curve, plot in [*curve_plots(drawn, looks), *open_set_plots(shown.panels, drawn, looks)]:
            document.add_root(plot)
            roots[str(plot.id)] = curve.name
            curves.append(curve)
    most, notes = most_rows(len(drawn)), []
    if any(len(record.history.steps) > most for record in drawn):
        notes.append(f"Curves show at most {most} evenly spread rows of a run's metrics.")
    return Charts(json.loads(serialize_json(document.to_json(deferred=False))), roots, curves, looks, notes)


def script() -> str:
    """Bokeh's own script, whole, for a <script> element."""
    text = (settings.bokehjs_path() / "js" / "bokeh.min.js").read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script")


def _panel(index: int, palette: list[str], source: models.ColumnDataSource, marker: Marker) -> figure:
    selecting = [models.BoxSelectTool(), models.LassoSelectTool()]
    plot = empty_figure(
        models.BoxZoomTool(match_aspect=True),
        *selecting,
        models.ZoomInTool(),
        models.ZoomOutTool(),
        name=f"panel-{index}",
        x_range=models.Range1d(start=0, end=1),
        y_range=models.Range1d(start=0, end=1),
        lod_timeout=150,
    )
    mapper = models.LinearColorMapper(palette=palette, low=-0.5, high=len(palette) - 0.5, low_color=UNKNOWN)
    for name in (f"x{index}", f"y{index}"):
        source.add([], name)
    points = plot.scatter(
        f"x{index}",
        f"y{index}",
        source=source,
        view=models.CDSView(filter=models.BooleanFilter()),
        size=4.5,
        color={"field": "label", "transform": mapper},
        line_color=None,
        fill_alpha=0.6,
        selection_fill_alpha=1.0,
        selection_line_color="#000000",
        selection_line_alpha=1.0,
        nonselection_fill_alpha=0.25,  # and more while few are shown: see `filter` in report.js
        name=f"points-{index}",
    )
    columns = ("x", "y", "name", "size", "white", "black", "right", "down")
    centers = models.ColumnDataSource(data={name: [] for name in columns}, name=f"centers-{index}")
    # A black ring on a wider white one, as in `cl plot`: clear on every colour, and what is densest is seen inside it.
    # Tools must leave the centers alone: they are not images.
    for name, color in (("edges", "white"), ("centers", "black")):
        plot.scatter(
            "x",
            "y",
            source=centers,
            marker=marker,
            fill_color=None,
            size="size",
            line_color=value(color),  # a bare word would be the column of widths
            line_width=color,
            name=name,
        )
    names = models.Text(
        text="name",
        x_offset="right",  # these two, unless the edge of the panel is there: see `thin` in report.js
        y_offset="down",
        text_font=value("sans-serif"),  # a bare word would be a column
        text_font_size="14px",
        text_font_style="bold",
        text_color="#000000",
        background_fill_color="#ffffff",
        background_fill_alpha=0.8,
    )
    plot.add_glyph(centers, names)
    for tool in selecting:
        tool.renderers = [points]
    return plot
