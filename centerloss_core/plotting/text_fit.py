"""Words that must not run into their neighbours or over the edge, however long a setting or a class name is."""

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend
from matplotlib.text import Text

from centerloss_core.plotting.sheet import SMALLEST_LETTERS

_SMALLEST_LEGEND = 5.0
_TIED = "\N{NO-BREAK SPACE}%"  # no line begins with the sign
_FEWEST_LETTERS = 12  # in a line


def ruler(within: Artist) -> RendererAgg:
    """Return what `get_window_extent` of the things in a figure measures with.

    Left to itself, matplotlib would make a canvas as large as the figure for every measurement: of a panel, which
    grows with the runs and has a title for each, memory that grows with their square.
    """
    return RendererAgg(1, 1, dpi(within))  # type: ignore[no-untyped-call]


def fit(text: Text, room: float) -> None:
    """Make a text at most `room` inches wide: by smaller letters first, then on more lines.

    Lines are measured without drawing the figure, which takes about a millisecond. In words, a $ begins no formula.
    """
    text.set_parse_math(False)
    width = _width(text)
    if width <= room:
        return
    text.set_fontsize(max(SMALLEST_LETTERS, float(text.get_fontsize()) * room / width * 0.99))
    lines = text.get_text().split("\n")
    columns = max(map(len, lines))
    while (width := _width(text)) > room and columns > _FEWEST_LETTERS:
        columns = max(_FEWEST_LETTERS, min(columns - 1, int(columns * room / width)))
        wrapped = (textwrap.fill(line.replace(" %", _TIED), columns) for line in lines)
        text.set_text("\n".join(wrapped).replace(_TIED, " %"))


def title_height(title: Text, spacing: float) -> float:
    """Return how many inches the lines of a title need, each `spacing` letters high, with some air."""
    lines = title.get_text().count("\n") + 1
    return (lines * spacing + 0.6) * float(title.get_fontsize()) / 72


def fit_legend(legend: Legend, room: float) -> None:
    """Make a legend of one column at most `room` inches wide, by smaller letters."""
    texts = legend.get_texts()
    for text in texts:
        text.set_parse_math(False)
    too_wide, widest = _width(legend) - room, max(map(_width, texts))
    if too_wide > 0:
        for text in texts:
            smaller = float(text.get_fontsize()) * (widest - too_wide) / widest * 0.98
            text.set_fontsize(max(_SMALLEST_LEGEND, smaller))


def legend_below(
    figure: Figure,
    handles: Sequence[Artist],
    *,
    columns: int,
    fewest: int,
    fontsize: float,
    room: float,
    height: float | None = None,
    **look: Any,
) -> Legend:
    """Put a legend under a figure: in one row if all names fit side by side, else in more, in smaller letters at last.

    Args:
        figure, handles: what to put it under, and what to name.
        columns, fewest: how many names to put side by side if they fit, and at least.
        fontsize: of the names, if they fit.
        room: inches that the legend may be wide.
        height: inches that are left for it; the figure is made taller where it needs more. None: it is not.
        look: further settings of `figure.legend`.
    """
    settings: dict[str, Any] = {"loc": "lower center", "frameon": False} | look
    while True:
        legend: Legend = figure.legend(handles=handles, ncols=columns, fontsize=fontsize, **settings)
        for text in legend.get_texts():
            text.set_parse_math(False)
        width = _width(legend)
        if width <= room or (columns <= fewest and fontsize <= _SMALLEST_LEGEND):
            break
        legend.remove()
        if columns > fewest:
            rows = -(-len(handles) // columns) + 1
            columns = max(fewest, min(columns - 1, -(-len(handles) // rows)))
        else:
            fontsize = max(_SMALLEST_LEGEND, min(fontsize - 0.5, fontsize * room / width))
    if height is not None:
        _make_room_below(figure, legend, height)
    return legend


def _make_room_below(figure: Figure, legend: Legend, room: float) -> None:
    """Make a figure taller where a legend below needs more than `room` inches; what is in it keeps its size."""
    more = legend.get_window_extent(ruler(legend)).height / dpi(legend) - room
    if more <= 0:
        return
    width, height = figure.get_size_inches()
    for axes in figure.axes:
        left, low, across, up = axes.get_position(original=True).bounds
        box = (left, (low * height + more) / (height + more), across, up * height / (height + more))
        axes.set_position(box)
    for text in figure.texts:
        _, y = text.get_position()
        text.set_y((y * height + more) / (height + more))
    figure.set_size_inches(width, height + more)


def text_width(axes: Artist, words: str, font: FontProperties) -> float:
    """In points."""
    measure = ruler(axes).get_text_width_height_descent
    return float(measure(words, font, False)[0]) * 72 / dpi(axes)  # type: ignore[no-untyped-call]


def dpi(within: Artist) -> float:
    """Return how many pixels of a figure are an inch."""
    figure = within.get_figure(root=True)
    assert figure is not None, "things are measured where they stand"
    return figure.dpi


def _width(artist: Text | Legend) -> float:
    """In inches."""
    return artist.get_window_extent(ruler(artist)).width / dpi(artist)
