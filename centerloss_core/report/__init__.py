"""One HTML file that shows a run or a sweep: no server, no network, no other file. Importing this loads no Bokeh.

- `making`: the order of steps; `write_report` is here.
- `reading`: the runs, read as far as possible, with a label each.
- `frames`: which epochs are shown; `payload`: their points in few bytes; `thumbnails`: the test images in one picture.
- `charts`: the scatter panels in Bokeh; `curves`: the curves; `empty`: what both have in common.
- `tables`: a table as data; `results`, `seeds`, `evaluations`, `confusion`, `origin` make them.
- `page` with `templates/`, `report.css` and `report.js`: everything in one file.
"""

from centerloss_core.report.making import ReportError, write_report

__all__ = ["ReportError", "write_report"]
