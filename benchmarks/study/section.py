"""What a question has on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.study.drawing import Draw, draw_intervals
from benchmarks.study.runs import Measure, StudyRun
from benchmarks.study.tables import (
    Compared,
    compared,
    differences_table,
    sentences,
    values_table,
)


@dataclass
class Section:
    """Lines of Markdown, and the figures that they show, by file name.

    Attributes:
        answers: sentences for the head of the page.
    """

    title: str
    lines: list[str] = field(default_factory=list)
    figures: dict[str, Draw] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)

    def add_figure(self, name: str, about: str, draw: Draw) -> None:
        self.lines += [f"![{about}](figures/{name})", ""]
        self.figures[name] = draw

    def add_families(
        self,
        members: Mapping[str, Sequence[StudyRun]],
        measures: Sequence[Measure],
        reference: str,
        *,
        first: str,
        figure: str,
        about: str,
        arm_title: str = "",
    ) -> list[Compared]:
        """Add values, figure, differences and sentences of some figures of merit; return their families."""
        families = compared(members, measures, reference)
        if not families:
            self.lines += [f"The runs are not there: {reference} and another to compare with it.", ""]
            return []
        self.lines += values_table(first, families, members)
        self.add_figure(figure, about, lambda file: draw_intervals(file, families, members))
        self.lines += [f"Differences to {reference}, pair by pair:", ""]
        self.lines += differences_table(first, families)
        self.lines += sentences(families, arm_title)
        return families


def missing(section: Section, runs: Sequence[StudyRun]) -> bool:
    """Say so where no run of the question is there."""
    if not runs:
        section.lines += ["No run of this question is in the directories.", ""]
        section.answers.append("- Not measured here.")
    return not runs
