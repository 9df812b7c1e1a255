"""Which class was predicted as which: per run and judge a matrix, or of many classes a list of the most frequent."""

from dataclasses import dataclass

import numpy as np

from centerloss_core.limits import CONFUSION_CLASSES
from centerloss_core.report.frames import Panel

_MOST_PAIRS = 20  # of a list


@dataclass(frozen=True)
class Count:
    """How many images of a class were predicted as which; `share` of the largest wrong count, 0 to 1."""

    label: int
    predicted: int
    count: int
    share: float


@dataclass(frozen=True)
class Confusion:
    """The judgements of one judge at the end of one run."""

    title: str
    panel: int  # whose images the buttons select
    judge: str
    names: list[str]  # of the classes
    matrix: dict[tuple[int, int], Count] | None  # the counts above 0; None where there are too many classes
    pairs: list[Count]  # the most frequent confusions, then


def confusion(index: int, panel: Panel, judge: str, name: str) -> Confusion:
    """Those of one judge, by its name, of the newest features of the panel. Images of unknown classes do not count."""
    labels, classes = panel.last.dump.labels.astype(np.int64), panel.classes
    codes = (labels * classes + panel.last.predicted[judge])[labels >= 0]
    found, counts = np.unique(codes, return_counts=True)
    rows, columns = np.divmod(found, classes)
    wrong = np.where(rows == columns, 0, counts)
    shares = np.round(counts / max(1, wrong.max(initial=0)), 2)
    table = (rows.tolist(), columns.tolist(), counts.tolist(), shares.tolist())
    all_counts = [Count(*each) for each in zip(*table, strict=True)]
    title = (
        f"{panel.record.label}, {panel.last.label}: {int(wrong.sum()):,} of {len(codes):,} wrong by {name}"
    )
    if classes <= CONFUSION_CLASSES:
        matrix = {(each.label, each.predicted): each for each in all_counts}
        return Confusion(title, index, judge, panel.class_names, matrix, [])
    order = [place for place in np.argsort(-wrong, kind="stable")[:_MOST_PAIRS] if wrong[place]]
    if np.count_nonzero(wrong) > len(order):
        title += f"; the {len(order)} most frequent confusions"
    return Confusion(title, index, judge, panel.class_names, None, [all_counts[place] for place in order])
