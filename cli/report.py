"""`cl report`: a run or a sweep as one HTML file."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A run or a sweep directory.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The file to write, replacing it. Default: report.html in the directory."
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Write one HTML file to explore: points with their digits, tables, curves, origin. No network, no server."""
    from centerloss_core.report import write_report
    from cli import console

    path = write_report(directory, out)
    console.say(f"report: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    if open_:
        import webbrowser

        if not webbrowser.open(path.resolve().as_uri()):
            console.warn(f"no browser could be started; open {path} in one")
