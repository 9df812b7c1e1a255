"""`cl embed`: what the network of a run says of images."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from centerloss_core.run_directory.thresholds import SHARES

from .options import Quiet, UsageError
from .streams import say, warn

if TYPE_CHECKING:
    from centerloss_core.inference.embed import Result
    from centerloss_core.inference.embedding import Decision, Embeddings

Split = StrEnum("Split", ["TRAIN", "TEST"])
Score = StrEnum("Score", ["DISTANCE", "COSINE", "PROBABILITY", "LOGIT"])

_WARNINGS = 10  # of images that cannot be used


def embed(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run.", show_default=False)],
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="IMAGES",
            help="Image files, folders or zip files of these, .npz (images), CSV (a row of pixels each) or IDX. "
            "No labels are needed.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        Split | None, typer.Option(help="Embed images of the run's own data in place of IMAGES.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file to write, replacing it: .npz, .csv or .parquet."),
    ] = None,
    score: Annotated[
        Score | None,
        typer.Option(help="What tells whether an image is of a known class. Default: what fits the loss."),
    ] = None,
    accept: Annotated[
        float,
        typer.Option(
            metavar="0.95|0.99", help="The share of known images that the threshold of the run accepts."
        ),
    ] = 0.99,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Another threshold: an image is known if its score is at least X. The score `distance` is minus the "
            "distance.",
        ),
    ] = None,
    checkpoint: Annotated[
        str, typer.Option(metavar="last|best|STEP", help="Which network of the run.")
    ] = "last",
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Stop at the first image that cannot be used; else it is skipped."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Embed new images with a trained network: features, class, distance, and whether they are of a known class.

    Images are prepared as those of the run were. docs/using-a-model.md walks through it.
    """
    from centerloss_core.inference.embed import embed_files
    from centerloss_core.inference.model import InferenceError
    from centerloss_core.run_directory.reader import read_run

    from .progress import embedding_progress

    if bool(images) == (split is not None):
        raise UsageError("name images, or --split test for those of the run's own data: one of the two")
    if accept not in SHARES:
        raise UsageError(f"--accept {accept:g}: a run has thresholds for {' and '.join(map(str, SHARES))}")
    with nullcontext(lambda _: None) if quiet else embedding_progress() as show:
        done = embed_files(
            read_run(run),
            images or (),
            split=None if split is None else split.value,
            out=out,
            checkpoint=checkpoint,
            score=None if score is None else score.value,
            accept=accept,
            threshold=threshold,
            strict=strict,
            show=show,
            warn=_some_warnings(),
        )
    if not quiet:
        _show(done, out)
    if done.broken:
        raise InferenceError(f"{done.broken:,} of {done.broken + done.images:,} images could not be used")


def _some_warnings() -> Callable[[str], None]:
    told = 0

    def tell(message: str) -> None:
        nonlocal told
        told += 1
        if told <= _WARNINGS:
            warn(message)
        elif told == _WARNINGS + 1:
            warn("… and more")

    return tell


def _show(done: Result, out: Path | None) -> None:
    from centerloss_core.inference.embed import ROWS
    from centerloss_core.run_directory.class_points import word_of

    from .tables import print_table

    model, first = done.model, done.first
    word = f"nearest {word_of(model.points_kind)}"
    columns = _columns(first, model.class_names, word, is_angular=model.is_angular)
    own_score = "cosine" if model.is_angular else "distance"
    if done.decision.score != own_score:
        columns[done.decision.score] = [f"{score:.4g}" for score in first.scores]
    if first.known is not None:
        columns["known"] = ["yes" if each else "no" for each in first.known]
    rows = list(zip(*(cells[:ROWS] for cells in columns.values()), strict=True))
    print_table(list(columns), rows, names=("image",), spare=("next distance", "next 1 − cos", "next"))
    if done.images > ROWS:
        say(f"… the first {len(rows)} of {done.images:,}")
    say("")
    say(f"images: {done.images:,}, by the network after step {model.step:,}")
    if done.left_out:
        say(f"files that are no images: {done.left_out:,}")
    if done.known is not None:
        say(
            f"known: {done.known:,}; of no known class: {done.images - done.known:,} "
            f"({_unknown_by(done.decision, is_angular=model.is_angular)})"
        )
    if out is not None:
        say(f"written: {out}")


def _unknown_by(decision: Decision, *, is_angular: bool) -> str:
    """What makes an image one of no known class, by the columns of the table."""
    least = decision.threshold
    assert least is not None
    if decision.score == "distance" and not is_angular:
        rule = f"distance above {-least:.4g}"
    elif decision.score == "cosine" and is_angular:
        rule = f"1 − cos above {1 - least:.4g}"
    else:
        rule = f"{decision.score} below {least:.4g}"
    promise = (
        ""
        if decision.accept is None
        else f"; a threshold to accept {100 * decision.accept:g} % of known ones"
    )
    return f"{rule}{promise}"


def _columns(
    first: Embeddings, class_names: tuple[str, ...], nearest: str, *, is_angular: bool
) -> dict[str, list[str]]:
    def named(classes: object) -> list[str]:
        return [class_names[each] if each >= 0 else "–" for each in classes.tolist()]  # type: ignore[attr-defined]

    distance = "1 − cos" if is_angular else "distance"
    columns = {"image": list(first.names)}
    if first.head_classes is not None:
        columns["head"] = named(first.head_classes)
    columns |= {
        nearest: named(first.classes),
        distance: [f"{each:.4g}" for each in first.distances],
        "next": named(first.next_classes),
        f"next {distance}": [f"{each:.4g}" for each in first.next_distances],
    }
    return columns
