"""From a directory to one file: the order of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from centerloss_core.errors import ExpectedError
from centerloss_core.files.atomic import atomic_write
from centerloss_core.limits import PANELS
from centerloss_core.report.charts import draw
from centerloss_core.report.frames import Shown, as_classes, as_payload, choose_frames, packed
from centerloss_core.report.page import Parts, page
from centerloss_core.report.reading import Contents, Record, read_contents
from centerloss_core.report.thumbnails import COLUMNS, Thumbnails, find_thumbnails

DEFAULT_NAME = "report.html"


class ReportError(ExpectedError):
    """A report that cannot be written; the message names the file or directory and what to do about it."""


def write_report(
    directory: Path, out: Path | None = None, *, note: Callable[[str], None] | None = None
) -> Path:
    """Write the report of a run or a sweep as one HTML file, replacing an earlier one.

    Args:
        directory: a run directory (with `run.json`) or a sweep directory (with `summary.json`).
        out: the file; None for `report.html` in the directory.
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
    target = out or directory / DEFAULT_NAME
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
    shown = choose_frames(contents.records)
    detailed = _detailed(contents.records, shown)
    images, why_not = find_thumbnails(contents.records, shown.groups) if shown.panels else (None, None)
    if why_not is not None and note is not None:
        note(why_not)
    charts = draw(shown, detailed)
    notes = [*shown.notes, *charts.notes, *([why_not] if why_not else [])]
    if len(detailed) < len(contents.records):
        notes.append(
            f"Curves, settings and commands are those of {len(detailed)} of {len(contents.records)} runs; "
            "the figures of all are in the tables."
        )
    return page(Parts(contents, detailed, shown, images, charts, _payload(shown, images), notes))


def _detailed(records: Sequence[Record], shown: Shown) -> Sequence[Record]:
    """The runs that are shown in full: all, or in a large sweep those that have a panel, or would have one."""
    if len(records) <= PANELS:
        return records
    return [panel.record for panel in shown.panels] or records[:PANELS]


def _payload(shown: Shown, images: Thumbnails | None) -> dict[str, Any]:
    """What `report.js` unpacks."""
    groups = [(labels, shown.class_names(index)) for index, labels in enumerate(shown.groups)]
    return {
        "times": shown.times,
        "groups": [
            {"labels": packed(as_classes(labels, len(names))), "names": names} for labels, names in groups
        ],
        "panels": [as_payload(panel, shown.stops) for panel in shown.panels],
        "images": None
        if images is None
        else {
            "columns": COLUMNS,
            "count": images.count,
            "group": images.group,
            "height": images.height,
            "width": images.width,
        },
    }
