"""`cl report`: a run or a sweep as one HTML file."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Directories, Open

_ENDINGS = (".html", ".htm")


def report(
    directories: Directories,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The file to write, replacing it; its name ends in .html. Default: report.html in the directory.",
        ),
    ] = None,
    open_: Open = False,
) -> None:
    """Write one HTML file to explore: points with their images, tables, curves, origin. No network, no server."""
    from centerloss_core.report import ReportError, write_report

    from .browser import open_in_browser
    from .streams import note, say

    # The file is replaced without a question, and a mistyped name must not cost the features of a run.
    if out is not None and not out.is_dir() and out.suffix.lower() not in _ENDINGS:
        raise ReportError(f"{out}: the name must end in one of {', '.join(_ENDINGS)}")
    notes: list[str] = []
    path = write_report(directories, out, note=notes.append)
    say(f"report: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    for each in notes:
        note(each)
    if open_:
        open_in_browser(path)
