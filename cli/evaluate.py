"""`cl evaluate`: every figure of a run or a sweep."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Quiet


class Splits(StrEnum):
    """Which images to measure."""

    TEST = "test"
    TRAIN = "train"
    BOTH = "both"


def evaluate(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A run or a sweep directory.", show_default=False)
    ],
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
    from cli import console

    splits = SPLITS if split is Splits.BOTH else (split.value,)
    with console.evaluation_progress(quiet=quiet) as show:
        report = evaluate_directory(directory, splits, show=show)
    if not quiet:
        console.show_evaluation(report)
    for problem in report.problems.values():  # the others were measured, which is no failure
        console.warn(f"left out: {problem}")
