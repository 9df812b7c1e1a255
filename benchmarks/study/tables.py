"""Tables and sentences in Markdown. A sentence says what the comparisons tell, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.study.runs import Measure, StudyRun, values_of
from benchmarks.study.statistics import Comparison, Interval, Values, compare, interval

BETTER, WORSE, NOT_TOLD = "▲", "▼", "·"
WORDS = {BETTER: "better", WORSE: "worse", NOT_TOLD: "not told apart"}


@dataclass(frozen=True)
class Compared:
    """One figure of all arms of a question: a family of comparisons.

    Attributes:
        measure: the figure.
        values: by arm.
        reference: the arm that the others are compared with.
        comparisons: of the other arms.
    """

    measure: Measure
    values: dict[str, Values]
    reference: str
    comparisons: list[Comparison]

    def verdict(self, comparison: Comparison) -> str:
        """BETTER, WORSE or NOT_TOLD."""
        if not comparison.is_told:
            return NOT_TOLD
        return BETTER if (comparison.difference.mean > 0) == (self.measure.better == "higher") else WORSE

    def arms(self, verdict: str) -> list[Comparison]:
        return [each for each in self.comparisons if self.verdict(each) == verdict]


def compared(
    members: Mapping[str, Sequence[StudyRun]], measures: Sequence[Measure], reference: str
) -> list[Compared]:
    """A family for each figure that the reference and another arm have."""
    found = []
    for measure in measures:
        values = values_of(members, measure)
        if reference in values and len(values) > 1:
            comparisons = compare(values, reference) if measure.is_compared else []
            found.append(Compared(measure, values, reference, comparisons))
    return found


def number(value: float | None) -> str:
    """Four digits, as many as a figure of a few runs bears."""
    if value is None:
        return "–"
    if abs(value) < 5e-5:
        return "0"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    """With its sign, a minus sign and not a hyphen."""
    return "–" if value is None else ("+" if value > 0 else "") + number(value).replace("-", "−")


def spread(found: Interval, *, difference: bool = False) -> str:
    """`99.31 [99.25, 99.37]`; the mean alone where there is no interval."""
    write = signed if difference else number
    if found.low is None:
        return write(found.mean)
    return f"{write(found.mean)} [{write(found.low)}, {write(found.high)}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown, with an empty line after it."""
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return [*lines, ""]


def values_table(
    first: str, families: Sequence[Compared], members: Mapping[str, Sequence[StudyRun]]
) -> list[str]:
    """A row for each arm: its number of runs, and each figure with its interval."""
    rows = []
    for arm, runs in members.items():
        cells = [spread(interval(each.values[arm])) if arm in each.values else "–" for each in families]
        rows.append([arm, str(len(runs)), *cells])
    return table([first, "n", *(titled(each.measure) for each in families)], rows)


def differences_table(first: str, families: Sequence[Compared]) -> list[str]:
    """A row for each arm: the paired difference to the reference, its interval, its adjusted p and the verdict."""
    names = list(dict.fromkeys(each.arm for family in families for each in family.comparisons))
    rows = []
    for name in names:
        cells = []
        for family in families:
            found = [each for each in family.comparisons if each.arm == name]
            cells.append(_difference(family, found[0]) if found else "–")
        rows.append([name, *cells])
    return table([first, *(titled(each.measure) for each in families)], rows)


def _difference(family: Compared, found: Comparison) -> str:
    p = "–" if found.adjusted is None else "< 0.001" if found.adjusted < 0.001 else f"{found.adjusted:.3f}"
    return f"{spread(found.difference, difference=True)}, p {p} {family.verdict(found)}"


def titled(measure: Measure) -> str:
    return f"{measure.title}{' %' if measure.is_share else ''}"


def sentences(families: Sequence[Compared], arm_title: str = "") -> list[str]:
    """A line for each figure: for which arms it is better or worse than the reference, and for which that is open."""
    lines = []
    for family in (each for each in families if each.comparisons):
        parts = []
        opposite = "lower" if family.measure.better == "higher" else "higher"
        for verdict, word in ((BETTER, family.measure.better), (WORSE, opposite)):
            if found := family.arms(verdict):
                of = "better" if verdict == BETTER else "worse"
                listed = ", ".join(f"{each.arm} ({signed(each.difference.mean)})" for each in found)
                parts.append(f"{word}, that is {of}, for {arm_title}{listed}")
        if found := family.arms(NOT_TOLD):
            parts.append(f"not told apart for {arm_title}{', '.join(each.arm for each in found)}")
        lines.append(f"- **{family.measure.title}**, against {family.reference}: {'; '.join(parts)}.")
    return [*lines, ""]


def told_of(families: Sequence[Compared], arm: str) -> str:
    """The figures of one arm by what is told of them."""
    return by_word(
        (family.measure.title, WORDS[family.verdict(each)])
        for family in families
        for each in family.comparisons
        if each.arm == arm
    )


def by_word(said: Iterable[tuple[str, str]]) -> str:
    """`better: Fisher, EER; not told apart: 5-NN`, from pairs of a figure and what begins with a word of WORDS."""
    groups: dict[str, list[str]] = {}
    for figure, word in said:
        groups.setdefault(word, []).append(figure)
    order = {word: place for place, word in enumerate(WORDS.values())}
    ordered = sorted(groups, key=lambda word: min(order[each] for each in order if word.startswith(each)))
    return "; ".join(f"{word}: {', '.join(groups[word])}" for word in ordered)
