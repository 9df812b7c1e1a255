"""`cl plot`: the figures of a run or a sweep."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Split(StrEnum):
    """Which images to show."""

    TEST = "test"
    TRAIN = "train"


class Style(StrEnum):
    """Our own look, or the post's."""

    DEFAULT = "default"
    POST = "post"


class Format(StrEnum):
    """File formats."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


def plot(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A run or a sweep directory.", show_default=False)
    ],
    split: Annotated[Split, typer.Option(help="Which images to show.")] = Split.TEST,
    style: Annotated[
        Style, typer.Option(help="`post` is the look of the original post, to lay beside its figures.")
    ] = Style.DEFAULT,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Default: the suffix of --out, or png.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the scatter (of a sweep: the panels) to this file only, replacing it."
        ),
    ] = None,
) -> None:
    """Draw the feature scatter and the training curves; for a sweep also all λ side by side."""
    from centerloss_core.plotting import plot_directory
    from centerloss_core.sweeps import read_summary
    from cli import console

    written = plot_directory(
        directory,
        split=split.value,
        style=style.value,
        fmt=None if format_ is None else format_.value,
        out=out,
    )
    rows = read_summary(directory)
    if rows is not None:
        console.show_sweep_table(rows)
    console.show_figures(written)
