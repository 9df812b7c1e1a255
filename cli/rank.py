"""`cl rank`: the images of a run that fit their label least, and those that fit it best."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from .options import Open
from .streams import note, say
from .tables import print_table

if TYPE_CHECKING:
    from centerloss_core.inference.rank import Ranking
    from centerloss_core.metrics.label_fit import Order

Split = StrEnum("Split", ["TRAIN", "TEST"])
By = StrEnum("By", ["DISTANCE", "MARGIN", "LOSS"])

_SHOWN = 10  # images


def rank(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A completed run.", show_default=False)],
    split: Annotated[Split, typer.Option(help="Which images to rank.")] = Split.TRAIN,
    by: Annotated[
        By,
        typer.Option(
            help="distance: to the point of the own class; margin: that minus the distance to the nearest other class; "
            "loss: the softmax loss of the head."
        ),
    ] = By.MARGIN,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where to write, replacing earlier files. Default: rank-SPLIT in the run."
        ),
    ] = None,
    open_: Open = False,
) -> None:
    """Rank the images of a run by how badly they fit their label: the first may have a wrong one.

    Written: rank.csv, a row for each image; suspects.txt, the images that are nearer to another class, a file for
    data.exclude; suspects.png; farthest.png; and typical.png, the images nearest to the point of each class.
    docs/using-a-model.md defines the orders.
    """
    from centerloss_core.files.untrusted import own_folder
    from centerloss_core.inference.rank import rank as rank_images
    from centerloss_core.inference.rank_files import write_ranking
    from centerloss_core.run_directory.reader import read_run

    from .browser import open_in_browser
    from .results import show_figures

    record = read_run(run)
    folder = out if out is not None else own_folder(own_folder(run) / f"rank-{split.value}")
    ranking = rank_images(record, split.value, cast("Order", by.value), stage=lambda stage: say(f"{stage} …"))
    *others, main = write_ranking(ranking, folder, note=note)
    _show(ranking, folder)
    show_figures([main, *others])
    if open_:
        open_in_browser(main)


def _show(ranking: Ranking, folder: Path) -> None:
    from centerloss_core.inference.rank_files import COLUMNS, SUSPECTS, row_of

    count, suspects = len(ranking.order), len(ranking.suspects)
    say(f"{ranking.run.path}: {count:,} {ranking.split} images, by {ranking.by}, the worst fit first")
    columns = [column.replace("_", " ") for column in COLUMNS]
    rows = [list(row_of(ranking, place, ".4g").values()) for place in range(min(_SHOWN, count))]
    print_table(columns, rows, left=2, spare=("nearest other", "margin"), names=("image",))
    if ranking.run.is_angular:
        say("distance, margin: of 1 − cosine")
    why = "given another class by the head" if ranking.by == "loss" else f"nearer to another {ranking.points}"
    say(f"\nsuspects: {suspects:,} of {count:,} images ({suspects / count:.1%}) are {why}")
    if suspects:
        path = shlex.quote(str(folder / SUSPECTS))
        say(
            f"to leave them out: look at suspects.png, take out of {path} the lines of images that are right, then"
        )
        say(f"cl train {shlex.quote(str(ranking.run.path / 'config.yaml'))} data.exclude={path}")
        if ranking.split == "test":
            say(
                "leave out only those whose label is wrong: without images that are hard, accuracy says too much"
            )
