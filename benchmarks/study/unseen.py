"""Question b: which loss tells classes that training never saw, and tells them from each other?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.study.runs import Measure, StudyRun, arms, values_of
from benchmarks.study.section import Section, missing
from benchmarks.study.statistics import interval
from benchmarks.study.tables import NOT_TOLD, WORDS, Compared, number, table
from centerloss_core.metrics.scores import SCORES, default_score
from centerloss_core.run_directory.manifest import mapping

REFERENCE = "softmax"
AUROC = Measure("own.auroc", "AUROC")
CLOSED = Measure("own.accuracy", "closed-set accuracy")
LEARNT = 95.0  # percent: with less a loss has not learnt the known classes, and says little of the others
MEASURES = (
    AUROC,
    Measure("open_set.scores.logit.auroc", "AUROC by the logit"),
    Measure("own.oscr", "OSCR"),
    Measure("own.tnr_at_tpr_95", "TNR at 95 % TPR"),
    CLOSED,
    Measure("own.eer", "EER of unseen classes", "lower"),
    Measure("own.map_at_r", "MAP@R of unseen classes"),
)
# One reading for every loss: else a difference may be one of the distance and the angle.
ALIKE = (
    Measure("open_set.unseen.euclidean_eer", "EER by the distance", "lower"),
    Measure("open_set.unseen.cosine_eer", "EER by the angle", "lower"),
    Measure("open_set.unseen.map_at_r_euclidean", "MAP@R by the distance"),
    Measure("open_set.unseen.map_at_r_cosine", "MAP@R by the angle"),
)
_IN_SHORT = ("AUROC", "AUROC by the logit", "EER of unseen classes", "MAP@R of unseen classes")


def section(runs: Sequence[StudyRun]) -> Section:
    """Losses against softmax alone, over splits and seeds, in the plane and in more dimensions."""
    page = Section("b · Which loss tells unseen classes?")
    chosen = [_with_own(run) for run in runs if run.known]
    if missing(page, chosen):
        return page
    for dimensions in sorted({run.dimensions for run in chosen}):
        here = [run for run in chosen if run.dimensions == dimensions]
        members = _best_first(arms(here, lambda run: run.variant, [REFERENCE]))
        page.lines += [f"**{dimensions} dimensions**, in the order of their AUROC", ""]
        families = page.add_families(
            members,
            MEASURES,
            REFERENCE,
            first="loss",
            figure=f"study-b-{dimensions}d.png",
            about=f"losses in {dimensions} dimensions",
        )
        page.answers += [
            f"- **b, {dimensions} dimensions**, {_in_words(each)}."
            for each in families
            if each.measure.title in _IN_SHORT
        ]
        page.lines += _unlearnt(members)
        page.lines += [f"AUROC % by every score in {dimensions} dimensions, the one that fits in bold:", ""]
        page.lines += _by_score(members)
        page.lines += [
            f"Unseen classes in {dimensions} dimensions, softmax and the others by one reading:",
            "",
        ]
        families = page.add_families(
            members,
            ALIKE,
            REFERENCE,
            first="loss",
            figure=f"study-b-{dimensions}d-unseen.png",
            about=f"unseen classes in {dimensions} dimensions, by the distance and by the angle",
        )
        page.answers.append(
            f"- **b, {dimensions} dimensions**, unseen classes against {REFERENCE}, both by one reading: "
            f"{'; '.join(_told_apart(each) for each in families)}."
        )
    return page


def _with_own(run: StudyRun) -> StudyRun:
    """The figures by the score, and by the angle or the distance, that fit its loss."""
    found = mapping(run.figures.get("open_set"))
    unseen = mapping(found.get("unseen"))
    by = "cosine" if run.record.is_angular or run.variant == REFERENCE else "euclidean"
    of_score = mapping(mapping(found.get("scores")).get(default_score(run.record)))
    return run.having(
        "own",
        {
            **of_score,
            "accuracy": found.get("closed_set_accuracy"),
            "eer": unseen.get(f"{by}_eer"),
            "map_at_r": unseen.get(f"map_at_r_{by}"),
        },
    )


def _best_first(members: Mapping[str, list[StudyRun]]) -> dict[str, list[StudyRun]]:
    """The reference, then the others with the largest AUROC first."""
    means = {arm: interval(values).mean for arm, values in values_of(members, AUROC).items()}
    order = sorted(members, key=lambda arm: (arm != REFERENCE, -means.get(arm, 0.0), arm))
    return {arm: members[arm] for arm in order}


def _unlearnt(members: Mapping[str, Sequence[StudyRun]]) -> list[str]:
    """Which losses have not learnt the known classes in the length of these runs."""
    means = {arm: interval(values).mean for arm, values in values_of(members, CLOSED).items()}
    found = ", ".join(f"{arm} ({number(mean)} %)" for arm, mean in means.items() if mean < LEARNT)
    if not found:
        return []
    why = "not having learnt the known classes, these runs say little of what the loss does with others"
    return [f"Closed-set accuracy is below {LEARNT:g} % for {found}: {why}.", ""]


def _in_words(family: Compared) -> str:
    told = [
        f"{word}: {', '.join(each.arm for each in found)}"
        for verdict, word in WORDS.items()
        if (found := family.arms(verdict))
    ]
    return f"{family.measure.title} against {family.reference}: {'; '.join(told)}"


def _by_score(members: Mapping[str, Sequence[StudyRun]]) -> list[str]:
    measures = [Measure(f"open_set.scores.{name}.auroc", score.title) for name, score in SCORES.items()]
    found = [values_of(members, measure) for measure in measures]
    rows = []
    for arm, runs in members.items():
        fits = default_score(runs[0].record)
        cells = []
        for name, values in zip(SCORES, found, strict=True):
            written = number(interval(values[arm]).mean if arm in values else None)
            cells.append(f"**{written}**" if name == fits else written)
        rows.append([arm, *cells])
    return table(["loss", *(measure.title for measure in measures)], rows)


def _told_apart(family: Compared) -> str:
    told = [
        f"{word} {', '.join(each.arm for each in found)}"
        for verdict, word in WORDS.items()
        if verdict != NOT_TOLD and (found := family.arms(verdict))
    ]
    return f"{family.measure.title} {' and '.join(told) or 'none told apart'}"
