"""`cl evaluate RUN --pairs`: whether two images are of one class, in the words of LFW's protocol."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from centerloss_core.formatting import number, percent

from .options import UsageError
from .streams import say, warn
from .tables import print_table

if TYPE_CHECKING:
    from centerloss_core.inference.verification import PairsReport

_TITLES = {"cosine": "cosine", "euclidean": "Euclidean"}


def verify_pairs(
    directories: Sequence[Path],
    pairs: Path,
    images: Path | None,
    checkpoint: str,
    flip: bool,
    subtract_mean: bool,
    quiet: bool,
) -> None:
    """Verify, and show what came out."""
    if len(directories) != 1:
        raise UsageError("--pairs is for one run: name one")
    if images is None:
        raise UsageError(f"--pairs {pairs} needs --images DIR, the folder with its images")
    from centerloss_core.inference.pair_lists import read_pairs
    from centerloss_core.run_directory.reader import read_run

    run = read_run(directories[0])
    found = read_pairs(pairs, images)  # before the framework is imported
    from centerloss_core.inference.model import open_model
    from centerloss_core.inference.verification import verify_run

    from .progress import embedding_progress

    with nullcontext(lambda _: None) if quiet else embedding_progress() as show:
        report = verify_run(
            open_model(run, checkpoint), found, flip=flip, subtract_mean=subtract_mean, show=show
        )
    if not quiet:
        _show(run.path, report, flip=flip, subtract_mean=subtract_mean)
    for message in report.warnings:
        warn(message)


def _show(run: Path, report: PairsReport, *, flip: bool, subtract_mean: bool) -> None:
    pairs = report.listed.pairs
    same = int(pairs.same.sum())
    how = ["each with its mirror image"] * flip + ["mean of the other folds subtracted"] * subtract_mean
    say(
        f"\n{run}, step {report.step:,}: {len(pairs.same):,} pairs ({same:,} of one class) of "
        f"{len(report.listed.images):,} images in {pairs.folds} folds" + "".join(f", {each}" for each in how)
    )
    rows = [
        [
            f"{_TITLES[by]} ★" if place == 0 else _TITLES[by],
            percent(each.accuracy, each.standard_error),
            *(percent(accuracy) for accuracy in (each.accuracies.min(), each.accuracies.max())),
            number(each.figures["auc"], ".5f"),
            percent(each.figures["eer"]),
            percent(each.figures["tar_at_far_1e2"]),
            percent(each.figures["tar_at_far_1e3"]),
        ]
        for place, (by, each) in enumerate(report.found.items())
    ]
    head = ("by", "accuracy", "worst fold", "best fold", "AUC", "EER", "TAR at FAR 1e-2", "TAR at FAR 1e-3")
    print_table(head, rows, spare=("worst fold", "best fold", "AUC"))
    say(
        "★: what fits the loss; accuracy: mean of the folds ± its standard error, each with the threshold that is best "
        "on all others"
    )
    say(f"figures, pairs and ROC curve: {', '.join(map(str, report.written))}")
