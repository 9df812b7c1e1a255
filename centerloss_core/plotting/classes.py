"""The classes of a figure: their names, and a legend of their colours."""

from collections.abc import Collection, Sequence
from typing import Any

import matplotlib.patheffects
import numpy as np
from matplotlib.lines import Line2D

from centerloss_core.config.problems import shortened
from centerloss_core.plotting.class_names import merged, places_among
from centerloss_core.plotting.style import CLASS_COLORS, UNKNOWN, class_colors
from centerloss_core.run_directory.class_points import trained
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.reader import Snapshot

# Thin and hollow: what is densest lies at the center, and is seen inside it.
_MARK: dict[str, Any] = {
    "markeredgewidth": 1.3,
    "markeredgecolor": "black",
    "markerfacecolor": "none",
    "linestyle": "none",
    "path_effects": [matplotlib.patheffects.withStroke(linewidth=2.7, foreground="white")],
}
# A center has a ring, other points have a shape of their own; and its size.
_SHAPES = {"prototype": ("D", 8), "anchor": ("s", 9), "mean": ("^", 10), "weight": ("v", 10)}
_LONGEST_NAME, _LONGEST_KIND, _SHORT = 14, 24, 4  # characters
_DOT: dict[str, Any] = {"marker": "o", "markersize": 7, "markeredgewidth": 0, "linestyle": "none"}


def mark_of(kind: str) -> dict[str, Any]:
    """Return how a line draws points of the classes of this kind."""
    marker, size = _SHAPES.get(kind, ("o", 10))
    return {**_MARK, "marker": marker, "markersize": size}


def class_names(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the name of each class, short enough for a figure: from `run.json`, else 0, 1, 2 …"""
    names = snapshot.run.class_names
    numbers = range(len(names), snapshot.dump.classes_seen())
    return tuple(shortened(name, _LONGEST_NAME) for name in (*names, *map(str, numbers)))


def color_places(snapshot: Snapshot) -> list[int] | None:
    """Return which colour each class of a run has that does not know all of its data set: as where all are known.

    None for those in order: where all are known, or one is beyond the colours.
    """
    originals = [shortened(name, _LONGEST_NAME) for name in snapshot.run.original_class_names]
    return places_among(class_names(snapshot), originals, len(CLASS_COLORS))


def common_names(snapshots: Sequence[Snapshot]) -> tuple[str, ...]:
    """Return the names of all classes that some run knows; see `merged`."""
    originals = [shortened(name, _LONGEST_NAME) for one in snapshots for name in one.run.original_class_names]
    return merged([class_names(snapshot) for snapshot in snapshots], originals)


def all_named(dump: FeatureDump, named: Collection[int]) -> bool:
    """Whether every class that is drawn has its name beside its points: a legend would say the same again."""
    return set(np.unique(dump.known().labels if (dump.labels >= 0).any() else []).tolist()) <= set(named)


def legend_handles(
    names: Sequence[str], *dumps: FeatureDump, colors: bool = True, places: Sequence[int] | None = None
) -> list[Line2D]:
    """Return a dot per colour, with the names of the classes that have it; then what else the dumps have.

    Images of unknown classes and centers are named where there are some. Without `colors`, they alone are. For `places`
    see `class_colors`.
    """
    shown = min(len(names), len(CLASS_COLORS)) if colors else 0
    handles = [
        Line2D([], [], **_DOT, color=color, label=_names_at(place, names))
        for place, color in enumerate(class_colors(shown, places if shown else None))
    ]
    if any((dump.labels < 0).any() for dump in dumps):
        handles.append(Line2D([], [], **_DOT, color=UNKNOWN, label="unknown"))
    for kind in sorted({dump.centers_kind for dump in dumps if dump.centers_kind}):
        handles.append(mark_handle(kind))
    return handles


def mark_handle(kind: str) -> Line2D:
    """Return what a legend says of the points of this kind."""
    return Line2D([], [], **mark_of(kind), label=shortened(trained(kind), _LONGEST_KIND))


def has_short_names(handles: Sequence[Line2D]) -> bool:
    """Whether a dozen of them stand side by side under a figure of usual width."""
    return all(len(str(handle.get_label())) <= _SHORT for handle in handles[: len(CLASS_COLORS)])


def _names_at(place: int, names: Sequence[str]) -> str:
    """Return `3`, `3, 13` or `3, 13 + 1 more`: colours repeat, and a legend must fit."""
    same = names[place :: len(CLASS_COLORS)]
    shown = same[:2] if sum(map(len, same[:2])) <= _LONGEST_NAME else same[:1]
    more = len(same) - len(shown)
    return ", ".join(shown) + (f" + {more} more" if more else "")
