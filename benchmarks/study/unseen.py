"""Question b: which loss tells classes that training never saw, and tells them from each other?"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.study.runs import Measure, StudyRun
from benchmarks.study.section import Section, missing

REFERENCE = "softmax"
MEASURES = (
    Measure("own.accuracy", "closed set"),
    Measure("own.auroc", "AUROC"),
    Measure("own.oscr", "OSCR"),
    Measure("own.tnr_at_tpr_95", "TNR at 95 % TPR"),
    Measure("unseen_eer", "EER, unseen classes", "lower"),
    Measure("unseen_map_at_r", "MAP@R, unseen classes"),
)


def section(runs: Sequence[StudyRun]) -> Section:
    """Losses against softmax alone, over splits and seeds, in the plane and in more dimensions."""
    page = Section("b · Which loss tells unseen classes?")
    chosen = [run for run in runs if run.known]
    if missing(page, chosen):
        return page
    return page
