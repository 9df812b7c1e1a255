"""From a directory to one file: the order of steps."""

from collections.abc import Callable, Sequence
from pathlib import Path

from centerloss_core.errors import ExpectedError
from centerloss_core.files.atomic import atomic_write
from centerloss_core.limits import PANELS
from centerloss_core.report.frames import choose_frames
from centerloss_core.report.reading import Contents, read_contents

DEFAULT_NAME = "report.html"


class ReportError(ExpectedError):
    """A report that cannot be written; the message names the file or directory and what to do about it."""


def write_report(
    directory: Path | Sequence[Path], out: Path | None = None, *, note: Callable[[str], None] | None = None
) -> Path:
    """Write the report of a run or a sweep as one HTML file, replacing an earlier one.

    Args:
        directory: a run, a sweep, a folder of runs, or several of these.
        out: the file; None for `report.html` in the directory, or in the folder that holds several.
        note: called with why the images are not shown, where they are not.

    Returns:
        The file written.

    Raises:
        ReportError: the file cannot be where it was asked for.
        ExpectedError: there is nothing to report on, or a file of the run is damaged; of a sweep's runs, the report
            says so instead.
        OSError: the file cannot be written.
    """
    contents = read_contents(directory)
    target = out or contents.path / DEFAULT_NAME
    if target.is_dir():
        raise ReportError(f"{target} is a directory; name a file: --out {target / DEFAULT_NAME}")
    if not target.parent.is_dir():
        raise ReportError(f"{target}: the folder {target.parent} does not exist; create it first")
    text = _make(contents, note)
    with atomic_write(target) as file:
        # Titles and names of directories may hold what UTF-8 has no bytes for.
        file.write(text.encode(errors="backslashreplace"))
    return target


def _make(contents: Contents, note: Callable[[str], None] | None) -> str:
    # These load Bokeh, matplotlib and Pillow.
    from centerloss_core.report.charts import draw
    from centerloss_core.report.page import page
    from centerloss_core.report.thumbnails import find_thumbnails

    records = contents.records
    shown = choose_frames(records)
    # In full are shown all runs, or of a large sweep those that have a panel, or would have one.
    detailed = (
        records if len(records) <= PANELS else [each.record for each in shown.panels] or records[:PANELS]
    )
    charts = draw(shown, detailed)
    notes = [*shown.notes, *charts.notes]
    images, why_not = (
        find_thumbnails(records, shown.groups, shown.originals) if shown.panels else (None, None)
    )
    if why_not is not None:
        notes.append(f"The images are not shown, because {why_not}")
        if note is not None:
            note(notes[-1])
    if len(detailed) < len(records):
        notes.append(
            f"Curves, settings and commands are those of {len(detailed)} of {len(records)} runs; "
            "the figures of all are in the tables."
        )
    return page(contents, detailed, shown, images, charts, notes)
