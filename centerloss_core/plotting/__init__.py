"""Figures of a run or a sweep, drawn from the files that training left. Importing this loads no matplotlib.

- `request`: what can be asked for, checked. `drawing`: which figures are drawn, and under which names.
- `scatter`: the features of one run; `plane`: features of any dimension as points of a plane; `tsne`: by t-SNE.
- `space`: three features in a box.
- `panel`: the runs of a sweep side by side, in the places that `grid` gives them.
- `post`: a run, or the runs of a sweep, in the look of the blog post's figures.
- `animation` and `film`: the features over the epochs, and their frames as GIF or MP4.
- `directions`: features of length 1 on a circle; `angle_histogram`: of more than two features; `angles`: their numbers.
- `regions`: which class every point of the plane would get, by the head of a run (`head`).
- `histogram`: distances within and between classes.
- `curves`: what a run logged over the epochs. `seeds`: accuracies and separation with the spread over seeds.
- `image_sheet`: images side by side, with words below them.
- `style`, `classes`, `titles`, `label_places`, `limits`, `logged`, `text_fit`: common to all.
"""

from centerloss_core.plotting.request import FORMATS, SPLITS, STYLES, PlotError, plot_directory

__all__ = ["FORMATS", "SPLITS", "STYLES", "PlotError", "plot_directory"]
