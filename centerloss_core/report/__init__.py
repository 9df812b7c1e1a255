"""One HTML file that shows a run or a sweep: no server, no network, nothing beside it. Importing this loads no Bokeh.

- `making`: the order of things. Here is `write_report`.
- `reading`: what the directory says, run by run.
- `frames`: which epochs are shown, and their points in as few bytes as will do.
- `digits`: the test images, once, as one picture.
- `charts`: the scatter panels, in Bokeh, and the `curves` beside them; `empty` is theirs.
- `tables`, `evaluations`, `confusion`, `differences`, `origin`: plain HTML that needs no script to be read.
- `markup`: escaping, and tables.
- `page` with `report.css` and `report.js`: everything in one file.
"""

from centerloss_core.report.errors import ReportError
from centerloss_core.report.making import write_report

__all__ = ["ReportError", "write_report"]
