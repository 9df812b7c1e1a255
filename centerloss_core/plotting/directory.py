"""The question that `cl plot` asks: is this a run or a sweep, and do the settings make sense?"""

from pathlib import Path

from centerloss_core.plotting.errors import PlotError
from centerloss_core.plotting.records import is_run, is_sweep

FORMATS = ("png", "svg", "pdf")
SPLITS = ("test", "train")
STYLES = ("default", "post")


def plot_directory(
    directory: Path,
    *,
    split: str = "test",
    style: str = "default",
    fmt: str | None = None,
    out: Path | None = None,
) -> list[Path]:
    """Draw the figures of a run or a sweep from its files, replacing earlier ones of the same name.

    A run gets `plots/scatter-<split>.<fmt>` and `plots/curves.<fmt>`. A sweep gets
    `plots/panel-<split>.<fmt>` with all its runs, and its completed runs get their own two. In the post's
    style the names of scatter plots and panel end in `-post`; it has no curves, so these look the same.

    Args:
        directory: a run directory (with `run.json`) or a sweep directory (with `summary.json`).
        split: "test" or "train", the images to show.
        style: "default", or "post" for the look of the blog post's figures.
        fmt: "png", "svg" or "pdf"; None takes the suffix of `out`, or png.
        out: write the scatter plot of a run, or the panel of a sweep, to this file and nothing else.

    Returns:
        The files written, the panel first.

    Raises:
        PlotError: no such directory, no features to draw yet, or settings that contradict each other.
        FeatureFileError: a feature dump is damaged.
        OSError: a figure cannot be written.
    """
    _check_choice("split", split, SPLITS)
    _check_choice("style", style, STYLES)
    fmt = _choose_format(fmt, out)
    if not is_run(directory) and not is_sweep(directory):
        raise PlotError(_what_is_missing(directory))

    # Loads matplotlib: a wrong directory should be answered before that.
    from centerloss_core.plotting.drawing import plot_run, plot_sweep

    plot = plot_run if is_run(directory) else plot_sweep
    return plot(directory, split, style, fmt, out)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise PlotError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")


def _choose_format(fmt: str | None, out: Path | None) -> str:
    if fmt is not None:
        _check_choice("format", fmt, FORMATS)
    if out is None:
        return fmt or "png"
    suffix = out.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise PlotError(f"{out}: the name must end in one of {', '.join('.' + name for name in FORMATS)}")
    if fmt not in (None, suffix):
        raise PlotError(f"{out}: its suffix contradicts format {fmt!r}; leave one of them out")
    if not out.parent.is_dir():
        raise PlotError(f"{out}: the folder {out.parent} does not exist; create it first")
    return suffix


def _what_is_missing(directory: Path) -> str:
    if not directory.is_dir():
        return f"{directory}: no such directory; name a run or sweep that `cl train` or `cl sweep` has made"
    if (directory / "sweep.yaml").is_file():
        return (
            f"{directory}: this sweep has no summary.json yet; plot when a run is done, or name a run in it"
        )
    return (
        f"{directory}: neither a run (no run.json) nor a sweep (no summary.json); "
        "name a directory that `cl train` or `cl sweep` has made"
    )
