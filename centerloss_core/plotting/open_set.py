"""How well known and unknown images are told apart over all thresholds: the ROC curve and the OSCR curve."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from centerloss_core.config.axes import KNOWN, LOSS, SEED, label_all, value_of, varying
from centerloss_core.formatting import percent
from centerloss_core.metrics.open_set import Curve, curve_of, figures_of, open_scores, right_of
from centerloss_core.metrics.scores import default_score
from centerloss_core.plotting.sheet import sheet_of
from centerloss_core.plotting.style import CLASS_COLORS, DPI
from centerloss_core.plotting.text_fit import fit, legend_below, title_height
from centerloss_core.plotting.titles import data_title, snapshot_title, title_keys
from centerloss_core.run_directory.feature_dumps import FeatureDump, FeatureFileError
from centerloss_core.run_directory.reader import RunRecord, Snapshot

# Inches.
_LEFT, _BOTTOM, _BOX, _GAP, _RIGHT, _LEGEND = 0.65, 0.5, 3.6, 0.7, 0.2, 0.3
_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))  # told apart without colours too
_LEAST_FPR = 1e-3


@dataclass(frozen=True)
class Line:
    """What has a colour: a score of one run, or runs that differ in their classes and seed alone.

    Attributes:
        name: what the legend calls it.
        curves: of each run.
        auroc, oscr: the areas, of each run.
    """

    name: str
    curves: list[Curve]
    auroc: list[float]
    oscr: list[float]

    @property
    def words(self) -> str:
        """The name with the mean of the areas, and their standard deviation where there are several."""
        return f"{self.name}: AUROC {_mean(self.auroc)}, OSCR {_mean(self.oscr)}"


def has_unknown(dump: FeatureDump) -> bool:
    """Whether there are images of known and of unknown classes."""
    return bool((dump.labels < 0).any() and (dump.labels >= 0).any())


def train_of(run: RunRecord) -> FeatureDump | None:
    """The final training features, for class means; None where they are missing or damaged."""
    try:
        return run.dump("train-final")
    except FeatureFileError:
        return None


def fitting_score(run: RunRecord, among: Sequence[str]) -> str:
    """The score that fits the loss of a run, or the first where it has none of that name."""
    kept = run.thresholds
    name = default_score(run) if kept is None else kept.default
    return name if name in among else among[0]


def open_set_figure(snapshot: Snapshot, width: float | None = None) -> Figure:
    """Draw the curves of every score of a run."""
    dump, train = snapshot.dump, train_of(snapshot.run)
    scores = open_scores(dump, train)
    fits = fitting_score(snapshot.run, list(scores))
    lines = [
        _line(f"{name}{' ★' * (name == fits)}", [_measured(dump, train, score)])
        for name, score in scores.items()
    ]
    return _figure(snapshot_title(snapshot), lines, "by every score; ★ fits the loss", width)


def open_sets_figure(
    snapshots: Sequence[Snapshot], axes: Sequence[str], width: float | None = None
) -> Figure:
    """Draw the curves of several runs, each by the score that fits its loss; see `Line`."""
    runs = [snapshot.run for snapshot in snapshots]
    keys = [
        key for key in varying([run.settings for run in runs], title_keys(axes)) if key not in (SEED, KNOWN)
    ]
    groups: dict[str, list[tuple[str, Curve, dict[str, float | None]]]] = {}
    for snapshot in snapshots:
        train = train_of(snapshot.run)
        scores = open_scores(snapshot.dump, train)
        score = fitting_score(snapshot.run, list(scores))
        settings = {
            key: snapshot.run.loss if key == LOSS else value_of(snapshot.run.settings, key) for key in keys
        }
        name = label_all(settings, keys)
        groups.setdefault(name, []).append((score, *_measured(snapshot.dump, train, scores[score])))
    lines = []
    for name, members in groups.items():
        used = " or ".join(dict.fromkeys(score for score, _, _ in members))
        lines.append(_line(", ".join(filter(None, [name, used])), [each[1:] for each in members]))
    titles = dict.fromkeys(data_title(run) for run in runs)
    several = any(len(line.curves) > 1 for line in lines)
    note = "thin: each run; bold: their mean; ± standard deviation" if several else ""
    return _figure(
        f"{', '.join(titles)} {snapshots[0].split}: each run by the score that fits its loss",
        lines,
        note,
        width,
    )


def _measured(
    dump: FeatureDump, train: FeatureDump | None, score: NDArray[np.float64]
) -> tuple[Curve, dict[str, float | None]]:
    unknown = dump.labels < 0
    curve = curve_of(score, right_of(dump, train)[0], unknown)
    return curve, figures_of(curve, score, unknown)


def _line(name: str, measured: Sequence[tuple[Curve, dict[str, float | None]]]) -> Line:
    areas = {key: [figures[key] or 0.0 for _, figures in measured] for key in ("auroc", "oscr")}
    return Line(name, [curve for curve, _ in measured], areas["auroc"], areas["oscr"])


def _mean(values: Sequence[float]) -> str:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return percent(float(np.mean(values)), deviation)


def _figure(words: str, lines: Sequence[Line], note: str, width: float | None) -> Figure:
    """Draw both curves of each line side by side, or in a narrow figure one below the other."""
    sheet = sheet_of(_LEFT + 2 * _BOX + _GAP + _RIGHT, width)
    margin, letters = sheet.margins, sheet.letters
    columns = 1 if sheet.is_narrow else 2
    box = (sheet.width - (_LEFT + _RIGHT + (columns - 1) * _GAP) * margin) / columns
    figure = Figure(figsize=(sheet.width, sheet.width), dpi=DPI)
    over = figure.text(
        0, 0, "\n".join(filter(None, [words, note])), fontsize=letters(10), linespacing=1.4, va="top"
    )
    fit(over, sheet.width - (_LEFT + _RIGHT) * margin)
    above = title_height(over, 1.4) + 0.1 * margin
    head = 0.3 * margin  # of each box
    rows = 3 - columns
    below = (_BOTTOM + _LEGEND) * margin
    tall = head + box
    height = above + rows * tall + (rows - 1) * _BOTTOM * margin + below
    figure.set_size_inches(sheet.width, height)
    over.set_position((_LEFT * margin / sheet.width, 1 - 0.1 * margin / height))
    for place, (title, kind) in enumerate((("ROC", "tpr"), ("OSCR", "ccr"))):
        left = _LEFT * margin + place % columns * (box + _GAP * margin)
        low = below + (rows - 1 - place // columns) * (tall + _BOTTOM * margin)
        axes = figure.add_axes((left / sheet.width, low / height, box / sheet.width, box / height))
        axes.set_title(title, loc="left", fontsize=letters(10))
        for index, line in enumerate(lines):
            _draw(axes, line, kind, index)
        _dress(axes, kind, letters(9))
    handles = [Line2D([], [], **_look(index), label=line.words) for index, line in enumerate(lines)]
    legend_below(
        figure,
        handles,
        columns=2,
        fewest=1,
        height=_LEGEND * margin,
        fontsize=letters(9),
        room=sheet.width - 0.1,
        columnspacing=1.5,
        borderaxespad=0.2,
        handlelength=2.8,
    )
    return figure


def _look(index: int) -> dict[str, Any]:
    color = CLASS_COLORS[(0, 6, 5, 3, 1, 4, 2, 7, 8, 9)[index % len(CLASS_COLORS)]]
    return {"color": color, "linestyle": _DASHES[index % len(_DASHES)], "linewidth": 1.7}


def _draw(axes: Axes, line: Line, kind: str, index: int) -> None:
    look = _look(index)
    if len(line.curves) == 1:
        axes.plot(line.curves[0].fpr, getattr(line.curves[0], kind), **look)
        return
    for curve in line.curves:
        axes.plot(curve.fpr, getattr(curve, kind), **(look | {"linewidth": 0.6, "alpha": 0.5}))
    # The mean over runs at the same share of unknown images.
    shares = np.unique(np.concatenate([curve.fpr for curve in line.curves]))
    at = [getattr(curve, kind)[np.searchsorted(curve.fpr, shares, side="right") - 1] for curve in line.curves]
    axes.plot(shares, np.mean(at, axis=0), **(look | {"linewidth": 2.2}))


def _dress(axes: Axes, kind: str, size: float) -> None:
    is_roc = kind == "tpr"
    axes.set_xscale("linear" if is_roc else "log")
    axes.set_xlim(0 if is_roc else _LEAST_FPR, 1)
    axes.set_ylim(0, 1.005)
    if is_roc:
        axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8, zorder=1)
    axes.set_xlabel("share of unknown images accepted (FPR)", fontsize=size)
    known = "share of known images accepted"
    axes.set_ylabel(f"{known} (TPR)" if is_roc else f"{known} and right (CCR)", fontsize=size)
    axes.tick_params(labelsize=size)
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
