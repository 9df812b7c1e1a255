"""The question that `cl plot` asks: is this a run or a sweep, and do the settings make sense?"""

from collections.abc import Callable, Sequence
from pathlib import Path

from centerloss_core.plotting.errors import PlotError
from centerloss_core.plotting.records import is_run, is_sweep
from centerloss_core.plotting.request import (
    SPLITS,
    STYLES,
    Order,
    check_axes,
    check_choice,
    choose_figures,
    choose_format,
)
from centerloss_core.run_directory.advice import what_is_missing


def plot_directory(
    directory: Path,
    *,
    split: str = "test",
    style: str = "default",
    fmt: str | None = None,
    out: Path | None = None,
    figures: Sequence[str] | None = None,
    axes: str = "own",
    animate: bool = False,
    note: Callable[[str], None] | None = None,
) -> list[Path]:
    """Draw the figures of a run or a sweep from its files, replacing earlier ones of the same name.

    A run gets `plots/scatter-<split>.<fmt>`, `plots/curves.<fmt>`, `plots/regions-<split>.<fmt>` (with two features)
    and `plots/distances-<split>.<fmt>`. A sweep gets `plots/panel-<split>.<fmt>` with all its runs and, with several
    seeds, `plots/seeds-<split>.<fmt>`; its completed runs get their scatter plots and curves, the others when asked
    for. In the post's style the names of scatter plots and panel end in `-post`; the other figures look the same.

    Args:
        directory: a run directory (with `run.json`) or a sweep directory (with `summary.json`).
        split: "test" or "train", the images to show.
        style: "default", or "post" for the look of the blog post's figures.
        fmt: "png", "svg" or "pdf"; None takes the suffix of `out`, or png.
        out: write one figure to this file and nothing else: the one named in `figures`, else the scatter plot of a run
            or the panel of a sweep; with `animate`, the animation (.gif or .mp4).
        figures: names out of `order.OF_A_RUN` and `order.OF_A_SWEEP`, or "all"; None for the usual ones.
        axes: "own" or "shared" scale for the runs of a panel or animation; names of shared ones end in `-shared`. Those
            of an animation are the same at every epoch, or "follow" the points (`-follow`), beside a panel with "own".
        animate: also write `plots/animation-<split>.gif`, and `.mp4` where ffmpeg is found.
        note: called with what is missing and why, where that is no error.

    Returns:
        The files written, the panel or scatter plot first.

    Raises:
        PlotError: no such directory, no features to draw yet, settings that contradict each other, or curves named in
            `figures` of a run without a history.
        FeatureFileError: a feature dump of the run is damaged; of a sweep's runs, a note says so instead.
        LinkError: the folder for the figures is a link.
        OSError: a figure cannot be written.
    """
    check_choice("split", split, SPLITS)
    check_choice("style", style, STYLES)
    check_axes(axes, animate=animate)
    fmt = choose_format(fmt, out, animate=animate)
    if not is_run(directory) and not is_sweep(directory):
        raise PlotError(what_is_missing(directory))
    sweep = not is_run(directory)
    if animate and out:  # the animation is all there is room for
        if figures is not None:
            raise PlotError(f"{out}: one file holds one figure; leave out figures or animate")
        chosen: tuple[str, ...] = ()
    else:
        chosen = choose_figures(None if figures is None else tuple(figures), sweep=sweep, out=out)
    named = tuple(name for name in chosen if name in (figures or ()))
    order = Order(split, style, fmt, out, chosen, named, axes, animate, _once(note))

    # Loads matplotlib: a wrong directory should be answered before that.
    from centerloss_core.plotting.drawing import plot_run, plot_sweep

    return (plot_sweep if sweep else plot_run)(directory, order)


def _once(note: Callable[[str], None] | None) -> Callable[[str], None]:
    """Say to a person only once what is true of every run of a sweep."""
    said: set[str] = set()

    def say(message: str) -> None:
        if note and message not in said:
            said.add(message)
            note(message)

    return say
