"""Colours and settings that all figures share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from centerloss_core.plotting.letters import fonts

# Searched for the largest of the smallest CIEDE2000 difference between any two of them, over normal, protan, deutan and
# tritan vision (Machado et al. 2009, severity 1), with a lightness of 25 to 76 in steps of at least 4, so that grey
# tells them apart and none fades into white: 16.3. Of published sets of ten, petroff10 has 11.9 and tab10 1.3. In
# MNIST, those digits that are mistaken for each other (4 and 9, 3 and 5, 1 and 7 …) are 27 or more apart.
CLASS_COLORS = (
    "#168477",
    "#f260a0",
    "#00c1cf",
    "#193978",
    "#91ab0b",
    "#9371ff",
    "#bf0407",
    "#871c39",
    "#e1b196",
    "#2614ff",
)

DPI = 110
INK = "#333333"
FAINT = "#e4e4e4"
UNKNOWN = "#c4c4c4"  # images of unknown classes: behind the others, and like none of them to any eye

_SETTINGS: dict[Any, str] = {
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "centerloss",  # ids in an SVG are random without it
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with matplotlib's defaults and these settings, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_SETTINGS, "font.family": fonts()})
        yield


def class_colors(classes: int, places: Sequence[int] | None = None) -> list[str]:
    """Return a colour per class; beyond ten they repeat, and the names at the centers tell them apart.

    `places` says which colour each class has, if not those in order.
    """
    order = range(classes) if places is None else places
    return [CLASS_COLORS[place % len(CLASS_COLORS)] for place in order]


def drawing_order(labels: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the order to draw points in, (n,): unknown ones below the others, and no class hides another."""
    order = np.random.default_rng(0).permutation(len(labels))
    return order[np.argsort(labels[order] >= 0, kind="stable")]


def colors_of(
    labels: NDArray[np.integer], classes: int, places: Sequence[int] | None = None
) -> NDArray[np.float64]:
    """Return (n, 3) the colour of each label, see `class_colors`; −1, of images of unknown classes, is grey."""
    table = np.array([to_rgb(color) for color in (*class_colors(classes, places), UNKNOWN)])
    found: NDArray[np.float64] = table[labels]
    return found
