"""`cl evaluate`: every figure of a run or a sweep, of its classes, and of runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from centerloss_core.config.axes import ALPHA, LAMBDA, label_all
from centerloss_core.formatting import number, percent
from centerloss_core.metrics.names import (
    ANGLE,
    ANGLE_MEANING,
    FIGURES,
    Name,
    class_figures_of,
    in_order,
    with_points,
)
from centerloss_core.run_directory.class_points import renamed

from .fitting import MARGIN
from .open_set import show_open_set, show_open_sets_side_by_side
from .options import Directories, Quiet, UsageError
from .streams import say, warn
from .tables import ordered_keys, print_table, setting_columns, settings_of

if TYPE_CHECKING:
    from centerloss_core.metrics.directory import Report, RunEvaluation

Splits = StrEnum("Splits", ["TEST", "TRAIN", "BOTH"])

# The figures of runs side by side that do not depend on the scale of the features.
_SIDE_BY_SIDE = {
    "accuracy": "softmax",
    "nearest_center_accuracy": "nearest center",
    "nearest_train_mean_accuracy": "nearest training mean",
    "knn_accuracy": "nearest training images",
    "separation_ratio": "inter/intra",
    "fisher_ratio": "Fisher",
    "silhouette": "silhouette",
    "davies_bouldin": "DB",
    "cosine_eer": "EER cos",
    "euclidean_eer": "EER Eucl.",
}
_IN_WORDS = {"validation": "validation", "train": "training"}
_EER = ["EER Eucl.", "EER cos"]
_LESS_TELLING = (
    *("DB", "silhouette", "Fisher"),
    *("nearest training mean", "nearest training images", "inter/intra"),
)


def evaluate(
    directories: Directories,
    split: Annotated[
        Splits, typer.Option(help="Which images to measure; replaces an earlier evaluation.")
    ] = Splits.BOTH,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Verify these pairs in place of that: LFW's pairs.txt, or a .csv of path, path, 1 or 0.",
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder with the images of --pairs.")
    ] = None,
    flip: Annotated[
        bool, typer.Option("--flip", help="With --pairs: average each feature with that of the mirror image.")
    ] = False,
    subtract_mean: Annotated[
        bool,
        typer.Option(
            "--subtract-mean",
            help="With --pairs: subtract the mean of the other folds; it changes the cosine alone.",
        ),
    ] = False,
    checkpoint: Annotated[
        str | None,
        typer.Option(metavar="last|best|STEP", help="With --pairs: of which checkpoint. Default: last."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Measure the final features of a run, or of all completed runs of a sweep: accuracies, ratios, verification.

    Of a run with unknown classes also how well they are told from the known ones. Written to evaluation.json and
    evaluation….csv in DIR, and to the run's run.json; docs/metrics.md defines every figure. With --pairs, a run
    verifies pairs of any images, in folds, as LFW does.
    """
    if pairs is not None:
        from .pairs import verify_pairs

        verify_pairs(directories, pairs, images, checkpoint or "last", flip, subtract_mean, quiet)
        return
    if images is not None or flip or subtract_mean or checkpoint is not None:
        raise UsageError("--images, --flip, --subtract-mean and --checkpoint go with --pairs FILE")
    from centerloss_core.metrics.directory import SPLITS, evaluate_directory

    from .progress import evaluation_progress

    splits = SPLITS if split is Splits.BOTH else (split.value,)
    with nullcontext() if quiet else evaluation_progress() as show:
        report = evaluate_directory(directories, splits, show=show)
    if not quiet:
        _show(report)
    for problem in report.problems.values():  # the others were measured, which is no failure
        warn(f"skipped: {problem}")


def _show(report: Report) -> None:
    settings = [settings_of(run.origin) for run in report.runs]
    keys = [key for key in ordered_keys(settings) if key != ALPHA]
    for run, own in zip(report.runs, settings, strict=True):
        known = {key: value for key, value in own.items() if value is not None}
        say(f"\n{run.path}: {label_all(known, keys)}")
        _show_run(run, classes=len(report.runs) == 1)
    if len(report.runs) > 1:
        say("\nSide by side:")
        _show_side_by_side(report.runs)
        show_open_sets_side_by_side(report.runs)
    for name, status in report.skipped.items():
        say(f"skipped: {name} ({status})")
    folder = report.written.parent
    tables = ["evaluation.csv", "evaluation-classes.csv"]
    tables += ["evaluation-open-set.csv"] if any(run.open_set for run in report.runs) else []
    say(
        f"figures and classes: {', '.join(str(path) for path in (report.written, *(folder / name for name in tables)))}"
    )


def _show_run(run: RunEvaluation, *, classes: bool) -> None:
    rows = []
    for name in with_points(in_order(FIGURES, is_angular=run.is_angular), [run.class_points]):
        title = f"{name.title} (small is good)" if name.best == "least" else name.title
        measured = [split.figures for split in run.splits.values()]
        rows.append([title, *(name.measured_on(each["images"], each[name.key]) for each in measured)])
    print_table(("", *run.splits), rows)
    for split_name, split in run.splits.items():
        figures = split.figures
        say(
            f"\n{split_name}: verification, alignment and uniformity over all pairs of "
            f"{figures['verification_images']:,} images, "
            f"{figures['verification_same_pairs']:,} of one class and {figures['verification_different_pairs']:,} "
            f"others; silhouette of {figures['silhouette_images']:,} images; "
            f"{figures['knn_neighbors']} nearest training images vote"
        )
        if figures["zero_length_images"]:
            say(f"{figures['zero_length_images']:,} features are 0 and have no angle: wrong by the cosine")
        if classes:
            _show_classes(split.per_class, run)
    if classes:
        _show_thresholds(run)
        show_open_set(run)


def _show_thresholds(run: RunEvaluation) -> None:
    found = run.thresholds
    if found is None:
        return
    say(
        f"\nKnown, or none of these: thresholds from {found.images:,} {_IN_WORDS[found.split]} images. "
        "An image is known where its score is at least the threshold, which accepts this share:"
    )
    test = run.splits.get("test")
    head = ["score", "to accept", "threshold", "of new images", "of its own"]
    rows = [
        [
            f"{each.score} ★" if each.score == found.default else each.score,
            f"{100 * each.accept:g} %",
            number(each.value, ".4g"),
            "–" if each.between is None else "{:.1f} – {:.1f} %".format(*(100 * end for end in each.between)),
            percent(each.accepted),
            *([percent(run.accepted.get(each))] if test is not None else []),
        ]
        for each in found.values
    ]
    if test is not None:
        head.append(f"of {test.figures['images']:,} test images")
    print_table(head, rows, spare=("of its own",))
    say(
        "★: the score that fits the loss; a distance counts as a negative number; of new images: in 95 of 100 cases, "
        "for images of the same kind"
    )
    has_logits = any(split.figures["accuracy"] is not None for split in run.splits.values())
    if has_logits and found.of("logit", found.values[0].accept) is None:
        say("no thresholds by logits: these features hold none, as those of earlier versions")
    for message in found.warnings:
        warn(f"thresholds: {message}")


def _show_classes(classes: Sequence[Mapping[str, Any]], run: RunEvaluation) -> None:
    rows = [{**row, "is_angular": run.is_angular} for row in classes]
    names = with_points(class_figures_of(rows), [run.class_points])
    own = {row["class"]: str(row["name"]) for row in rows}

    def cell(row: Mapping[str, Any], name: Name) -> str:
        if name.key == "nearest_class":
            return own.get(row[name.key], "–")
        return name.cell(row, row["images"])

    cells = [[own[row["class"]], *(cell(row, name) for name in names)] for row in rows]
    head = ("class", *(name.title for name in names))
    _explain_angle(
        print_table(head, cells, spare=(MARGIN, "images", "intra"), names=("class", "nearest class"))
    )


def _explain_angle(table: Sequence[str]) -> None:
    if any(ANGLE in line for line in table):
        say(f"{ANGLE}: {ANGLE_MEANING}")


def _show_side_by_side(runs: Sequence[RunEvaluation]) -> None:
    rows = [(run, split, measured.figures) for run in runs for split, measured in run.splits.items()]
    settings = [settings_of(run.origin) for run, _, _ in rows]
    kinds = [run.class_points for run in runs]
    columns = {
        "run": [run.name for run, _, _ in rows],
        "split": [split for _, split, _ in rows],
        **setting_columns(settings, ordered_keys(settings), always=(LAMBDA,)),
        **{
            renamed(_SIDE_BY_SIDE[name.key], kinds): [
                name.cell({**figures, "is_angular": run.is_angular}, figures["images"])
                for run, _, figures in rows
            ]
            for name in FIGURES
            if name.key in _SIDE_BY_SIDE
        },
    }
    cells = list(zip(*columns.values(), strict=True))
    fits_last = _EER if any(run.is_angular for run in runs) else _EER[::-1]
    spare = (MARGIN, *fits_last, *_LESS_TELLING)
    _explain_angle(print_table(list(columns), cells, spare=spare, names=("run",)))
