"""The frame that panels and curves have in common."""

from typing import Any

from bokeh.models import PanTool, ResetTool, Tool, WheelZoomTool
from bokeh.plotting import figure

from centerloss_core.plotting.style import INK


def empty_figure(*tools: Tool, **settings: Any) -> figure:
    """A plot without points, in the colours of the page, with these tools and those that every plot has."""
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
    plot.axis.major_label_text_color = INK
    plot.axis.axis_line_color = "#888888"
    plot.axis.minor_tick_line_color = None
    plot.axis.major_tick_line_color = "#888888"
    plot.grid.grid_line_color = "#eeeeee"
    return plot
