"""Tables of known and unknown images, of a run and of runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from centerloss_core.config.axes import LAMBDA
from centerloss_core.formatting import percent
from centerloss_core.metrics.open_set_names import BY, OF_SCORES, OF_UNSEEN, unseen_key

from .streams import say
from .tables import ordered_keys, print_table, setting_columns, settings_of

if TYPE_CHECKING:
    from centerloss_core.metrics.directory import RunEvaluation

_LEAST_TELLING = ("CCR 1e-3", "AUPR", "CCR 1e-2", "CCR 1e-1")
_FEW = ("CCR 1e-3", "CCR 1e-2", "AUPR", "CCR 1e-1", "TNR", "EER")


def show_open_set(run: RunEvaluation) -> None:
    """Print how well each score of a run tells unknown images from known ones; nothing of a run without unknown."""
    found = run.open_set
    if found is None:
        return
    figures = found.figures
    accuracy = percent(figures["closed_set_accuracy"])
    say(
        f"\nUnknown classes: {figures['unknown_images']:,} test images beside {figures['known_images']:,} known ones, "
        f"of which {accuracy} are given their class by {found.class_by}; shares in %"
    )
    rows = [
        [_marked(score, run), *(_share(own[name.key]) for name in OF_SCORES)]
        for score, own in found.scores.items()
    ]
    print_table(["score", *(name.title for name in OF_SCORES)], rows, spare=_LEAST_TELLING)
    say(
        "★: the score that fits the loss; AUPR: known images are the positive ones; TNR: unknown images refused where "
        "95 % of the known are accepted; OSCR, CCR at FPR: the class must be right too (docs/metrics.md)"
    )
    unseen = found.unseen
    if unseen:
        say(
            f"\nUnknown images among themselves, {unseen['classes']:,} classes: MAP@R of {unseen['map_at_r_images']:,} "
            f"images, verification of all pairs of {unseen['verification_images']:,}; shares in %"
        )
        rows = [
            [title, *(_share(unseen[unseen_key(name, by)]) for name in OF_UNSEEN)] for by, title in BY.items()
        ]
        print_table(["compared by", *(name.title for name in OF_UNSEEN)], rows)


def show_open_sets_side_by_side(runs: Sequence[RunEvaluation]) -> None:
    """Print a row for each run with unknown images, by the score that fits its loss."""
    measured = [(run, run.open_set) for run in runs if run.open_set is not None]
    if not measured:
        return
    settings = [settings_of(run.origin) for run, _ in measured]
    chosen = [_default(run) for run, _ in measured]
    compared = ["cosine" if run.is_angular else "euclidean" for run, _ in measured]
    columns = {
        "run": [run.name for run, _ in measured],
        **setting_columns(settings, ordered_keys(settings), always=(LAMBDA,)),
        "accuracy": [_share(found.figures["closed_set_accuracy"]) for _, found in measured],
        "score": chosen,
        **{
            name.title: [
                _share(found.scores[score][name.key])
                for (_, found), score in zip(measured, chosen, strict=True)
            ]
            for name in OF_SCORES
        },
        **{
            name.title: [
                _share(found.unseen.get(unseen_key(name, by)))
                for (_, found), by in zip(measured, compared, strict=True)
            ]
            for name in OF_UNSEEN[:2]
        },
    }
    say(
        "\nUnknown classes, by the score that fits each loss; MAP@R and EER of unknown images alone; shares in %:"
    )
    cells = list(zip(*columns.values(), strict=True))
    print_table(list(columns), cells, left=1, spare=_FEW, names=("run",))


def _default(run: RunEvaluation) -> str:
    assert run.open_set is not None
    fits = None if run.thresholds is None else run.thresholds.default
    return fits if fits in run.open_set.scores else next(iter(run.open_set.scores))


def _marked(score: str, run: RunEvaluation) -> str:
    return f"{score} ★" if score == _default(run) else score


def _share(value: object) -> str:
    """In percent, below a line that says so."""
    return percent(value).removesuffix(" %")
