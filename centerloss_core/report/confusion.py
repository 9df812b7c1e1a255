"""Which digit was taken for which: a matrix per run, whose cells select their images in the panels."""

from __future__ import annotations

import numpy as np

from centerloss_core.measures.per_class import count_taken
from centerloss_core.report.frames import Panel
from centerloss_core.report.markup import escape


def confusion_tables(panels: list[Panel]) -> str:
    """All matrices, each of the newest features of its run."""
    return "".join(_one(index, panel) for index, panel in enumerate(panels))


def _one(index: int, panel: Panel) -> str:
    dump = panel.frames[-1].dump
    counts = count_taken(dump.labels, dump.predictions, len(dump.centers))
    classes = len(counts)
    errors = counts * (1 - np.eye(classes, dtype=int))
    most = max(1, int(errors.max()))
    head = "".join(f'<th scope="col">{digit}</th>' for digit in range(classes))
    body = "".join(
        f'<tr><th scope="row">{label}</th>'
        + "".join(_cell(index, label, digit, int(counts[label, digit]), most) for digit in range(classes))
        + "</tr>"
        for label in range(classes)
    )
    wrong = int(errors.sum())
    title = f"{panel.record.label}, {panel.frames[-1].label}: {wrong} of {int(counts.sum())} wrong"
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape("Confusion, " + title)}">'
        f'<table class="confusion"><caption>{escape(title)}</caption>'
        f'<thead><tr><th class="corner">is ↓<br>read →</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _cell(panel: int, label: int, digit: int, count: int, most: int) -> str:
    if label == digit:
        return f'<td class="right">{count}</td>'
    if not count:
        return "<td></td>"
    often, what = ("once", "it") if count == 1 else (f"{count} times", "them")
    return (
        f'<td style="--share:{count / most:.2f}"><button type="button" data-panel="{panel}" data-label="{label}" '
        f'data-taken="{digit}" title="select {what}" aria-label="{often} {label} taken for {digit}: select {what}">'
        f"{count}</button></td>"
    )
