"""Figures of a run or a sweep, drawn from the files that training left. Importing this loads no matplotlib.

- `directory`: run or sweep? Here is `plot_directory`.
- `order`: what a person can ask for, checked.
- `drawing`: what is drawn for either, and under which names.
- `records`: what the files say: settings, feature dumps, training history. `head`: the softmax head of a checkpoint.
- `plane`: features of any dimension as points of a plane; `limits`: how much of it axes show.
- `scatter`: the figure of one run; `digit_places`: where the digits of its centers go.
- `grid` and `panel`: the runs of a sweep side by side.
- `post`: a run, or those of a sweep, in the look of the blog post's figures.
- `animation` and `film`: the features over the epochs, and their frames as GIF or MP4.
- `regions`: who would be called what; `histogram`: distances within and between classes.
- `curves`: losses, λ, ‖Δc‖ and accuracy over the epochs, and their `log_ticks`; `seeds`: what seeds agree on, over λ.
- `style`, `titles`, `room`, `save`: colours, words, their place, and files, common to all.
"""

from centerloss_core.plotting.directory import plot_directory
from centerloss_core.plotting.errors import PlotError
from centerloss_core.plotting.request import FORMATS, SPLITS, STYLES

__all__ = ["FORMATS", "SPLITS", "STYLES", "PlotError", "plot_directory"]
