"""What `cl plot` can be asked for, checked before matplotlib is loaded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from centerloss_core.config.problems import nearest
from centerloss_core.errors import ExpectedError
from centerloss_core.isolation import import_matplotlib
from centerloss_core.limits import FIGURE_DPI, FIGURE_INCHES
from centerloss_core.run_directory.reader import SweepRecord, read_directory

FORMATS = ("png", "svg", "pdf")
FILM_FORMATS = ("gif", "mp4")
SPLITS = ("test", "train")
STYLES = ("default", "post")
PROJECTIONS = ("pca", "tsne")
AXES = ("own", "shared")
FILM_AXES = (*AXES, "follow")
OF_A_RUN = ("scatter", "space", "directions", "curves", "regions", "distances", "open_set")
OF_A_SWEEP = ("panel", "seeds")
ALONE = (*OF_A_SWEEP, "distances", "open_set")  # what shows several runs of a sweep in one file
LAYOUTS = ("grid", "row")
# Regions and histograms of every run would make a sweep wait twice as long: they are drawn when asked for.
DEFAULT_OF_A_SWEEP = (*OF_A_SWEEP, "scatter", "space", "directions", "curves", "open_set")
ALL = "all"


class PlotError(ExpectedError):
    """A figure that cannot be drawn; the message names the file or setting and what to do about it."""


class RequestError(PlotError):
    """Settings that no figure can have, or that contradict each other."""

    exit_code = 2


@dataclass(frozen=True)
class Request:
    """The settings of one call.

    Attributes, where `plot_directory` does not say the same:
        figures: what to draw, of `OF_A_RUN` and `OF_A_SWEEP`.
        named: what was asked for by name: that one of these cannot be drawn is an error, of a run; of a sweep, a
            note, as long as there is something to draw.
    """

    split: str
    style: str
    fmt: str
    out: Path | None
    figures: tuple[str, ...]
    named: tuple[str, ...]
    projection: str
    axes: str | None
    animate: bool
    layout: str
    dpi: float | None
    width: float | None
    note: Callable[[str], None]

    @property
    def shared(self) -> bool:
        """Whether the runs of a panel have the same axes."""
        return self.axes == "shared"

    @property
    def suffix(self) -> str:
        """What a file's name says of the settings: `test`, `train-post`, `test-tsne`."""
        usual = ("default", PROJECTIONS[0])
        return "-".join([self.split, *(name for name in (self.style, self.projection) if name not in usual)])


def plot_directory(
    directory: Path | Sequence[Path],
    *,
    split: str = "test",
    style: str = "default",
    fmt: str | None = None,
    out: Path | None = None,
    figures: Sequence[str] | None = None,
    projection: str = "pca",
    axes: str | None = None,
    animate: bool = False,
    layout: str = "grid",
    dpi: float | None = None,
    width: float | None = None,
    note: Callable[[str], None] | None = None,
) -> list[Path]:
    """Draw the figures of a run or a sweep from its files, replacing earlier ones of the same name.

    A run gets `plots/scatter-<split>.<fmt>`, `plots/space-<split>.<fmt>` (with three features),
    `plots/directions-<split>.<fmt>` (of a loss that looks at directions, or when asked for by name),
    `plots/curves.<fmt>`, `plots/regions-<split>.<fmt>` (with two features) and `plots/distances-<split>.<fmt>`. A
    sweep gets `plots/panel-<split>.<fmt>` with all its runs and, with several seeds, `plots/seeds-<split>.<fmt>`;
    its completed runs get their scatter plots and curves, the others when asked for. In the post's style the names
    of scatter plots and panel end in `-post`; the other figures look the same.

    Args:
        directory: a run, a sweep, a folder of runs, or several of these; what is no run is drawn as a sweep is. Figures
            of several directories lie in the folder that holds them.
        split: "test" or "train", the images to show.
        style: "default", or "post" for the look of the blog post's figures.
        fmt: "png", "svg" or "pdf"; None takes the suffix of `out`, or png.
        out: write one figure to this file and nothing else: the one named in `figures`, else the scatter plot of a run
            or the panel of a sweep; with `animate`, the animation (.gif or .mp4).
        figures: names out of `OF_A_RUN` and `OF_A_SWEEP`, or "all"; None for the usual ones.
        projection: how scatter plots and panels show more than two features: by their two principal components, "pca",
            or by scikit-learn's "tsne", whose names end in `-tsne`.
        axes: "own" or "shared" scale for the runs of a panel or animation; names of shared ones end in `-shared`. Those
            of an animation are the same at every time (`-own`, `-shared`), or "follow" the points, beside a panel with
            "own"; None for "own" and "follow".
        animate: also write `plots/animation-<split>.gif`, and `.mp4` where ffmpeg is found.
        layout: of runs that differ in one setting in a panel or animation: a near-square "grid", or one "row".
        dpi: dots per inch of a PNG, and of the points in an SVG or PDF; None for those of each figure.
        width: of each figure, in inches; letters are 7 points at least. None for that of each figure.
        note: called with what is missing and why, where that is no error; once with each message.

    Returns:
        The files written, the panel or scatter plot first.

    Raises:
        PlotError: no features to draw yet.
        RequestError: a setting out of range, or settings that contradict each other.
        RunError: no such directory, a damaged one, or curves named in `figures` of a run without a history.
        FeatureFileError: a feature dump of the run is damaged; of a sweep's runs, a note says so instead.
        LinkError: the folder for the figures is a link.
        OSError: a figure cannot be written.
    """
    _check_choice("split", split, SPLITS)
    _check_choice("style", style, STYLES)
    _check_choice("layout", layout, LAYOUTS)
    _check_choice("projection", projection, PROJECTIONS)
    if projection == "tsne" and (animate or axes == "shared"):
        raise RequestError(
            "t-SNE gives every run and epoch a plane of its own: leave out --animate and --axes shared, or use "
            "--projection pca"
        )
    _check_range("dpi", dpi, FIGURE_DPI)
    _check_range("width", width, FIGURE_INCHES, " inches")
    if width is not None and style == "post":
        raise RequestError(
            "the post's style has the size of the post's figures; leave out --width, or set --dpi"
        )
    if axes is not None:
        _check_choice("axes", axes, FILM_AXES)
    if axes == "follow" and not animate:
        raise RequestError(
            f"axes {axes!r} is for an animation, whose axes follow the points from epoch to epoch; add --animate, or "
            f"choose {' or '.join(AXES)}"
        )
    fmt = _choose_format(fmt, out, animate=animate)
    record = read_directory(directory)
    chosen = _choose_figures(figures, sweep=isinstance(record, SweepRecord), out=out, animate=animate)
    import_matplotlib()
    from centerloss_core.plotting.drawing import draw_run, draw_sweep
    from centerloss_core.plotting.letters import lacking_letters_told

    tell = cache(note or (lambda message: None))  # each message once
    request = Request(
        split,
        style,
        fmt,
        out,
        chosen,
        tuple(figures or ()),
        projection,
        axes,
        animate,
        layout,
        dpi,
        width,
        tell,
    )
    with lacking_letters_told(tell):
        written = (
            draw_sweep(record, request) if isinstance(record, SweepRecord) else draw_run(record, request)
        )
    if not written:
        raise PlotError(f"{record.path}: nothing of what was asked for can be drawn")
    return written


def _choose_figures(
    asked: Sequence[str] | None, *, sweep: bool, out: Path | None, animate: bool
) -> tuple[str, ...]:
    """Return which figures to draw: the usual ones, or those that were asked for."""
    if animate and out:  # the file holds the animation
        if asked is not None:
            raise RequestError(f"{out}: one file holds one figure; leave out figures or animate")
        return ()
    possible = (*OF_A_SWEEP, *OF_A_RUN) if sweep else OF_A_RUN
    if asked is None:
        usual = DEFAULT_OF_A_SWEEP if sweep else OF_A_RUN
        return usual[:1] if out else usual
    for name in asked:
        if name in OF_A_SWEEP and not sweep:
            raise RequestError(
                f"figure {name!r} is of a sweep, and this is a run; it has {', '.join(possible)}"
            )
        _check_choice("figure", name, (*possible, ALL))
    figures = tuple(name for name in possible if ALL in asked or name in asked)
    alone = ALONE if sweep else OF_A_RUN
    if out and (len(figures) != 1 or figures[0] not in alone):
        raise RequestError(f"{out}: one file holds one figure; ask for one of {', '.join(alone)}")
    return figures


def _choose_format(fmt: str | None, out: Path | None, *, animate: bool) -> str:
    """Return the format of the files: as asked, or as the name `out` ends, whose folder must exist."""
    if fmt is not None:
        _check_choice("format", fmt, FORMATS)
    if out is None:
        return fmt or "png"
    suffix, endings = out.suffix.removeprefix(".").lower(), FILM_FORMATS if animate else FORMATS
    if suffix not in endings:
        raise RequestError(f"{out}: the name must end in one of {', '.join('.' + name for name in endings)}")
    if fmt not in (None, suffix):
        raise RequestError(f"{out}: its suffix contradicts format {fmt!r}; leave one of them out")
    if not out.parent.is_dir():
        raise PlotError(f"{out}: the folder {out.parent} does not exist; create it first")
    return suffix


def _check_range(name: str, value: float | None, ends: tuple[float, float], unit: str = "") -> None:
    low, high = ends
    if value is not None and not low <= value <= high:
        raise RequestError(f"{name} is {value:g}{unit}; it must be {low:g} to {high:g}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        meant = nearest(value, choices)
        hint = f"; did you mean {meant!r}?" if meant else ""
        raise RequestError(f"{name} is {value!r}; it must be one of {', '.join(choices)}{hint}")
