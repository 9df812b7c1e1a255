"""The frame that panels and curves have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bokeh.models import Tool
    from bokeh.plotting import figure


def empty_figure(*tools: Tool, **settings: Any) -> figure:
    """A plot without points, in the colours of the page, with these tools and those that every plot has."""
    from bokeh.models import PanTool, ResetTool, WheelZoomTool
    from bokeh.plotting import figure

    from centerloss_core.plotting.style import INK

    wheel = WheelZoomTool(modifiers={"ctrl": True})  # or two fingers: the wheel alone still scrolls the page
    plot = figure(
        tools=[PanTool(), wheel, *tools, ResetTool()],
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
    plot.toolbar.active_scroll = wheel
    for axis in plot.axis:
        axis.major_label_text_color = INK
        axis.axis_line_color = "#888888"
        axis.minor_tick_line_color = None
        axis.major_tick_line_color = "#888888"
    plot.grid.grid_line_color = "#eeeeee"
    return plot
