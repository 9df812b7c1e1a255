"""`cl evaluate`: every figure of a run or a sweep."""

from contextlib import nullcontext
from enum import StrEnum
from typing import Annotated

import typer

from .options import Directory, Quiet

Splits = StrEnum("Splits", ["TEST", "TRAIN", "BOTH"])


def evaluate(
    directory: Directory,
    split: Annotated[
        Splits, typer.Option(help="Which images to measure; replaces an earlier evaluation.")
    ] = Splits.BOTH,
    quiet: Quiet = False,
) -> None:
    """Measure the final features of a run, or of all completed runs of a sweep: accuracies, ratios, verification.

    Written to evaluation.json, evaluation.csv and evaluation-classes.csv in DIR, and to the run's run.json;
    docs/metrics.md defines every figure.
    """
    from centerloss_core.metrics.directory import SPLITS, evaluate_directory

    from .evaluation_view import show_evaluation
    from .progress import evaluation_progress
    from .streams import warn

    splits = SPLITS if split is Splits.BOTH else (split.value,)
    with nullcontext() if quiet else evaluation_progress() as show:
        report = evaluate_directory(directory, splits, show=show)
    if not quiet:
        show_evaluation(report)
    for problem in report.problems.values():  # the others were measured, which is no failure
        warn(f"skipped: {problem}")
