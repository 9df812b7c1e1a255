"""Question d: Eq. 4, the gradient or a moving average: how do centers follow best, and how fast?"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.study.runs import ALPHA, Measure, StudyRun, arms
from benchmarks.study.section import Section, missing
from benchmarks.study.tables import told_of

REFERENCE = f"eq4 with α {ALPHA}"
MEASURES = (
    Measure("accuracy", "head"),
    Measure("nearest_center_accuracy", "nearest trained center"),
    Measure("nearest_train_mean_accuracy", "nearest mean"),
    Measure("separation_ratio", "inter/intra", is_share=False),
    Measure("euclidean_eer", "EER", "lower"),
)


def section(runs: Sequence[StudyRun]) -> Section:
    """Every rule with every α against Eq. 4 with the α of the other questions."""
    page = Section("d · Eq. 4, gradient or moving average?")
    found = arms(
        sorted(runs, key=lambda run: (run.rule != "eq4", run.rule, run.record.alpha or 0)), _arm, [REFERENCE]
    )
    seeds = [{run.unit for run in each} for each in found.values()]
    common = set.intersection(*seeds) if len(seeds) > 1 else set()
    # Those that question a adds to the reference are not part of this one.
    members = {arm: [run for run in each if run.unit in common] for arm, each in found.items()}
    if missing(page, [run for each in members.values() for run in each]):
        return page
    families = page.add_families(
        members, MEASURES, REFERENCE, first="rule", figure="study-d.png", about="rules and α"
    )
    for arm in list(members)[1:]:
        page.answers.append(f"- **d, {arm}**, against {REFERENCE}: {told_of(families, arm)}.")
    return page


def _arm(run: StudyRun) -> str | None:
    if run.known or run.variant != "center" or run.record.lambda_ != 1:
        return None
    return f"{run.rule} with α {run.record.alpha:g}"
