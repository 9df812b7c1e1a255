"""The figures of the page: small, and from the same values as its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from benchmarks.study.runs import StudyRun
from benchmarks.study.statistics import Values, grouped, interval
from benchmarks.study.tables import Compared, titled
from centerloss_core.plotting.style import DPI, FAINT, INK, class_colors, house_style

_ROW = 0.24  # inches of an arm
_PANEL = 2.1  # inches of a figure of merit
_PER_LINE = 5

Curves = Mapping[str, Sequence[tuple[Sequence[float], Sequence[float]]]]  # of each arm the curves of its runs


def draw_intervals(
    file: BinaryIO, families: Sequence[Compared], members: Mapping[str, Sequence[StudyRun]]
) -> None:
    """A panel for each figure, a row for each arm: the mean, its interval, and every split or seed as a faint dot."""
    from matplotlib.figure import Figure

    names = list(members)
    lines = -(-len(families) // _PER_LINE)
    columns = -(-len(families) // lines)
    with house_style():
        sheet = Figure(figsize=(1.4 + _PANEL * columns, lines * (0.75 + _ROW * len(names))), dpi=DPI)
        grid = sheet.subplots(lines, columns, sharey=True, squeeze=False)
        for axes, family in zip(grid.flat, families, strict=False):
            for place, name in enumerate(names):
                if name in family.values:
                    _draw_row(axes, place, family.values[name], name == family.reference)
            if family.reference in family.values:
                axes.axvline(
                    interval(family.values[family.reference]).mean, color="#bbbbbb", lw=0.8, zorder=0
                )
            axes.set_title(titled(family.measure), fontsize=9)
            axes.set_yticks(range(len(names)), names, fontsize=8)
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.tick_params(axis="x", labelsize=8)
            axes.grid(axis="x", color=FAINT)
            axes.set_axisbelow(True)
        for axes in grid.flat[len(families) :]:
            axes.remove()
        _save(sheet, file)


def _draw_row(axes: Any, place: int, values: Values, is_reference: bool) -> None:
    found = interval(values)
    color = INK if is_reference else class_colors(1)[0]
    axes.plot(
        [group.mean() for group in grouped(values)],
        [place] * len(grouped(values)),
        "o",
        ms=3,
        color=color,
        alpha=0.3,
        mew=0,
    )
    if found.low is not None:
        axes.plot([found.low, found.high], [place, place], color=color, lw=1.6)
    axes.plot(found.mean, place, "o", ms=5, color=color)


def draw_curves(file: BinaryIO, panels: Sequence[tuple[str, str, str, Curves]]) -> None:
    """A panel for each (title, x, y, curves): a line for each run, a colour for each arm."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for *_, curves in panels for name in curves))
    colors = dict(zip(names, ("#333333", "#f260a0", "#168477", "#9371ff"), strict=False))
    columns = min(4, len(panels))
    lines = -(-len(panels) // columns)
    with house_style():
        sheet = Figure(figsize=(2.6 * columns, 0.4 + 2.2 * lines), dpi=DPI)
        grid = sheet.subplots(lines, columns, squeeze=False)
        for axes, (title, x, y, curves) in zip(grid.flat, panels, strict=True):
            for name, runs in curves.items():
                for index, (across, up) in enumerate(runs):
                    axes.plot(across, up, lw=1.1, color=colors[name], label=name if index == 0 else None)
            axes.set_title(title, fontsize=9)
            axes.set_xlabel(x, fontsize=8)
            axes.set_ylabel(y, fontsize=8)
            axes.tick_params(labelsize=8)
            axes.grid(color=FAINT)
        handles, labels = grid.flat[0].get_legend_handles_labels()
        sheet.legend(
            handles, labels, loc="outside upper center", ncols=len(labels), fontsize=8, frameon=False
        )
        _save(sheet, file)


def _save(sheet: Any, file: BinaryIO) -> None:
    sheet.set_layout_engine("constrained")
    sheet.savefig(file, format="png", metadata={"Software": None})


Draw = Callable[[BinaryIO], None]
