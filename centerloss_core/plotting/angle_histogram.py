"""Of more than two features, the angles of images to their class and to the others, as two histograms."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from centerloss_core.plotting.angles import angles_of, angles_title, lost_title
from centerloss_core.plotting.classes import class_names
from centerloss_core.plotting.head import Head
from centerloss_core.plotting.histogram import OTHER, OWN, draw_shares
from centerloss_core.plotting.one_box import one_box
from centerloss_core.plotting.sheet import sheet_of
from centerloss_core.plotting.text_fit import legend_below
from centerloss_core.plotting.titles import join, snapshot_title
from centerloss_core.run_directory.class_points import trained
from centerloss_core.run_directory.reader import Snapshot

# Inches: the figure, its margins, the height of its box, and of the legend.
_WIDTH, _LEFT, _RIGHT, _BOTTOM, _BOX, _LEGEND = 8.2, 0.82, 0.16, 0.5, 2.75, 0.55
_BINS = np.arange(0, 181, 2)  # degrees


def angle_histogram(snapshot: Snapshot, head: Head | None, width: float | None = None) -> Figure:
    """Draw a run with any number of features; the less both histograms overlap, the better directions tell classes."""
    names = class_names(snapshot)
    angles = angles_of(snapshot.dump, head, len(names))
    all_angles = angles.to_middles()
    is_own = np.arange(all_angles.shape[1]) == angles.labels[:, np.newaxis]
    sheet = sheet_of(_WIDTH, width)
    letters = sheet.letters
    words = join(
        snapshot_title(snapshot), angles_title(snapshot.dump, angles), lost_title(angles, names), by="\n"
    )
    box = _BOX * max(sheet.scale, 0.6)
    figure, axes = one_box(words, sheet, left=_LEFT, right=_RIGHT, below=_BOTTOM + _LEGEND, height=box)
    for part, name, color, hatch in (
        (is_own, f"to the own {trained(angles.kind)}", OWN, ""),
        (~is_own, "to that of each other class", OTHER, "////"),
    ):
        values = all_angles[part]
        draw_shares(axes, values[np.isfinite(values)], _BINS.astype(float), name, color, hatch)
    axes.set_xlim(0, 180)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MultipleLocator(30))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda angle, _: f"{angle:g}°"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axes.tick_params(labelsize=letters(9))
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("angle of an image, seen from the origin", fontsize=letters(10))
    axes.set_ylabel("share of the angles", fontsize=letters(10))
    legend_below(
        figure,
        axes.get_legend_handles_labels()[0],
        columns=2,
        fewest=1,
        fontsize=letters(9.5),
        room=sheet.width - 0.1,
        height=_LEGEND * sheet.margins,
        columnspacing=2.0,
    )
    return figure
