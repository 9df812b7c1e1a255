"""What `cl plot` can be asked for, checked before matplotlib is loaded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from centerloss_core.plotting.errors import PlotError

FORMATS = ("png", "svg", "pdf")
FILM_FORMATS = ("gif", "mp4")
SPLITS = ("test", "train")
STYLES = ("default", "post")
AXES = ("own", "shared")
FILM_AXES = (*AXES, "follow")
OF_A_RUN = ("scatter", "curves", "regions", "distances")
OF_A_SWEEP = ("panel", "seeds")
# Regions and histograms of every run would make a sweep wait twice as long: they are drawn when asked for.
DEFAULT_OF_A_SWEEP = (*OF_A_SWEEP, "scatter", "curves")
ALL = "all"


@dataclass(frozen=True)
class Request:
    """The settings of one call.

    Attributes, where `drawing.plot_directory` does not say the same:
        figures: what to draw, of `OF_A_RUN` and `OF_A_SWEEP`.
        named: those of them that were asked for by name: that one of these cannot be drawn is an error, of a run; of a
            sweep, a note, as long as there is something to draw.
    """

    split: str
    style: str
    fmt: str
    out: Path | None
    figures: tuple[str, ...]
    named: tuple[str, ...]
    axes: str
    animate: bool
    note: Callable[[str], None]

    @property
    def shared(self) -> bool:
        """Whether the runs of a panel have the same axes."""
        return self.axes == "shared"

    @property
    def suffix(self) -> str:
        """What a file's name says of the settings: `test`, `train-post`."""
        return self.split if self.style == "default" else f"{self.split}-{self.style}"


def check_choices(*, split: str, style: str, axes: str, animate: bool) -> None:
    """Raise PlotError unless each setting is one of its choices, and the axes suit what is drawn."""
    _check_choice("split", split, SPLITS)
    _check_choice("style", style, STYLES)
    _check_choice("axes", axes, FILM_AXES)
    if axes not in AXES and not animate:
        raise PlotError(
            f"axes {axes!r} is for an animation, whose axes follow the points from epoch to epoch; add --animate, or "
            f"choose {' or '.join(AXES)}"
        )


def choose_figures(
    asked: Sequence[str] | None, *, sweep: bool, out: Path | None, animate: bool
) -> tuple[str, ...]:
    """Return which figures to draw: the usual ones, or those that were asked for.

    Raises:
        PlotError: one is unknown or not a figure of a run, or `out` is to hold several.
    """
    if animate and out:  # the file holds the animation
        if asked is not None:
            raise PlotError(f"{out}: one file holds one figure; leave out figures or animate")
        return ()
    possible = (*OF_A_SWEEP, *OF_A_RUN) if sweep else OF_A_RUN
    if asked is None:
        usual = DEFAULT_OF_A_SWEEP if sweep else OF_A_RUN
        return usual[:1] if out else usual
    for name in asked:
        if name in OF_A_SWEEP and not sweep:
            raise PlotError(f"figure {name!r} is of a sweep, and this is a run; it has {', '.join(possible)}")
        _check_choice("figure", name, (*possible, ALL))
    figures = tuple(name for name in possible if ALL in asked or name in asked)
    if out and (len(figures) != 1 or (sweep and figures[0] in OF_A_RUN)):
        alone = OF_A_SWEEP if sweep else OF_A_RUN
        raise PlotError(f"{out}: one file holds one figure; ask for one of {', '.join(alone)}")
    return figures


def choose_format(fmt: str | None, out: Path | None, *, animate: bool) -> str:
    """Return the format of the files: as asked, or as the name `out` ends.

    Raises:
        PlotError: there is no such format, the two contradict each other, or the folder of `out` does not exist.
    """
    if fmt is not None:
        _check_choice("format", fmt, FORMATS)
    if out is None:
        return fmt or "png"
    suffix, endings = out.suffix.removeprefix(".").lower(), FILM_FORMATS if animate else FORMATS
    if suffix not in endings:
        raise PlotError(f"{out}: the name must end in one of {', '.join('.' + name for name in endings)}")
    if fmt not in (None, suffix):
        raise PlotError(f"{out}: its suffix contradicts format {fmt!r}; leave one of them out")
    if not out.parent.is_dir():
        raise PlotError(f"{out}: the folder {out.parent} does not exist; create it first")
    return suffix


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise PlotError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")
