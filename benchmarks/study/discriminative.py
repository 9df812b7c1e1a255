"""Question a: does center loss make features more discriminative, and by which reading of them?"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.study.runs import ALPHA, Measure, StudyRun, arms
from benchmarks.study.section import Section, missing
from benchmarks.study.tables import WORDS, Compared, by_word

SOFTMAX = "softmax alone"
BY_DISTANCE = (
    Measure("nearest_train_mean_accuracy", "nearest mean"),
    Measure("knn_accuracy", "5-NN"),
    Measure("separation_ratio", "inter/intra", is_share=False),
    Measure("fisher_ratio", "Fisher", is_share=False),
    Measure("silhouette", "silhouette", is_share=False),
    Measure("euclidean_eer", "EER", "lower"),
)
OTHERWISE = (
    Measure("accuracy", "linear (the head)"),
    Measure("nearest_train_mean_accuracy_cosine", "nearest mean by the angle"),
    Measure("cosine_eer", "EER by the angle", "lower"),
)
# Softmax alone lays classes out as rays, which the angle tells apart; center loss as clusters.
FITTING = (
    Measure("fitting.nearest_mean", "nearest mean by what fits"),
    Measure("fitting.eer", "EER by what fits", "lower"),
)


def section(runs: Sequence[StudyRun]) -> Section:
    """λ against softmax alone, on the classes that were learnt."""
    page = Section("a · Are features with center loss more discriminative?")
    ordered = [_with_fitting(run) for run in sorted(runs, key=lambda run: run.record.lambda_ or 0)]
    members = arms(ordered, _arm, [SOFTMAX])
    if missing(page, [run for each in members.values() for run in each]):
        return page
    for title, measures, figure in (
        ("By distance", BY_DISTANCE, "study-a-distance.png"),
        ("By the head and by the angle", OTHERWISE, "study-a-angle.png"),
        (
            f"By what fits: {SOFTMAX} by the angle, center loss by the distance",
            FITTING,
            "study-a-fitting.png",
        ),
    ):
        page.lines += [f"**{title}**", ""]
        families = page.add_families(
            members, measures, SOFTMAX, first="λ", figure=figure, about=title, arm_title="λ = "
        )
        if families:
            what = title.split(":")[0].lower()
            page.answers.append(f"- **a, {what}**, against {SOFTMAX}: {_in_words(families)}.")
    return page


def _with_fitting(run: StudyRun) -> StudyRun:
    by_angle = run.variant == "softmax"
    mean = "nearest_train_mean_accuracy" + ("_cosine" if by_angle else "")
    eer = "cosine_eer" if by_angle else "euclidean_eer"
    return run.having("fitting", {"nearest_mean": run.figures.get(mean), "eer": run.figures.get(eer)})


def _arm(run: StudyRun) -> str | None:
    if run.known or run.dimensions != 2:
        return None
    if run.variant == "softmax":
        return SOFTMAX
    is_plain = run.variant == "center" and run.rule == "eq4" and run.record.alpha == ALPHA
    return f"{run.record.lambda_:g}" if is_plain else None


def _in_words(families: Sequence[Compared]) -> str:
    """The figures by what is told of them, and for how many of the λ."""
    said = []
    for family in families:
        found = {verdict: len(family.arms(verdict)) for verdict in WORDS}
        parts = [
            f"{WORDS[verdict]} for {'every' if count == len(family.comparisons) else count} λ"
            for verdict, count in found.items()
            if count
        ]
        said.append((family.measure.title, ", ".join(parts)))
    return by_word(said)
