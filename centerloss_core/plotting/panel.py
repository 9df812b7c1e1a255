"""The runs of a sweep side by side, with one legend."""

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from centerloss_core.plotting.classes import all_named, legend_handles
from centerloss_core.plotting.grid import Cell, Grid
from centerloss_core.plotting.inset import draw_inset
from centerloss_core.plotting.limits import limits_of
from centerloss_core.plotting.plane import Plane, Projector, project
from centerloss_core.plotting.scatter import OWN_SHEET, draw_features
from centerloss_core.plotting.sheet import Sheet, sheet_of
from centerloss_core.plotting.style import DPI, FAINT
from centerloss_core.plotting.text_fit import dpi, fit, legend_below, title_height
from centerloss_core.plotting.titles import join
from centerloss_core.run_directory.feature_dumps import FeatureDump

# Inches: a cell, what is left of a box and right of it, the ticks below, names of axes, the title, and the legend.
_CELL, _LEFT, _RIGHT, _TICKS, _NAMES, _TITLE, _LEGEND = 4.5, 0.62, 0.1, 0.3, 0.2, 0.4, 0.35
_PAGE = 10.0  # inches
_LINE = 1.5  # of the title of a cell, in letters


@dataclass(frozen=True, eq=False)
class Moment:
    """A run after an epoch or step, or at its end (None), ready to draw."""

    time: int | None
    plane: Plane
    numbers: str  # accuracies and separation


def moment_of(
    grid: Grid,
    cell: Cell,
    dump: FeatureDump,
    time: int | None = None,
    projector: Projector = project,
) -> Moment:
    """Put the features of a cell's run in a plane, and measure them."""
    return Moment(time, projector(dump), grid.numbers(cell.run, dump))


def panel_figure(
    grid: Grid, *, shared: bool = False, width: float | None = None, projector: Projector = project
) -> Figure:
    """Draw all runs in boxes of one size, each at a scale of its own, which its ticks and the title tell, or at one.

    Center loss shrinks the plane, so at one scale most λ are dots; an inset shows such a run closer.
    """
    moments = {
        (i, j): moment_of(grid, cell, cell.snapshot.dump, projector=projector)
        for i, j, cell in grid.places
        if cell.snapshot
    }
    limits = limits_of([moment.plane for moment in moments.values()]) if shared else None
    rows, columns = grid.shape
    is_page = grid.is_over_losses and columns > 2
    # Many losses are one picture of a page, with letters that can be read there.
    sheet = sheet_of(_CELL * columns, width or (_PAGE if is_page else None))
    margin, across = sheet.margins, sheet.width / columns
    box = across - (_LEFT + _RIGHT) * margin
    figure = Figure(figsize=(sheet.width, sheet.width), dpi=DPI)
    axes = {(row, column): figure.add_axes((0, 0, 1, 1)) for row, column, _ in grid.places}
    titles = [
        write_title(axes[i, j], grid, cell, moments.get((i, j)), box, _LINE, sheet.letters(9))
        for i, j, cell in grid.places
    ]
    size = sheet.letters(18 if is_page else 13)
    over = figure.text(0, 0, f"{grid.title()}{grid.scale_note(shared=shared)}", fontsize=size)
    fit(over, sheet.width - 0.2)
    above = title_height(over, 1.2) + 0.05 * margin
    has_names = any(moment.plane.axis_labels[0] for moment in moments.values())
    under = (_TICKS + (_NAMES if has_names else 0)) * margin
    tall = max(title_height(title, _LINE) for title in titles) + box + under
    height = above + rows * tall + _LEGEND * margin
    figure.set_size_inches(sheet.width, height)
    over.set(position=(0.5, 1 - 0.1 * margin / height), ha="center", va="top")
    named = True
    for row, column, cell in grid.places:
        low = _LEGEND * margin + (rows - 1 - row) * tall + under
        place = (
            (column * across + _LEFT * margin) / sheet.width,
            low / height,
            box / sheet.width,
            box / height,
        )
        axes[row, column].set_position(place)
        shown = moments.get((row, column))
        here = draw_cell(axes[row, column], grid, cell, shown, limits, sheet=sheet)
        if cell.snapshot and shown:
            if limits is not None:
                names, places = grid.naming(cell.snapshot)
                here |= draw_inset(axes[row, column], shown.plane, names, limits, sheet, places)
            named = named and all_named(cell.snapshot.dump, here)
    handles = legend_handles(grid.class_names, *grid.dumps, colors=not named, places=grid.color_places)
    legend_below(
        figure,
        handles,
        columns=4 if columns == 1 else max(1, len(handles)),
        fewest=4,
        room=sheet.width - 0.1,
        height=_LEGEND * margin,
        columnspacing=1.2,
        handletextpad=0.2,
        fontsize=sheet.letters(11),
        borderaxespad=0.2,
    )
    return figure


def write_title(
    axes: Axes,
    grid: Grid,
    cell: Cell,
    shown: Moment | None,
    room: float,
    spacing: float,
    letters: float,
    when: str = "",
) -> Text:
    """Write what a run is, when, and what it reached, at most `room` inches wide, in lines `spacing` high."""
    words = join(grid.cell_title(cell), when)
    if shown:
        words = join(words, shown.numbers, shown.plane.note, by="\n")
    title = axes.set_title(words, loc="left", fontsize=letters, linespacing=spacing)
    fit(title, room)
    return title


def draw_cell(
    axes: Axes,
    grid: Grid,
    cell: Cell,
    shown: Moment | None,
    limits: Bbox | None,
    sheet: Sheet = OWN_SHEET,
    mark_size: float | None = None,
) -> set[int]:
    """Draw a run, or its status, and return the classes whose names have a place."""
    if shown and cell.snapshot:
        names, places = grid.naming(cell.snapshot)
        return draw_features(axes, shown.plane, names, limits, sheet, mark_size, places)
    write_status(axes, cell)
    axes.set_box_aspect(1)
    return set()


def write_status(axes: Axes, cell: Cell) -> None:
    """Say in large letters why there are no points, so that a failed run is not overlooked."""
    # A completed run without features has lost them.
    words = "features missing" if cell.run.status == "completed" else cell.run.status
    axes.set(xticks=[], yticks=[], facecolor=FAINT)
    middle: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center"}
    text = axes.text(0.5, 0.5, words, fontsize=20, parse_math=False, **middle)
    fit(text, 0.9 * axes.bbox.width / dpi(axes))
