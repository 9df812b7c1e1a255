"""Known and unknown images: the tables of what `cl evaluate` has measured, and the curves of every run."""

from collections.abc import Sequence

import numpy as np
from bokeh import models
from bokeh.plotting import figure

from centerloss_core.formatting import percent
from centerloss_core.metrics.open_set import curve_of, open_scores, right_of
from centerloss_core.metrics.open_set_names import BY, OF_SCORES, OF_UNSEEN, unseen_key
from centerloss_core.plotting.logged import evenly
from centerloss_core.plotting.open_set import fitting_score, has_unknown, train_of
from centerloss_core.report.curves import Curve, Line, Look, curve_figure, draw_lines
from centerloss_core.report.frames import Panel
from centerloss_core.report.reading import Contents, Record
from centerloss_core.report.tables import Row, Table, words
from centerloss_core.report.tables import figure as cell
from centerloss_core.run_directory.manifest import mapping

_ACROSS = "share of unknown images accepted (FPR)"
_KINDS = (
    ("roc", "tpr", "ROC: share of known images accepted", "linear"),
    ("oscr", "ccr", "OSCR: share of known images accepted and given the right class", "log"),
)
_POINTS = 400  # of a curve


def open_set_tables(contents: Contents) -> list[Table]:
    """A row for each run and score, and a row for each run and way to compare two unknown images."""
    scores, pairs = [], []
    for record in contents.records:
        found = mapping(record.evaluation("open_set"))
        kept = record.run.thresholds
        fits = None if kept is None else kept.default
        for score, figures in mapping(found.get("scores")).items():
            shown = [words(record.label), words(f"{score} ★" if score == fits else score, "name")]
            shown.append(cell(found.get("closed_set_accuracy"), percent))
            scores.append(
                Row([*shown, *(cell(mapping(figures).get(name.key), percent) for name in OF_SCORES)])
            )
        unseen = mapping(found.get("unseen"))
        for by, title in BY.items():
            if unseen:
                shares = (cell(unseen.get(unseen_key(name, by)), percent) for name in OF_UNSEEN)
                pairs.append(Row([words(record.label), words(title, "name"), *shares]))
    about = [(name.title, name.about) for name in OF_SCORES]
    head = ["run", "score", "closed set", *(name.title for name in OF_SCORES)]
    note = "★ marks the score that fits the loss. Known images are the positive ones (docs/metrics.md)."
    tables = [
        Table(
            "Known and unknown test images, told apart by a score",
            head,
            scores,
            "open-set",
            "many-rows",
            about,
            note,
        )
    ]
    head = ["run", "compared by", *(name.title for name in OF_UNSEEN)]
    about = [(name.title, name.about) for name in OF_UNSEEN]
    caption = "Unknown images among themselves: are two of one class?"
    tables.append(Table(caption, head, pairs, "open-set-pairs", "many-rows", about))
    return tables


def open_set_plots(
    panels: Sequence[Panel], records: Sequence[Record], looks: Sequence[Look]
) -> list[tuple[Curve, figure]]:
    """The ROC and the OSCR curve of every run with unknown images, each by the score that fits its loss.

    Args:
        panels: of the runs.
        records, looks: the runs that have curves, and how theirs look.
    """
    by_record = {id(record): look for record, look in zip(records, looks, strict=True)}
    shown = [panel for panel in panels if id(panel.record) in by_record and has_unknown(panel.last.dump)]
    if not shown:
        return []
    lines: dict[str, list[Line]] = {kind: [] for kind, *_ in _KINDS}
    said = []
    for panel in shown:
        look = by_record[id(panel.record)]
        dump, train = panel.last.dump, train_of(panel.record.run)
        scores = open_scores(dump, train)
        score = fitting_score(panel.record.run, list(scores))
        curve = curve_of(scores[score], right_of(dump, train)[0], dump.labels < 0)
        said.append(f"{panel.record.label}: {score}")
        for kind, key, _, _ in _KINDS:
            places = np.array(evenly(range(len(curve.fpr)), _POINTS))
            lines[kind].append(Line(panel.record, look, curve.fpr[places], getattr(curve, key)[places]))
    return [
        (Curve(f"curve-{kind}", title, f"by the score {'; '.join(said)}", ""), _plot(lines[kind], scale))
        for kind, _, title, scale in _KINDS
    ]


def _plot(lines: Sequence[Line], scale: str) -> figure:
    plot = curve_figure("linear", _ACROSS, scale)
    low = 0.0
    if scale == "log":
        low = 1e-3
        lines = [Line(line.record, line.look, np.maximum(line.x, low), line.y) for line in lines]
    plot.x_range = models.Range1d(start=low, end=1)
    plot.y_range = models.Range1d(start=0, end=1.01)
    draw_lines(plot, lines)
    return plot
