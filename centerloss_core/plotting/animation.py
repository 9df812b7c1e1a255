"""The features over the epochs, or between the steps of a short run: which frames there are, and how one looks.

The first epochs of all λ are about equally wide, and center loss shrinks what follows, at λ = 1 to an eighth. So the
axes follow the points and show the late clusters large; they move only when they must, and the ticks tell the scale.
Axes may also stand still, so that whatever moves in the picture has moved in the plane: those of each run hold all it
shows, or one scale holds all runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from centerloss_core.limits import FILM_FRAMES
from centerloss_core.plotting.classes import has_short_names, legend_handles
from centerloss_core.plotting.grid import Cell, Grid
from centerloss_core.plotting.limits import follow, limits_of
from centerloss_core.plotting.logged import evenly
from centerloss_core.plotting.panel import Moment, draw_cell, moment_of, write_title
from centerloss_core.plotting.plane import project
from centerloss_core.plotting.scatter import size_of_marks
from centerloss_core.plotting.text_fit import fit, legend_below
from centerloss_core.run_directory.feature_dumps import FeatureFileError, read_features

_DPI = 100
# Inches, fixed: boxes that move from frame to frame would hide how the points do.
_LEFT, _BOTTOM, _GAP, _RIGHT, _CELL_TITLE, _TITLE, _LEGEND = 0.6, 0.3, 0.65, 0.2, 0.55, 0.45, 0.5
_BOX_OF_COLUMNS = {1: 5.2, 2: 4.0, 3: 3.0}
_SMALLEST_BOX = 2.6
_AXIS_NAME = 0.2  # more below a box whose axes have names
_ALIKE = 1.1  # times as wide: axes of less difference are one scale
_HALF = 6  # names side by side, of a legend in two rows


@dataclass(frozen=True, eq=False)
class Film:
    """All runs over all frames.

    Attributes:
        grid: where the runs stand.
        unit: what frames are numbered by, "epoch" or "step".
        times: the number of each frame, ascending.
        moments: by row and column of the grid, what a run shows, ascending; runs without any are absent.
        axes: "own", the same in all frames of a run; "shared", the same in those of all runs; or "follow" the points.
    """

    grid: Grid
    unit: str
    times: list[int]
    moments: dict[tuple[int, int], list[Moment]]
    axes: str

    def limits(self) -> dict[tuple[int, int], dict[int, Bbox]]:
        """Return the axes of each run by the time of the frame: every point of that frame is within."""
        if self.axes == "follow":
            following = {}
            for place in self.moments:
                needed = [limits_of([self.moment(place, time).plane]) for time in self.times]
                following[place] = dict(zip(self.times, follow(needed), strict=True))
            return following
        fixed = {place: limits_of([moment.plane for moment in run]) for place, run in self.moments.items()}
        if self.axes == "shared":
            fixed = dict.fromkeys(fixed, Bbox.union(list(fixed.values())))
        return {place: dict.fromkeys(self.times, limits) for place, limits in fixed.items()}

    def moment(self, place: tuple[int, int], time: int) -> Moment:
        """Return what a run shows in a frame: a shorter run stays as it was left."""
        run = self.moments[place]
        return next((moment for moment in reversed(run) if (moment.time or 0) <= time), run[0])


def read_film(grid: Grid, split: str, *, axes: str, note: Callable[[str], None]) -> Film | None:
    """Read the steps or epochs of all runs of a grid, whichever are more, for `Film.axes`; None where no run has two.

    A run with a damaged dump is left out, with a note, as long as there are others.

    Raises:
        FeatureFileError: a dump is damaged.
    """
    cells = {(row, column): cell for row, column, cell in grid.places if cell.snapshot}
    by_unit = {
        "epoch": {place: cell.run.epoch_dumps(split) for place, cell in cells.items()},
        "step": {place: cell.run.step_dumps(split) for place, cell in cells.items()},
    }
    unit, dumps = max(by_unit.items(), key=lambda found: max(map(len, found[1].values()), default=0))
    if max(map(len, dumps.values()), default=0) < 2:
        return None
    times = sorted({time for found in dumps.values() for time in found})
    kept = evenly(times, FILM_FRAMES)
    moments = {}
    for place, found in dumps.items():
        # A run shorter than the others has its last one, even if no frame falls on it.
        shown = {time: path for time, path in found.items() if time in kept or time == max(found)}
        if not shown:
            continue
        try:
            # The principal components of the last one serve all: axes that turn would move the points.
            last = read_features(shown[max(shown)])
            moments[place] = [
                moment_of(grid, cells[place], read_features(path), time, partial(project, reference=last))
                for time, path in sorted(shown.items())
            ]
        except FeatureFileError as error:
            if len(dumps) == 1:
                raise
            note(f"left out of the animation: {error}")
    if not moments:
        return None
    if len(kept) < len(times):
        note(f"the animation shows {len(kept)} of {len(times)} {unit}s")
    return Film(grid, unit, kept, moments, axes)


class Screen:
    """The figure that shows one frame after the other."""

    def __init__(self, film: Film) -> None:
        self._film, self._limits = film, film.limits()
        rows, columns = film.grid.shape
        self._box = box = _BOX_OF_COLUMNS.get(columns, _SMALLEST_BOX)
        named = any(run[0].plane.axis_labels[0] for run in film.moments.values())
        bottom = _BOTTOM + (_AXIS_NAME if named else 0)
        cell_width, cell_height = box + _GAP, _CELL_TITLE + box + bottom
        # Whole, even numbers of pixels: what video codecs ask for.
        width = _even(_LEFT + columns * cell_width - _GAP + _RIGHT)
        height = _even(_TITLE + rows * cell_height + _LEGEND)
        self.figure = Figure(figsize=(width, height), dpi=_DPI)
        self._title = self.figure.text(0.1 / width, 1 - 0.25 / height, "", fontsize=12, va="center")
        self._room = width - 0.2
        # Marks that grew and shrank from frame to frame would look like something that the run does.
        last = film.times[-1]
        self._mark_sizes = {
            place: size_of_marks(film.moment(place, last).plane, limits[last], box)
            for place, limits in self._limits.items()
        }
        self._axes: dict[tuple[int, int], Axes] = {}
        for row, column, _ in film.grid.places:
            left, low = _LEFT + column * cell_width, _LEGEND + (rows - 1 - row) * cell_height + bottom
            place = (left / width, low / height, box / width, box / height)
            self._axes[row, column] = self.figure.add_axes(place)
        handles = legend_handles(film.grid.class_names, *film.grid.dumps, places=film.grid.color_places)
        wide = columns > 1 and has_short_names(handles)
        legend_below(
            self.figure,
            handles,
            columns=len(handles) if wide else _HALF,
            fewest=_HALF,
            room=self._room,
            columnspacing=0.9,
            handletextpad=0.1,
            fontsize=10 if wide else 8,
            borderaxespad=0.2,
        )

    def show(self, time: int) -> None:
        """Draw a frame over the one before."""
        film = self._film
        for row, column, cell in film.grid.places:
            self._draw_cell((row, column), cell, time)
        widths = [limits[time].width for limits in self._limits.values()]
        alike = film.axes != "follow" and max(widths) < _ALIKE * min(widths)
        note = film.grid.scale_note(shared=film.axes == "shared" or alike)
        note += " · axes follow the points" if film.axes == "follow" else " · axes fixed"
        self._title.set_fontsize(12)
        self._title.set_text(f"{film.unit} {time:,} of {film.times[-1]:,} · {film.grid.title()}{note}")
        fit(self._title, self._room)

    def _draw_cell(self, place: tuple[int, int], cell: Cell, time: int) -> None:
        axes, film = self._axes[place], self._film
        axes.clear()
        moment, limits, when = None, None, ""
        if cell.snapshot and place in film.moments:
            moment, limits = film.moment(place, time), self._limits[place][time]
            cell = replace(cell, snapshot=replace(cell.snapshot, epoch=None))
            # Only a run that is at another time than that over the picture says so.
            when = "" if moment.time == time else f"{film.unit} {moment.time:,}"
        write_title(axes, film.grid, cell, moment, self._box, spacing=1.4, letters=9, when=when)
        draw_cell(axes, film.grid, cell, moment, limits, mark_size=self._mark_sizes.get(place))
        if film.grid.shape[1] > 3:  # no room between the boxes
            axes.set(xlabel="", ylabel="")


def _even(inches: float) -> float:
    return 2 * round(inches * _DPI / 2) / _DPI
