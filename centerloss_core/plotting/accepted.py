"""Where in the plane an image counts as known: the region of scores above a threshold, under the images."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from centerloss_core.formatting import percent
from centerloss_core.metrics.open_set import TPR, open_scores, threshold_at
from centerloss_core.metrics.scores import SCORES, means_of, points_of
from centerloss_core.plotting.classes import all_named, class_names, color_places, legend_handles
from centerloss_core.plotting.head import Head
from centerloss_core.plotting.limits import limits_of
from centerloss_core.plotting.one_box import one_box
from centerloss_core.plotting.plane import project
from centerloss_core.plotting.scatter import draw_features
from centerloss_core.plotting.sheet import sheet_of
from centerloss_core.plotting.style import INK
from centerloss_core.plotting.text_fit import legend_below
from centerloss_core.plotting.titles import join, snapshot_title
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.reader import Snapshot

# Inches, as of a scatter plot.
_LEFT, _BOTTOM, _BOX, _RIGHT, _LEGEND = 0.75, 0.5, 5.4, 0.2, 0.3
_PIXELS = 480  # along a side
_REFUSED = "#f5f0e6"  # what is not accepted: paler than grey points, and no colour of a class


class NoPlaneError(ValueError):
    """A score that has no value between the images; the message says why."""


def accepted_figure(
    snapshot: Snapshot, train: FeatureDump | None, score: str, head: Head | None, width: float | None = None
) -> Figure:
    """Draw the region that accepts 95 % of the known images that are drawn, by a score.

    Args:
        snapshot: with two features and unknown images.
        train: the training features, for class means.
        score: its name.
        head: that of the run, for scores of logits.
        width: of the figure in inches.

    Raises:
        NoPlaneError: the score cannot be computed for other points of the plane.
    """
    dump = snapshot.dump
    plane, names, limits = project(dump), class_names(snapshot), limits_of([project(dump)])
    places = color_places(snapshot)
    unknown = dump.labels < 0
    own = open_scores(dump, train)[score]
    threshold = threshold_at(own, unknown)
    refused = float((own[unknown] < threshold).mean())
    sheet = sheet_of(_LEFT + _BOX + _RIGHT, width)
    shown = (
        f"by {score}: {100 * TPR:g} % of the known {snapshot.split} images accepted, {percent(refused)} of the "
        "unknown refused"
    )
    figure, axes = one_box(
        join(snapshot_title(snapshot), shown, by="\n"),
        sheet,
        left=_LEFT,
        right=_RIGHT,
        below=_BOTTOM + _LEGEND,
        title_room=sheet.width - _LEFT * sheet.margins - 0.1,
    )
    x, y = (limits.min[axis] + (np.arange(_PIXELS) + 0.5) / _PIXELS * limits.size[axis] for axis in (0, 1))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)
    values = _scores_at(grid, score, dump, train, head).reshape(_PIXELS, _PIXELS)
    named = draw_features(axes, plane, names, limits, sheet, places=places)
    axes.grid(visible=False)
    if values.min() < threshold:
        axes.contourf(x, y, values, levels=[-np.inf, threshold], colors=[_REFUSED], zorder=0)
    if values.min() < threshold < values.max():
        axes.contour(
            x, y, values, levels=[threshold], colors=[INK], linewidths=1.2, linestyles="solid", zorder=0.5
        )
    handles: list[Any] = legend_handles(names, dump, colors=not all_named(dump, named), places=places)
    handles.append(Patch(facecolor=_REFUSED, edgecolor=INK, linewidth=1.2, label="none of these"))
    legend_below(
        figure,
        handles,
        columns=12,
        fewest=3,
        height=_LEGEND * sheet.margins,
        fontsize=sheet.letters(9.5),
        room=sheet.width - 0.1,
        columnspacing=1.0,
        handletextpad=0.4,
        borderaxespad=0.2,
    )
    return figure


def _scores_at(
    points: NDArray[np.float32], score: str, dump: FeatureDump, train: FeatureDump | None, head: Head | None
) -> NDArray[np.float64]:
    """The score of each of some points of the plane, (m,)."""
    logits = None
    if "logits" in SCORES[score].needs:
        if head is None:
            raise NoPlaneError(f"the score {score} needs the head")
        logits = head.logits(points).astype(np.float32)
        # The head is one of a linear function only where it repeats the logits themselves, not just their order.
        if dump.logits is None or not np.allclose(
            head.logits(dump.features), dump.logits, rtol=1e-2, atol=1e-2
        ):
            raise NoPlaneError(f"the score {score} of this head is no linear function of the feature")
    means = None if train is None else means_of(train)
    return SCORES[score](points, logits, points_of(dump, train), means)
