"""Figures of a run or a sweep, drawn from the files that training left. Importing this loads no matplotlib.

- `directory`: run or sweep? Here is `plot_directory`.
- `drawing`: what is drawn for either, and under which names.
- `records`: what the files say: settings, feature dumps, training history.
- `plane`: features of any dimension as points of a plane.
- `scatter`: the figure of one run; `grid` and `panel`: the runs of a sweep side by side.
- `post`: the same two in the look of the blog post's figures.
- `curves`: losses, λ and accuracy over the epochs.
- `style`, `titles`, `save`: colours, words and files, common to all.
"""

from centerloss_core.plotting.directory import FORMATS, SPLITS, STYLES, plot_directory
from centerloss_core.plotting.errors import PlotError

__all__ = ["FORMATS", "SPLITS", "STYLES", "PlotError", "plot_directory"]
