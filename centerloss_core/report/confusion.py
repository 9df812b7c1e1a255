"""Which digit was taken for which: two matrices per run, whose cells select their images in the panels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from centerloss_core.metrics.per_class import confusion
from centerloss_core.report.frames import Panel
from centerloss_core.report.markup import escape


def confusion_tables(panels: list[Panel]) -> str:
    """All matrices, each of the newest features of its run."""
    return "".join(_pair(index, panel) for index, panel in enumerate(panels))


def _pair(index: int, panel: Panel) -> str:
    found = confusion(panel.frames[-1].dump).items()
    matrices = "".join(_one(index, panel, judge, np.array(counts)) for judge, counts in found)
    return f'<div class="pair">{matrices}</div>'


def _one(index: int, panel: Panel, judge: str, counts: NDArray[np.intp]) -> str:
    classes = len(counts)
    errors = counts * (1 - np.eye(classes, dtype=int))
    most = max(1, int(errors.max()))
    where = f'data-panel="{index}" data-judge="{judge}"'
    head = "".join(f'<th scope="col">{digit}</th>' for digit in range(classes))
    body = "".join(
        f'<tr><th scope="row">{label}</th>'
        + "".join(_cell(where, label, digit, int(counts[label, digit]), most) for digit in range(classes))
        + "</tr>"
        for label in range(classes)
    )
    wrong = int(errors.sum())
    title = f"{panel.record.label}, {panel.frames[-1].label}: {wrong:,} of {int(counts.sum()):,} wrong"
    title += f" by {judge.replace('_', ' ')}"
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape("Confusion, " + title)}">'
        f'<table class="confusion"><caption>{escape(title)}</caption>'
        f'<thead><tr><th class="corner">is ↓<br>read →</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _cell(where: str, label: int, digit: int, count: int, most: int) -> str:
    if label == digit:
        return f'<td class="right">{count}</td>'
    if not count:
        return "<td></td>"
    often, what = ("once", "it") if count == 1 else (f"{count} times", "them")
    return (
        f'<td style="--share:{count / most:.2f}"><button type="button" {where} data-label="{label}" '
        f'data-taken="{digit}" title="select {what}" aria-label="{often} {label} taken for {digit}: select {what}">'
        f"{count}</button></td>"
    )
