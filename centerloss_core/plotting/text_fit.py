"""Words that must not run into their neighbours or over the edge, however long a setting or a data set's name is."""

import textwrap

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

_SMALLEST = 7.0  # points; smaller letters are no use to anybody


def ruler(figure: Figure) -> RendererAgg:
    """Return what `get_window_extent` of the things in a figure measures with.

    Left to itself, matplotlib would make a canvas as large as the figure for every measurement: of a panel, which
    grows with the runs and has a title for each, memory that grows with their square.
    """
    return RendererAgg(1, 1, figure.dpi)  # type: ignore[no-untyped-call]


def fit(text: Text, room: float) -> None:
    """Make a text at most `room` inches wide: by smaller letters first, then on more lines.

    Lines are measured without drawing the figure, which takes about a millisecond. In words, a $ begins no formula.
    """
    text.set_parse_math(False)
    width = _width(text)
    if width <= room:
        return
    text.set_fontsize(max(_SMALLEST, float(text.get_fontsize()) * room / width * 0.99))
    width = _width(text)
    if width > room:
        longest = max(len(line) for line in text.get_text().split("\n"))
        columns = max(12, int(longest * room / width))
        lines = [textwrap.fill(line, columns) for line in text.get_text().split("\n")]
        text.set_text("\n".join(lines))


def _width(text: Text) -> float:
    """In inches."""
    figure = text.get_figure(root=True)
    assert figure is not None, "a text is measured where it stands"
    return text.get_window_extent(ruler(figure)).width / figure.dpi
