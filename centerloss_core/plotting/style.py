"""Colours and settings that all figures share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

# In published sets of ten that are meant for all eyes, the nearest two are a CIELAB distance of 17 apart (petroff10)
# or 15 (Tol's muted) in the worst of normal, protan, deutan and tritan vision (Machado et al. 2009, severity 1).
# These were searched for the largest such distance, 29.9, with a lightness of 22 to 77 so that all stand out from
# white. In MNIST, those digits that are mistaken for each other (4 and 9, 3 and 5, 1 and 7 …) lie 37 or more apart.
CLASS_COLORS = (
    "#064117",
    "#d5a4ff",
    "#a0ca73",
    "#490f89",
    "#726805",
    "#c64b65",
    "#0079f9",
    "#5f1b4f",
    "#e4ad1e",
    "#36d2bf",
)

DPI = 110
INK = "#333333"
FAINT = "#e4e4e4"
UNKNOWN = "#9a9a9a"  # images of unknown classes

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
        matplotlib.rcParams.update(_SETTINGS)
        yield


def class_colors(classes: int) -> list[str]:
    """Return a colour per class; beyond ten they repeat, and the names at the centers tell them apart."""
    return [CLASS_COLORS[label % len(CLASS_COLORS)] for label in range(classes)]


def colors_of(labels: NDArray[np.integer], classes: int) -> NDArray[np.float64]:
    """Return (n, 3) the colour of each label; −1, of images of unknown classes, is grey."""
    table = np.array([to_rgb(color) for color in (*class_colors(classes), UNKNOWN)])
    colors: NDArray[np.float64] = table[labels]
    return colors
