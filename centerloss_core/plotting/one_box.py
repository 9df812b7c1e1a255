"""A figure of one box, with a title over it and room for a legend under it."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from centerloss_core.plotting.sheet import Sheet
from centerloss_core.plotting.style import DPI
from centerloss_core.plotting.text_fit import fit, title_height

_LINE = 1.5  # of a title, in letters


def one_box(
    words: str,
    sheet: Sheet,
    *,
    left: float,
    right: float,
    below: float,
    height: float | None = None,
    title_room: float | None = None,
) -> tuple[Figure, Axes]:
    """Make a figure as wide as its sheet, and as high as its title needs.

    Args:
        words: the title.
        sheet: what it is drawn on.
        left, right, below: inches beside and under the box, at the figure's own width.
        height: inches of the box; None: as high as wide.
        title_room: inches that the title may be wide; None: as wide as the box.
    """
    left, right, below = (inches * sheet.margins for inches in (left, right, below))
    box = sheet.width - left - right
    height = box if height is None else height
    figure = Figure(figsize=(sheet.width, sheet.width), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    title = axes.set_title(words, loc="left", fontsize=sheet.letters(10), linespacing=_LINE)
    fit(title, box if title_room is None else title_room)
    total = below + height + title_height(title, _LINE)
    figure.set_size_inches(sheet.width, total)
    axes.set_position((left / sheet.width, below / total, box / sheet.width, height / total))
    return figure, axes
